"""Measures that a program takes of one response: overlap with a reference, length, readability, speed.

None of them knows whether a reply is kind, safe or of help: they count words and seconds.

References
----------
[1] C.-Y. Lin (2004). ROUGE: a package for automatic evaluation of summaries. ACL workshop Text
    Summarization Branches Out. (rouge-score package)
[2] R. J. Senter, E. A. Smith (1967). Automated Readability Index. AMRL-TR-66-220. (textstat package)
[3] M. Coleman, T. L. Liau (1975). A computer readability formula designed for machine scoring.
    Journal of Applied Psychology 60, 283-284. (textstat package)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.validation import FloatArray, columns_present
from study.errors import AnalysisError

Family = Literal["rouge", "length", "readability", "speed"]
FAMILIES: tuple[Family, ...] = ("rouge", "length", "readability", "speed")


@dataclass(frozen=True)
class Measure:
    """One automatic measure.

    Parameters
    ----------
    name : str
        In snake case, as in files.
    label : str
        As in tables.
    family : {"rouge", "length", "readability", "speed"}
    digits : int
        Decimals in tables.
    pooled : {"mean", "rate", "highest"}
        How the responses of a system become one number: the mean; a rate (sum over sum of seconds);
        the highest.
    """

    name: str
    label: str
    family: Family
    digits: int = 2
    pooled: Literal["mean", "rate", "highest"] = "mean"


MEASURES: tuple[Measure, ...] = (
    Measure("rouge1", "ROUGE-1 F1", "rouge", 3),
    Measure("rouge2", "ROUGE-2 F1", "rouge", 3),
    Measure("rouge_l", "ROUGE-L F1", "rouge", 3),
    Measure("words", "Words", "length", 1),
    Measure("characters", "Characters", "length", 1),
    Measure("tokens", "Tokens", "length", 1),
    Measure("automated_readability_index", "Automated readability index", "readability"),
    Measure("coleman_liau_index", "Coleman–Liau index", "readability"),
    Measure("responses_per_second", "Responses per second", "speed", 3, "rate"),
    Measure("tokens_per_second", "Tokens per second", "speed", 1, "rate"),
    Measure("first_token_s", "Seconds to the first token", "speed", 3),
    Measure("peak_memory_mb", "Peak memory, MB", "speed", 0, "highest"),
)


_NONE = "no text"


@dataclass(frozen=True)
class RougeScores:
    """F1 of unigrams, bigrams and the longest common subsequence, each 0 to 1 [1]_."""

    rouge1: float
    rouge2: float
    rouge_l: float


@dataclass(frozen=True)
class Readability:
    """School grades of the United States that two formulas give an English text [2]_ [3]_."""

    automated_readability_index: float
    coleman_liau_index: float


@dataclass(frozen=True)
class MeasuredResponses:
    """A measure of every response.

    Parameters
    ----------
    measure : Measure
    numerator, denominator : ndarray, shape (responses,)
        The value is their quotient; the denominator is 1 but for rates. nan where missing.
    reasons : tuple of str
        Why a value is missing; empty where there is one.
    """

    measure: Measure
    numerator: FloatArray
    denominator: FloatArray
    reasons: tuple[str, ...]


def rouge_scores(response: str, reference: str, *, language: str = "en") -> RougeScores | None:
    """ROUGE-1, -2 and -L (F1) of a response against a reference [1]_.

    ROUGE-L is of the whole text, not sentence by sentence. A response that has none of what is counted
    (no word, or a single word and so no bigram) found nothing of the reference: 0, as the package has
    it. Leaving it out would reward the shortest replies.

    Parameters
    ----------
    response, reference : str
    language : str
        ISO 639-1. English: the rouge-score package's own words (a to z and digits, lower case) with
        the Porter stemmer. Others: words of any script in lower case, not stemmed, because the
        package would drop letters that English does not have.

    Returns
    -------
    RougeScores or None
        None where the reference has no word.

    Examples
    --------
    >>> rouge_scores("the cats sat", "the cat sat on the mat").rouge1
    0.6666666666666666
    """
    if not _word_splitter(language)(reference):
        return None
    found = _scorer(language).score(reference, response)
    return RougeScores(
        found["rouge1"].fmeasure,
        found["rouge2"].fmeasure,
        found["rougeL"].fmeasure,
    )


class _WordsOfAnyScript:
    """The interface that rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """Words in lower case."""
        return re.findall(r"\w+", text.lower())


@cache
def _scorer(language: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL"]
    if language == "en":
        return RougeScorer(kinds, use_stemmer=True)
    return RougeScorer(kinds, tokenizer=_WordsOfAnyScript())


@cache
def _word_splitter(language: str) -> Callable[[str], list[str]]:
    if language != "en":
        return _WordsOfAnyScript().tokenize
    from rouge_score.tokenizers import DefaultTokenizer

    split: Callable[[str], list[str]] = DefaultTokenizer(use_stemmer=True).tokenize
    return split


def count_words(text: str) -> int:
    """Words, parted by white space."""
    return len(text.split())


def count_characters(text: str) -> int:
    """Characters without the white space at the ends."""
    return len(text.strip())


def readability(text: str) -> Readability | None:
    """Two readability formulas for English that need no dictionary of syllables [2]_ [3]_.

    ARI = 4.71 characters/words + 0.5 words/sentences - 21.43 (characters without white space).
    Coleman-Liau = 0.058 L - 0.296 S - 15.8 with L letters and digits and S sentences per 100 words.
    Words and sentences are counted as textstat counts them; it does not count a sentence of one or two
    words. Both were made for long prose: the grade of a single short reply says little.

    Returns
    -------
    Readability or None
        None where the text has no word.
    """
    import textstat

    if textstat.lexicon_count(text) == 0:
        return None
    return Readability(
        float(textstat.automated_readability_index(text)), float(textstat.coleman_liau_index(text))
    )


def measure_responses(
    responses: pd.DataFrame, *, language: str = "en"
) -> dict[str, MeasuredResponses]:
    """Every automatic measure of every response.

    Parameters
    ----------
    responses : DataFrame
        ``text`` (empty where there is no response); where known ``reference`` (a reply that a person
        wrote), ``completion_tokens``, ``latency_s`` (seconds for the whole response), ``first_token_s``,
        ``peak_memory_bytes`` and ``peak_memory_missing`` (why that one is not known).
    language : str
        ISO 639-1, of the texts.

    Returns
    -------
    dict
        From a measure's name to its values, in the order of ``MEASURES``.

    Raises
    ------
    AnalysisError
        When there is no column ``text`` or a figure is no number.
    """
    columns_present(list(responses.columns), ["text"], "the responses")
    texts = responses["text"].fillna("").astype(str).tolist()
    values = _rouge_values(responses, texts, language)
    values["words"] = [count_words(text) or _NONE for text in texts]
    values["characters"] = [count_characters(text) or _NONE for text in texts]
    values |= _readability_values(texts, language)
    tokens, seconds = _figures(responses, "completion_tokens"), _figures(responses, "latency_s")
    values["tokens"] = tokens
    values["first_token_s"] = _figures(responses, "first_token_s")
    values["peak_memory_mb"] = _peak_memory(responses)
    amounts = {"responses_per_second": [1.0] * len(texts), "tokens_per_second": tokens}
    return {
        m.name: _rate(m, amounts[m.name], seconds)
        if m.pooled == "rate"
        else _measured(m, values[m.name])
        for m in MEASURES
    }


def _rouge_values(responses: pd.DataFrame, texts: list[str], language: str) -> dict[str, list[Any]]:
    """ROUGE of every response, or the reason why there is none."""
    names = ("rouge1", "rouge2", "rouge_l")
    values: dict[str, list[Any]] = {name: [] for name in names}
    given = "reference" in responses.columns
    references = responses["reference"].fillna("").astype(str) if given else [""] * len(texts)
    for text, reference in zip(texts, references, strict=True):
        scores: RougeScores | str | None = "no reference"
        if not text.strip():
            scores = _NONE
        elif reference.strip():
            scores = rouge_scores(text, reference, language=language) or "a reference without words"
        for name in names:
            values[name].append(scores if isinstance(scores, str) else getattr(scores, name))
    return values


def _readability_values(texts: list[str], language: str) -> dict[str, list[Any]]:
    names = ("automated_readability_index", "coleman_liau_index")
    if language != "en":
        return {name: ["a formula for English only"] * len(texts) for name in names}
    found = [readability(text) for text in texts]
    return {name: [_NONE if one is None else getattr(one, name) for one in found] for name in names}


def _figures(responses: pd.DataFrame, column: str, *, divided_by: float = 1.0) -> list[Any]:
    """A column of numbers, or the reason why there is none."""
    if column not in responses.columns:
        return ["not recorded"] * len(responses)
    numbers = pd.to_numeric(responses[column], errors="coerce")
    strange = responses[column][numbers.isna() & responses[column].notna()]
    if len(strange):
        raise AnalysisError(
            f"The column {column!r} holds {strange.iloc[0]!r}; expected a number or an empty cell."
        )
    return ["not recorded" if np.isnan(x) else x / divided_by for x in numbers.astype(float)]


def _peak_memory(responses: pd.DataFrame) -> list[Any]:
    """Megabytes, or the reason that the backend gave where it cannot know."""
    found = _figures(responses, "peak_memory_bytes", divided_by=1e6)
    if "peak_memory_missing" not in responses.columns:
        return found
    reasons = responses["peak_memory_missing"].fillna("").astype(str)
    return [
        (why or value) if isinstance(value, str) else value
        for value, why in zip(found, reasons, strict=True)
    ]


def _numbers(values: list[Any]) -> FloatArray:
    return np.array([np.nan if isinstance(v, str) else float(v) for v in values], dtype=np.float64)


def _measured(measure: Measure, values: list[Any]) -> MeasuredResponses:
    numbers = _numbers(values)
    reasons = tuple(v if isinstance(v, str) else "" for v in values)
    return MeasuredResponses(measure, numbers, np.where(np.isnan(numbers), np.nan, 1.0), reasons)


def _rate(measure: Measure, amounts: list[Any], seconds: list[Any]) -> MeasuredResponses:
    """Amount per second; a response that took no measurable time has no rate."""
    reasons = tuple(
        next(
            (why for why in (amount, time) if isinstance(why, str)),
            "" if isinstance(time, str) or time > 0 else "no time was measured",
        )
        for amount, time in zip(amounts, seconds, strict=True)
    )
    known = np.array([not why for why in reasons], dtype=bool)
    return MeasuredResponses(
        measure,
        np.where(known, _numbers(amounts), np.nan),
        np.where(known, _numbers(seconds), np.nan),
        reasons,
    )
