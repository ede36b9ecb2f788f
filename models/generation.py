"""Writing the responses of a study: every prompt by every system, with provenance, resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from models.backends import Backend, Message, open_backend, settings_of
from models.cleaning import clean_response
from models.decoding import DecodingSettings, Generated
from study.errors import GenerationError, ModelError
from study.protocol.schema import Prompt, Protocol, System

# A system that fails this often in a row is broken, and the rest of its prompts would only wait.
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class GeneratedResponse:
    """A response as it goes to the store, which adds id and time.

    Attributes
    ----------
    prompt_id, system_id, text : str
        The text is cleaned and never empty.
    provenance : dict
        What is needed to make it again; plain JSON values.
    """

    prompt_id: str
    system_id: str
    text: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class GenerationStep:
    """Where the generation is.

    Attributes
    ----------
    state : str
        ``loading`` (a system, no prompt yet), ``writing``, ``saved`` or ``failed``.
    done, total : int
        Responses that exist, of all that the protocol asks for.
    system_id, prompt_id : str
        ``prompt_id`` is empty while loading.
    """

    state: Literal["loading", "writing", "saved", "failed"]
    done: int
    total: int
    system_id: str
    prompt_id: str = ""


@dataclass(frozen=True)
class GenerationSummary:
    """What one run did: numbers of responses by system id."""

    written: dict[str, int]
    skipped: dict[str, int]

    @property
    def total_written(self) -> int:
        """Responses written in this run."""
        return sum(self.written.values())

    @property
    def total_skipped(self) -> int:
        """Responses that were there before."""
        return sum(self.skipped.values())


@dataclass
class _Run:
    """The state of one run."""

    protocol: Protocol
    existing: set[tuple[str, str]]
    study_folder: Path
    save: Callable[[GeneratedResponse], None]
    progress: Callable[[GenerationStep], None] | None
    failures: list[str] = field(default_factory=list)
    done: int = 0

    def tell(
        self,
        state: Literal["loading", "writing", "saved", "failed"],
        system_id: str,
        prompt_id: str = "",
    ) -> None:
        if self.progress is not None:
            total = len(self.protocol.prompts) * len(self.protocol.systems)
            self.progress(GenerationStep(state, self.done, total, system_id, prompt_id))


def generate_responses(
    protocol: Protocol,
    *,
    existing: Iterable[tuple[str, str]],
    study_folder: Path,
    save: Callable[[GeneratedResponse], None],
    progress: Callable[[GenerationStep], None] | None = None,
) -> GenerationSummary:
    """Write every response that the study lacks, one system after the other.

    Parameters
    ----------
    protocol : Protocol
    existing : iterable of (prompt_id, system_id)
        Responses that are there; they are not written again.
    study_folder : Path
        Where relative model paths start.
    save : callable
        Stores one response; called as soon as the response is there. What it raises ends the run.
    progress : callable or None
        Told of every step.

    Raises
    ------
    GenerationError
        When responses failed: one error that names each, after all others were saved.
    """
    run = _Run(protocol, set(existing), study_folder, save, progress)
    declared = {(p.id, s.id) for s in protocol.systems for p in protocol.prompts}
    run.done = len(declared & run.existing)
    written, skipped = {}, {}
    for system in protocol.systems:
        prompts = [p for p in protocol.prompts if (p.id, system.id) not in run.existing]
        skipped[system.id] = len(protocol.prompts) - len(prompts)
        written[system.id] = _run_system(run, system, prompts) if prompts else 0
    if run.failures:
        lines = "\n".join(f"  - {failure}" for failure in run.failures)
        raise GenerationError(
            f"{len(declared) - run.done} of {len(declared)} responses are missing; "
            f"{sum(written.values())} new ones are saved. Failed:\n{lines}\n"
            f"Mend this and run 'evenhand generate' again: it writes only what is missing."
        )
    return GenerationSummary(written=written, skipped=skipped)


def _run_system(run: _Run, system: System, prompts: list[Prompt]) -> int:
    """Write one system's responses; returns how many."""
    run.tell("loading", system.id)
    try:
        backend = open_backend(system, study_folder=run.study_folder)
    except ModelError as error:
        run.failures.append(f"system {system.id}, all {len(prompts)} prompts: {error}")
        run.tell("failed", system.id)
        return 0
    try:
        return _write_all(run, system, backend, prompts)
    finally:
        backend.close()


def _write_all(run: _Run, system: System, backend: Backend, prompts: list[Prompt]) -> int:
    written = in_a_row = 0
    for number, prompt in enumerate(prompts):
        run.tell("writing", system.id, prompt.id)
        try:
            response = write_response(system, backend, prompt)
        except ModelError as error:
            run.failures.append(f"system {system.id}, prompt {prompt.id}: {error}")
            run.tell("failed", system.id, prompt.id)
            in_a_row += 1
            left = len(prompts) - number - 1
            if in_a_row >= FAILURES_IN_A_ROW and left:
                run.failures.append(
                    f"system {system.id}: the other {left} prompts were not tried after "
                    f"{in_a_row} failures in a row"
                )
                break
            continue
        run.save(response)
        written += 1
        in_a_row = 0
        run.done += 1
        run.tell("saved", system.id, prompt.id)
    return written


def write_response(system: System, backend: Backend, prompt: Prompt) -> GeneratedResponse:
    """Ask a loaded system for its response to one prompt.

    Raises
    ------
    ModelError
        When the system cannot answer.
    GenerationError
        When nothing is left of the answer after cleaning.
    """
    settings = settings_of(system, seed=seed_of_prompt(system.decoding.seed, prompt.id))
    generated = backend.generate(conversation(system.system_prompt, prompt.text), settings)
    cleaned = clean_response(generated.text)
    if not cleaned.text:
        raw = generated.raw_text.strip()
        raise GenerationError(
            f"the response is empty{f' after cleaning; the model wrote {raw[:80]!r}' if raw else ''}"
            f" (stopped by {generated.stop_reason}); expected a text. Try another decoding.seed or "
            f"a larger max_new_tokens, or see whether the model fits its chat template"
        )
    provenance = _provenance(system, prompt, settings, generated, backend.provenance())
    if cleaned.text != generated.raw_text:
        provenance |= {"raw_text": generated.raw_text, "cleaning": list(cleaned.changes)}
    return GeneratedResponse(prompt.id, system.id, cleaned.text, provenance)


def conversation(system_prompt: str, text: str) -> list[Message]:
    """The messages that a system gets: its system prompt where it has one, and the prompt."""
    messages = [{"role": "system", "content": system_prompt}] if system_prompt.strip() else []
    return [*messages, {"role": "user", "content": text}]


def seed_of_prompt(seed: int, prompt_id: str) -> int:
    """The seed of one prompt's response, from 0 to 2**31 - 1.

    The first 31 bits of SHA-256 over ``seed`` and ``prompt_id``: it does not depend on the order
    of the prompts or on where a run was resumed, and fits every endpoint's integer.
    """
    digest = hashlib.sha256(f"{seed}\x1f{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _provenance(
    system: System,
    prompt: Prompt,
    settings: DecodingSettings,
    generated: Generated,
    backend: dict[str, Any],
) -> dict[str, Any]:
    counted = backend.get("usage_reported", True)
    decoding = asdict(settings) | {"stop": list(settings.stop)}
    return {
        "system_id": system.id,
        **backend,
        "seed": decoding.pop("seed"),
        "declared_seed": system.decoding.seed,
        "decoding": decoding,
        "system_prompt_sha256": _sha256(system.system_prompt),
        "prompt_sha256": _sha256(prompt.text),
        "prompt_tokens": generated.prompt_tokens if counted else None,
        "completion_tokens": generated.completion_tokens if counted else None,
        "latency_s": round(generated.latency_s, 6),
        "first_token_s": round(generated.first_token_s, 6),
        "stop_reason": generated.stop_reason,
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
