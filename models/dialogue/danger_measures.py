"""What the search for signs of danger finds, and what it wrongly finds, on labelled sentences.

The set is halved by a fixed rule: sentences with odd numbers, within each language and category,
were used for writing the patterns; those with even numbers were not.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.dialogue.danger_signs import LANGUAGES, find_danger
from models.dialogue.emotion_measures import wilson_interval

SENTENCES_FILE = Path(__file__).with_name("danger_sentences.csv")
_LANGUAGE_NAMES = {"en": "English", "es": "Spanish", "de": "German", "ar": "Arabic"}


@dataclass(frozen=True)
class DangerSentence:
    """One labelled sentence; ``id`` ends with its number within language and category."""

    id: str
    language: str
    category: str
    dangerous: bool
    text: str

    @property
    def held_out(self) -> bool:
        """Whether it was kept apart while the patterns were written."""
        return int(self.id.rpartition("-")[2]) % 2 == 0


@dataclass(frozen=True)
class HeldOut:
    """How many sentences of one kind were read rightly.

    Attributes
    ----------
    title : str
    dangerous : bool
        True: the share is a sensitivity. False: a specificity.
    right, n : int
    """

    title: str
    dangerous: bool
    right: int
    n: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %. It counts sentences as independent, which those of one author are not."""
        return wilson_interval(self.right, self.n)


def read_sentences() -> list[DangerSentence]:
    """The labelled sentences, in the order of the file."""
    with SENTENCES_FILE.open(encoding="utf-8", newline="") as file:
        return [
            DangerSentence(
                id=row["id"],
                language=row["language"],
                category=row["category"],
                dangerous=row["dangerous"] == "yes",
                text=row["text"],
            )
            for row in csv.DictReader(file)
        ]


def measure_held_out() -> list[HeldOut]:
    """Sensitivity, then specificity, on the held-out half: overall, by language, by category."""
    sentences = [sentence for sentence in read_sentences() if sentence.held_out]
    found = []
    for dangerous in (True, False):
        kind = [sentence for sentence in sentences if sentence.dangerous is dangerous]
        what = "dangerous" if dangerous else "harmless"
        found.append(_counted(f"**{what}, all**", kind))
        for code in LANGUAGES:
            of_language = [sentence for sentence in kind if sentence.language == code]
            found.append(_counted(f"{what}, {_LANGUAGE_NAMES[code]}", of_language))
        for category in dict.fromkeys(sentence.category for sentence in kind):
            of_category = [sentence for sentence in kind if sentence.category == category]
            found.append(_counted(f"{what}, {category.replace('_', ' ')}", of_category))
    return found


def _counted(title: str, sentences: Sequence[DangerSentence]) -> HeldOut:
    right = sum((find_danger(s.text) is not None) == s.dangerous for s in sentences)
    return HeldOut(title, sentences[0].dangerous, right, len(sentences))
