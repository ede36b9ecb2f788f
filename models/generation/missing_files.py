"""Whether the model files that a study's systems still need are on this machine."""

from __future__ import annotations

from collections.abc import Sized

from models.backends.opening import missing_files
from study.errors import ModelError
from study.store.locking import read_lock
from study.store.responses import imported_systems, read_responses
from study.store.study import Study


def files_that_are_missing(study: Study) -> list[str]:
    """Warnings about model files that nothing needs any more.

    Raises
    ------
    ModelError
        When a system has still to write its responses, or to answer live, and cannot.
    """
    missing = missing_files(study.protocol.systems, study.folder)
    if not missing:
        return []
    live = study.protocol.design.shows == "conversation"
    if read_lock(study) is not None:
        # Which systems they are stands in no output after the lock.
        need = " `evenhand serve-model --all` needs them." if live else ""
        return [f"Warning: model files of {_systems(missing)} are not on this machine.{need}"]
    there = {(response.prompt_id, response.system_id) for response in read_responses(study)}
    imported = imported_systems(study)
    needed = {
        system: fault
        for system, fault in missing.items()
        if system not in imported
        and any((prompt.id, system) not in there for prompt in study.protocol.prompts)
    }
    if needed:
        otherwise = [] if live else ["Or bring in their responses: evenhand import FILE"]
        raise ModelError(
            "\n".join(
                [
                    f"Model files are missing for {_systems(needed)}:",
                    *needed.values(),
                    *otherwise,
                ]
            )
        )
    return [
        f"Warning, though nothing here has to write for it: {fault}" for fault in missing.values()
    ]


def _systems(some: Sized) -> str:
    return f"{len(some)} system{'s' * (len(some) != 1)}"
