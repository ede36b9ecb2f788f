"""Signs of danger in a message, found by wording: patterns as data, in four languages.

The patterns and the rules of reading them stand in ``danger_signs/`` (its README says how a message
is read); ``danger_sentences.csv`` holds the labelled sentences that they are measured on. The search
judges nobody, and a message without a find is not thereby safe.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

SIGNS_FOLDER = Path(__file__).with_name("danger_signs")
Kind = Literal["emergency", "crisis", "others", "abuse", "voices", "eating"]
# Of several kinds in one message, the first decides what is answered.
KINDS: tuple[Kind, ...] = get_args(Kind)
LANGUAGES = ("en", "es", "de", "ar")

_APOSTROPHES = re.compile("['\u2018\u2019\u201a\u201b\u02bc\u02b9\u00b4`\u2032\uff07]")
_DROPPED = re.compile("[\u0640\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
# One letter for several spellings: final ya and ta marbuta; alef's forms fall together with the marks.
_ARABIC = str.maketrans({"ى": "ي", "ة": "ه", "ٱ": "ا", "ی": "ي", "ک": "ك"})
_DASHES = re.compile("[-\u2010-\u2015_/*~]+")
_SENTENCES = re.compile(
    r"[.!?;:\n\u2026\u061f\u061b\u00bf\u00a1()\"\u201c\u201d\u201e\u00ab\u00bb]+"
)
# Messages whose sign is kept: a conversation sends its earlier turns again with every request.
_KEPT = 4096
# A blotted figure of speech; no pattern matches it, and it is no word.
_BLOT = " § "


@dataclass(frozen=True)
class DangerSign:
    """One place of a message that reads like a sign of danger.

    Attributes
    ----------
    kind : {"emergency", "crisis", "others", "abuse", "voices", "eating"}
    language : {"en", "es", "de", "ar"}
        Of the pattern, and so of the answer.
    wording : str
        What was found, folded.
    about_other : bool
        The last person named before it is not the writer.
    """

    kind: Kind
    language: str
    wording: str
    about_other: bool


@dataclass(frozen=True)
class _Sign:
    kind: Kind
    pattern: re.Pattern[str]
    negated: bool
    own: bool
    unless: re.Pattern[str] | None
    beside: re.Pattern[str] | None


@dataclass(frozen=True)
class _Language:
    code: str
    idioms: re.Pattern[str]
    negation: re.Pattern[str]
    negation_after: re.Pattern[str] | None
    no_negation: re.Pattern[str]
    told: re.Pattern[str]
    people: re.Pattern[str]
    answers: dict[str, re.Pattern[str]]
    signs: tuple[_Sign, ...]


def folded(text: str) -> str:
    """The text as the patterns are written: see the README in ``danger_signs``."""
    # Apostrophes go first: compatibility folding turns some of them into a space and a mark.
    text = _APOSTROPHES.sub("", text)
    text = unicodedata.normalize("NFKC", text).casefold()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = _DASHES.sub(" ", _DROPPED.sub("", text).translate(_ARABIC))
    text = re.sub("[,\u060c]", ", ", text)
    return re.sub(r"[^\S\n]+", " ", text)


@lru_cache(_KEPT)
def find_danger(message: str) -> DangerSign | None:
    """The gravest sign of danger in a message, or None without one.

    Parameters
    ----------
    message : str
        Of any language; patterns of English, Spanish, German and Arabic are tried in this order.
    """
    text = folded(message)
    for language in _languages():
        clean = language.idioms.sub(_BLOT, text)
        sentences = [part for part in _SENTENCES.split(clean) if part.strip()]
        found = [
            sign
            for place, sentence in enumerate(sentences)
            for sign in _signs_in(
                sentence, language, " ".join(sentences[max(place - 1, 0) : place + 2])
            )
        ]
        if found:
            return min(found, key=lambda sign: KINDS.index(sign.kind))
    return None


def safety_answer(message: str) -> Literal["safe", "unsafe"] | None:
    """What a message answers to the question whether all are safe; None when it does not say.

    That the sign was none (``mistaken``) is ``safe``. Otherwise a no, or not knowing, is ``unsafe``,
    also where a yes stands beside it: the careful reading.
    """
    sentences = _SENTENCES.split(folded(message))
    for reading in ("mistaken", "unsafe", "safe"):
        for language in _languages():
            pattern = language.answers[reading]
            if any(pattern.search(sentence.strip()) for sentence in sentences):
                return "unsafe" if reading == "unsafe" else "safe"
    return None


def _signs_in(sentence: str, language: _Language, around: str) -> list[DangerSign]:
    """The signs of one sentence; ``around`` is the sentence with its neighbours."""
    told = language.told.search(sentence) is not None
    # A comma within a sign changes nothing ("all of them, the whole bottle"); before it, it ends the
    # reach of a negation.
    plain = sentence.replace(",", "")
    found = []
    for sign in language.signs:
        if (told and not sign.own) or (sign.unless and sign.unless.search(plain)):
            continue
        if sign.beside and not sign.beside.search(around):
            continue
        for match in sign.pattern.finditer(plain):
            before, after = _around(sentence, match)
            if sign.negated or not _is_negated(before, after, language):
                other = _about_other(before, language)
                found.append(DangerSign(sign.kind, language.code, match.group().strip(), other))
                break
    return found


def _around(sentence: str, match: re.Match[str]) -> tuple[str, str]:
    """What stands in a sentence before and after a find that was made without its commas."""
    places = [place for place, character in enumerate(sentence) if character != ","]
    return sentence[: places[match.start()]], sentence[places[match.end() - 1] + 1 :]


def _is_negated(before: str, after: str, language: _Language) -> bool:
    if language.negation_after and language.negation_after.search(after):
        return True
    clause = before.rpartition(",")[2]
    negation = language.negation.search(clause)
    return negation is not None and not language.no_negation.search(clause)


def _about_other(before: str, language: _Language) -> bool:
    """Whether the last person named before the find is another; nobody named means the writer."""
    people = list(language.people.finditer(before))
    return bool(people) and people[-1].group("own") is None


@cache
def _languages() -> tuple[_Language, ...]:
    return tuple(_read_language(code) for code in LANGUAGES)


def _read_language(code: str) -> _Language:
    content = tomllib.loads((SIGNS_FOLDER / f"{code}.toml").read_text(encoding="utf-8"))

    def compiled(pattern: str) -> re.Pattern[str]:
        # Not str.format: a pattern has braces of its own, such as {0,3}.
        filled = re.sub(r"\{([a-z]\w*)\}", lambda name: content["words"][name[1]], pattern)
        return re.compile(filled)

    def either(patterns: list[str]) -> re.Pattern[str]:
        joined = "|".join(patterns)
        # Arabic joins particles to the next word and pronouns to the one before.
        return compiled(
            rf"(?<!\w)[وفبلسحه]{{0,2}}(?:{joined})" if code == "ar" else rf"\b(?:{joined})(?!\w)"
        )

    return _Language(
        code=code,
        idioms=compiled("|".join(content["idioms"])),
        negation=compiled(content["negation"]),
        negation_after=compiled(content["negation_after"]) if "negation_after" in content else None,
        no_negation=compiled(content["no_negation"]),
        told=compiled(content["told"]),
        people=compiled(f"(?P<own>{content['own']})|(?:{content['others']})"),
        answers={name: compiled(content[name]) for name in ("mistaken", "unsafe", "safe")},
        signs=tuple(
            _Sign(
                kind=entry["kind"],
                pattern=either(entry["words"]),
                negated=entry.get("negated", False),
                own=entry.get("own", False),
                unless=compiled(entry["unless"]) if "unless" in entry else None,
                beside=compiled(entry["beside"]) if "beside" in entry else None,
            )
            for entry in content["sign"]
        ),
    )
