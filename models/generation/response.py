"""Writing one response: what a system is asked, and what is recorded of how it answered."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from models.backends.decoding import DecodingSettings, Generated
from models.backends.interface import Backend, Message
from models.backends.opening import settings_of
from models.generation.cleaning import clean_response
from study.errors import GenerationError
from study.protocol.schema import Prompt
from study.protocol.systems import System


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
        "peak_memory_bytes": generated.peak_memory_bytes,
        "stop_reason": generated.stop_reason,
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
