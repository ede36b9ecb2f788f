"""What a column of a published table holds, by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Longest first where one begins with another; each is compared with whole words.
_PHRASES: tuple[tuple[str, str], ...] = tuple(
    (phrase, role)
    for role, phrases in {
        "sd": "standard deviation|std deviation|std dev|std|stdev|st dev|sd|s d|desviacion|sa",
        "se": "standard error|std error|sem|se",
        "p": "p value|p val|pvalue|pval|p|sig|significance",
        "t": "t value|t stat|t statistic|t test|t",
        "df": "degrees of freedom|df|d f",
        "d": "cohen s d|cohens d|cohen d|hedges g|hedge s g|effect size|d|g",
        "other_test": "mann whitney u|mann whitney|wilcoxon|kruskal wallis|chi square|chi squared|chi2|"
        "fisher|"
        "u|z|w|h|χ2|chi|adjusted|bonferroni|holm|paired",
        "f": "f value|f statistic|f",
        "n": "sample size|n raters|n participants|n respondents|n people|n total|number of participants|"
        "number of raters|number of respondents|participants|respondents|raters|n answers|n responses|n",
        "frequency": "frequency|frequencies|freq|counts|count|absolute frequency|häufigkeit|frecuencia",
        "percent": "percent|percentage|percentages|pct|perc|%|proportion|share|prozent|porcentaje",
        "mean": "mean|means|average|avg|m|mittelwert|media",
        "median": "median|mdn|md",
        "minimum": "minimum|min|scale min|lowest",
        "maximum": "maximum|max|scale max|highest",
        "scale": "scale|points|likert",
        "items": "n items|number of items|items|k",
        "topics": "n topics|n prompts|topics|prompts|conversations|dialogues|n conversations",
        "top": "top two|top 2|top2|top two box|top 2 box|top box|t2b|4 or 5|4 and 5|rated 4 or 5",
        "kappa": "kappa|kappas|κ|qwk",
        "ci_low": "ci low|ci lower|lower ci|lower|ci lo|lci|ll|low",
        "ci_high": "ci high|ci upper|upper ci|upper|ci hi|uci|ul|high",
        "statistic": "statistic|measure|stat",
    }.items()
    for phrase in sorted(phrases.split("|"), key=len, reverse=True)
)
_VALUE = re.compile(
    r"(?:(?:response|answer|scale|likert|rating) )?(?:value|values|option|options|point|score|rating|"
    r"response|answer|category|label|choice|level|anchor|stars?|grade|wert|antwort|valor|respuesta)"
    r"(?: (?:option|value|label))?"
)
_CUMULATIVE = re.compile(r"cum|cumulative|cumulated|accumulated|kumul|acumul")
_UNSAID = {
    "printed", "reported", "published", "of", "the", "in", "value", "valid", "two", "tailed", "sided", "as",
    "for",
    "by", "and", "or", "no", "number",
}  # fmt: skip
# Groups that are no people, so that all of them may have been rated by everybody.
_WITHIN = {
    "system", "systems", "model", "models", "condition", "conditions", "time", "phase", "arm", "llm",
    "chatbot",
    "bot", "version", "method", "measurement", "occasion", "session", "treatment", "wave", "timepoint",
}  # fmt: skip
_GROUPING = _WITHIN | {
    "group", "groups", "gender", "sex", "major", "field", "discipline", "cohort", "subgroup", "gruppe",
    "grupo",
    "class", "education", "profession", "role", "department", "faculty", "stratum", "background",
}  # fmt: skip
_NUMBERING = {
    "table",
    "no",
    "nr",
    "number",
    "id",
    "item no",
    "item nr",
    "item number",
    "item id",
    "#",
    "row",
    "q",
}
WHOLE_WORDS = {
    "total", "all", "overall", "whole", "sample", "everyone", "everybody", "combined", "entire", "sum",
    "gesamt",
    "full", "total sample", "all raters", "all participants", "whole sample", "full sample", "overall sample",
}  # fmt: skip
MISSING_WORDS = {
    "missing", "no answer", "not answered", "not available", "no response", "system", "na", "n a",
    "unanswered",
    "did not answer", "prefer not to say", "missing system",
}  # fmt: skip
OUTCOMES = {
    "total",
    "sum",
    "overall",
    "score",
    "scores",
    "rating",
    "ratings",
    "age",
    "totals",
    "item",
}

_ORDERED = tuple(
    tuple(frozenset(point.split("/")) for point in family.split("|"))
    for family in (
        "strongly disagree/totally disagree/completely disagree|disagree/mostly disagree|somewhat disagree/"
        "slightly disagree/rather disagree|neutral/neither/undecided/neither agree nor disagree/not sure/"
        "unsure|"
        "somewhat agree/slightly agree/rather agree|agree/mostly agree|strongly agree/totally agree/"
        "completely agree",
        "never|rarely/seldom|sometimes/occasionally|often/frequently|very often/usually|always",
        "very poor/very bad|poor/bad|fair/average/acceptable/ok|good|very good|excellent",
        "very dissatisfied|dissatisfied|neutral|satisfied|very satisfied",
        "very low|low|medium/moderate|high|very high",
        "not at all|slightly/a little/a little bit|moderately/somewhat|very/quite/quite a bit/very much|"
        "extremely",
    )
)


@dataclass(frozen=True)
class Header:
    """A column's name, read.

    Parameters
    ----------
    name : str
        As printed.
    roles : tuple of str
        What a cell holds, one or two numbers: ``("mean", "sd")``. Empty for names and for what is not known.
    rest : str
        What is left of the name: a group, an outcome, a point of the scale.
    n : int or None
        Of a name such as ``STEM (n = 26)``.
    cumulative : bool
    """

    name: str
    roles: tuple[str, ...]
    rest: str
    n: int | None
    cumulative: bool


def words(text: str) -> list[str]:
    """The words of a name in lower case; a percent sign is one.

    Examples
    --------
    >>> words("Phi-4_total (%)")
    ['phi', '4', 'total', '%']
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    # mean1, n2: the statistic of the first and the second group.
    parted = re.sub(
        r"(?i)\b(n|m|mean|sd|se|median|group)(\d)\b", r"\1 \2", parted.replace("_", " ")
    )
    return re.findall(r"[^\W_]+|%|#", parted.replace("²", "2").lower())


def read_header(name: str) -> Header:
    """The roles in a column's name, and what is left of it.

    Examples
    --------
    >>> read_header("STEM (n = 26) M (SD)")
    Header(name='STEM (n = 26) M (SD)', roles=('mean', 'sd'), rest='stem', n=26, cumulative=False)
    >>> read_header("mean_total").rest, read_header("p_printed").roles
    ('total', ('p',))
    """
    given = re.search(r"\b[nN]\s*=\s*(\d+)", name)
    bare = name.replace(given[0], " ") if given else name
    cumulative = any(_CUMULATIVE.match(word) for word in words(bare))
    left = [word for word in words(bare) if not _CUMULATIVE.match(word)]
    roles: list[str] = []
    text = " ".join(left)
    if not cumulative and not given and _VALUE.fullmatch(text):
        return Header(name, ("value",), "", None, False)
    for phrase, role in sorted(_PHRASES, key=lambda pair: len(pair[0]), reverse=True):
        at = re.search(rf"(?<!\S){re.escape(phrase)}(?!\S)", text)
        if at and not (len(phrase) == 1 and _is_letter_of_a_name(text, at)):
            roles.append(f"{at.start():03d}{role}")
            text = text[: at.start()] + "." * (at.end() - at.start()) + text[at.end() :]
    rest = " ".join(w for w in text.replace(".", " ").split() if w not in _UNSAID)
    kinds = tuple(role[3:] for role in sorted(roles))
    if "ci" in left and not set(kinds) & {"ci_low", "ci_high"}:
        kinds = ("ci",)  # both limits in one cell; its 95 % is no share
    return Header(name, kinds, rest, int(given[1]) if given else None, cumulative)


def _is_letter_of_a_name(text: str, at: re.Match[str]) -> bool:
    """A single letter within a longer name, such as the t of "don t know", is no statistic."""
    return at.start() > 0 and bool(text[at.end() :].strip(" .%")) and len(text.split()) > 3


def is_within(name: str) -> bool:
    """Whether a column names what one person may have met several of: systems, conditions, times."""
    return bool(set(words(name)) & _WITHIN)


def is_grouping(name: str) -> bool:
    """Whether a column names groups that are compared."""
    return bool(set(words(name)) & _GROUPING)


def is_numbering(name: str) -> bool:
    """Whether a column numbers tables or items."""
    told = " ".join(words(name))
    return told in _NUMBERING or told.endswith((" no", " nr", " id", " number"))


def is_whole(label: str) -> bool:
    """Whether a row's name says that it is about everybody, or all items."""
    return " ".join(words(re.sub(r"\(.*?\)", "", label))) in WHOLE_WORDS


def is_missing(label: str) -> bool:
    """Whether an option's name says that no answer was given."""
    return " ".join(words(label)) in MISSING_WORDS


def places_of_labels(labels: Sequence[str]) -> list[int] | None:
    """Places of the labels in the order that their words have; None where no such scale holds them all.

    Examples
    --------
    >>> places_of_labels(["Strongly agree", "Neutral", "Disagree"])
    [6, 3, 1]
    """
    plain = [" ".join(w for w in words(label) if not w.isdigit()) for label in labels]
    for family in _ORDERED:
        found = [
            next((at for at, point in enumerate(family) if label in point), None) for label in plain
        ]
        places = [at for at in found if at is not None]
        if len(places) == len(labels):
            return places
    return None


def point_in(label: str) -> int | None:
    """The point that an option names: ``4``, ``4 (agree)``, ``Agree = 4``; None for ranges and words."""
    numbers = re.findall(r"(?<![\d.,])\d+(?:[.,]0+)?(?![\d.,]*\d)", label)
    return int(re.split(r"[.,]", numbers[0])[0]) if len(numbers) == 1 else None
