"""What a training began with, and the last state from which it can go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from models.training.training_card import CARD
from study.errors import ModelError
from study.whole_files import FOR_ALL, write_whole

START = "training-start.json"
STATES = "states"
_STATE_FILE = "trainer_state.json"


def begin(output: Path, start: dict[str, Any], *, resume: bool) -> Path | None:
    """Make the output folder ready, or find where to go on.

    Parameters
    ----------
    output : Path
    start : dict
        Everything that decides the result; written down, and compared when resuming.
    resume : bool

    Returns
    -------
    Path or None
        The last whole state, or None to begin with the first step.

    Raises
    ------
    ModelError
        When the folder is in use, there is nothing to resume, or the training has changed.
    """
    record = output / START
    if not resume:
        if output.exists() and any(output.iterdir()):
            raise ModelError(
                f"The output folder {output} is not empty. Go on with a stopped training by "
                f"--resume, or name a new folder."
            )
        output.mkdir(parents=True, exist_ok=True)
        write_whole(record, json.dumps(start, indent=2) + "\n", mode=FOR_ALL)
        return None
    if not record.is_file():
        raise ModelError(
            f"There is no stopped training in {output} ({START} is not there). Leave out --resume, "
            f"or name the folder of the training."
        )
    if (output / CARD).is_file():
        raise ModelError(
            f"The training in {output} has ended; its card is {CARD}. Name a new folder, and leave out "
            f"--resume, to train again."
        )
    _refuse_changes(json.loads(record.read_text(encoding="utf-8")), start, output)
    return last_state(output)


def _refuse_changes(before: dict[str, Any], now: dict[str, Any], output: Path) -> None:
    for block in sorted(set(before) | set(now)):
        old, new = before.get(block), now.get(block)
        if old == new:
            continue
        names = sorted(set(old or {}) | set(new or {})) if isinstance(old, dict) else []
        name = next((n for n in names if (old or {}).get(n) != (new or {}).get(n)), None)
        if name is not None:
            old, new = (old or {}).get(name), (new or {}).get(name)
        raise ModelError(
            f"The training in {output} began with {block}{f' {name}' if name else ''} {old!r}, and "
            f"now it is {new!r}. Give it as it was, or train into a new folder."
        )


def last_state(output: Path) -> Path | None:
    """The newest state that was written whole; what a kill left half-written is removed."""
    whole = []
    for folder in (output / STATES).glob("checkpoint-*"):
        try:
            # Trainer writes this file last.
            json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(folder)
            continue
        whole.append(folder)
    return max(whole, key=lambda folder: int(folder.name.rsplit("-", 1)[-1]), default=None)
