"""The lock of a study whose models are known: what nobody accepted, or cannot answer, refuses it."""

from __future__ import annotations

from models.backends.opening import missing_files
from models.judge.wording.declaration import judge_hashes
from study.errors import ModelError
from study.store.locking import Lock, accept_finding, lock_study, read_lock
from study.store.study import Study


def lock_checked(
    study: Study,
    accepted: tuple[str, ...] = (),
    by: str = "",
    *,
    models_elsewhere: bool = False,
) -> Lock:
    """Check the responses, or the models of live systems, and lock.

    A finding that nobody accepted refuses the lock, and so does a system of a study of conversations
    whose files are not on this machine, unless its models lie elsewhere.
    """
    existing = read_lock(study)
    if existing is not None:
        return existing
    if study.protocol.design.shows == "conversation" and not models_elsewhere:
        missing = missing_files(study.protocol.systems, study.folder)
        if missing:
            raise ModelError(
                "\n".join(
                    [
                        "The study was not locked: a system could not answer.",
                        *missing.values(),
                        "When the models lie on another machine: evenhand lock --models-elsewhere",
                    ]
                )
            )
    for finding in accepted:
        accept_finding(study, finding, by)
    return lock_study(study, judge_hashes(study.protocol, study.folder))
