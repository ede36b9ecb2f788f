"""The responses that a study still lacks and that evenhand is to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.generation.response import GeneratedResponse
from models.generation.run import GenerationStep, GenerationSummary, generate_responses
from study.protocol import Protocol
from study.store.responses import imported_systems, read_responses, save_response
from study.store.study import Study


@dataclass(frozen=True)
class MissingResponses:
    """What is to be written for a study.

    Attributes
    ----------
    protocol : Protocol
        With those systems alone for which evenhand writes.
    existing : frozenset of (str, str)
        (prompt, system) of responses that are there.
    """

    study: Study
    protocol: Protocol
    existing: frozenset[tuple[str, str]]

    @property
    def number(self) -> int:
        """How many are missing."""
        return len(self.protocol.prompts) * len(self.protocol.systems) - len(self.existing)

    def write(
        self, workers: int, cluster: str, tell: Callable[[str, int], None]
    ) -> GenerationSummary:
        """Generate and save them; ``tell`` is given what is being done and how many have ended."""
        ended = 0

        def save(made: GeneratedResponse) -> None:
            save_response(self.study, made.prompt_id, made.system_id, made.text, made.provenance)

        def show(step: GenerationStep) -> None:
            nonlocal ended
            ended += step.state in ("saved", "failed")
            tell(f"{step.system_id}: {step.prompt_id or step.state}", ended)

        return generate_responses(
            self.protocol,
            existing=self.existing,
            study_folder=self.study.folder,
            save=save,
            progress=show,
            workers=workers,
            cluster=cluster,
        )


def missing_responses(study: Study) -> MissingResponses | None:
    """What is to be written; None where all systems' responses are made elsewhere."""
    imported = imported_systems(study)
    ours = tuple(system for system in study.protocol.systems if system.id not in imported)
    if not ours:
        return None
    # Which systems are compared decides nothing in the writing of one's responses.
    protocol = study.protocol.model_copy(update={"systems": ours})
    there = [(r.prompt_id, r.system_id) for r in read_responses(study)]
    return MissingResponses(study, protocol, frozenset(p for p in there if p[1] not in imported))
