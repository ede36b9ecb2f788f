"""What the search for signs of danger finds, and what it wrongly finds, on labelled sentences.

The sentences came in four rounds, all by evenhand's authors, each written without a look at the
patterns of the time except where said:

1. written together with the first patterns; halved: odd numbers were used for writing them;
2. written by another hand before it saw the patterns; halved in the same way, but that hand then
   widened the patterns and had written the held-out half itself;
3. written after that as unlike the patterns as it could, and used for widening them once more;
4. written after everything, likewise unlike the patterns, and used for nothing.
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
    """One labelled sentence.

    Attributes
    ----------
    id : str
        Ends with its number within language, category and round.
    language : {"en", "es", "de", "ar"}
    category : str
    dangerous : bool
    round : int
        1 to 4, see the module.
    held_out : bool
        Whether it was kept apart while the patterns were written.
    text : str
    """

    id: str
    language: str
    category: str
    dangerous: bool
    round: int
    held_out: bool
    text: str


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
                round=int(row["round"]),
                held_out=row["half"] == "held out",
                text=row["text"],
            )
            for row in csv.DictReader(file)
        ]


def measure_held_out() -> list[HeldOut]:
    """Sensitivity and specificity on held-out sentences: by round and language, then by category."""
    sentences = [sentence for sentence in read_sentences() if sentence.held_out]
    found = []
    for number in dict.fromkeys(sentence.round for sentence in sentences):
        of_round = [sentence for sentence in sentences if sentence.round == number]
        for what, kind in _both(of_round):
            found.append(_counted(f"**round {number}, {what}**", kind))
            for code in LANGUAGES:
                of_language = [sentence for sentence in kind if sentence.language == code]
                found.append(
                    _counted(f"round {number}, {what}, {_LANGUAGE_NAMES[code]}", of_language)
                )
    for what, kind in _both(sentences):
        for category in dict.fromkeys(sentence.category for sentence in kind):
            of_category = [sentence for sentence in kind if sentence.category == category]
            found.append(_counted(f"all rounds, {what}, {category.replace('_', ' ')}", of_category))
    return found


def _both(
    sentences: Sequence[DangerSentence],
) -> tuple[tuple[str, list[DangerSentence]], tuple[str, list[DangerSentence]]]:
    return (
        ("dangerous", [sentence for sentence in sentences if sentence.dangerous]),
        ("harmless", [sentence for sentence in sentences if not sentence.dangerous]),
    )


def _counted(title: str, sentences: Sequence[DangerSentence]) -> HeldOut:
    right = sum((find_danger(s.text) is not None) == s.dangerous for s in sentences)
    return HeldOut(title, sentences[0].dangerous, right, len(sentences))
