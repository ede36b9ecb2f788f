"""From data files to the conversations of a training: read, cleaned, split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.offline.export import file_sha256
from models.training.conversation_data import Conversation, Form, read_conversations
from models.training.data_cleaning import clean_conversations
from models.training.identity_examples import identity_examples
from models.training.personal_names import read_names
from models.training.recipes import TrainingSettings
from models.training.splitting import Split, split_conversations, without_held_out


@dataclass(frozen=True)
class DataFiles:
    """What a user names.

    Attributes
    ----------
    training, held_out : tuple of Path
        Without held-out files, a share of the training files is held out.
    form : {'alpaca', 'sharegpt', 'esconv'} or None
    names : Path or None
        Personal names of this data set, one a line.
    identity : str or None
        What the system is to call itself; None adds no identity examples.
    """

    training: tuple[Path, ...]
    held_out: tuple[Path, ...] = ()
    form: Form | None = None
    names: Path | None = None
    identity: str | None = None


@dataclass(frozen=True)
class PreparedData:
    """Conversations to train with, and what was done to the files to get them."""

    split: Split
    facts: dict[str, Any] = field(default_factory=dict)


def prepare_data(files: DataFiles, settings: TrainingSettings) -> PreparedData:
    """Read, clean and split the conversations.

    Raises
    ------
    ModelError
        When a file, one of its rows or the split is unusable.
    """
    names = frozenset() if files.names is None else read_names(files.names)
    facts: dict[str, Any] = {"files": {}, "cleaned": {}}
    read: dict[str, list[Conversation]] = {"training": [], "held_out": []}
    for side, paths in (("training", files.training), ("held_out", files.held_out)):
        for path in paths:
            found = read_conversations(path, files.form)
            cleaned = clean_conversations(found.conversations, settings, names)
            read[side] += cleaned.conversations
            facts["files"][path.name] = {
                "side": side,
                "form": found.form,
                "conversations": len(found.conversations),
                "sha256": file_sha256(path),
            }
            for change, count in cleaned.counts.items():
                facts["cleaned"][change] = facts["cleaned"].get(change, 0) + count
    split = _split(read["training"], read["held_out"], settings)
    added = 0
    if files.identity is not None:
        examples = identity_examples(files.identity, settings.identity_copies)
        kept, _ = without_held_out(examples, split.held_out)
        added = len(kept)
        split = replace(split, training=split.training + kept)
    facts["split"] = {
        "training": len(split.training),
        "held out": len(split.held_out),
        "shares kept of": split.label,
        "duplicates kept together": split.duplicates,
        "left out of training because held out": split.removed,
        "identity examples": added,
    }
    return PreparedData(split, facts)


def _split(
    training: Sequence[Conversation], held_out: Sequence[Conversation], settings: TrainingSettings
) -> Split:
    if not held_out:
        return split_conversations(
            training,
            share=settings.held_out_share,
            by=settings.stratify_by,
            seed=settings.seed,
        )
    kept, removed = without_held_out(training, held_out)
    return Split(kept, tuple(held_out), "none (a held-out file was given)", removed=removed)
