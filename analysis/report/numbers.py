"""How numbers are printed: one place, so that the same figure looks the same everywhere."""

from __future__ import annotations

import math

from analysis.p_values import p_phrase as p_phrase
from analysis.p_values import p_text as p_text
from analysis.results import Estimate

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; never a negative zero.

    Examples
    --------
    >>> number(-0.001), number(3.14159, 3), number(12.0, 0)
    ('0.00', '3.142', '12')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞" if value < 0 else "–"
    text = f"{value:.{digits}f}"
    if text.startswith("-"):
        text = text[1:] if float(text) == 0 else MINUS + text[1:]
    return text


def count(value: int) -> str:
    """A whole number, thousands parted by a thin space."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if value >= 10_000 else str(value)


def counted(value: int, noun: str) -> str:
    """A whole number and what it counts: ``1 prompt``, ``2 prompts``."""
    return f"{count(value)} {noun if value == 1 else noun + 's'}"


def n_text(unit: str, n: int) -> str:
    """Unit with n, for captions: ``rater, n = 36``."""
    return f"{unit}, n = {count(n)}"


def percent(part: int, whole: int, digits: int = 2) -> str:
    """``part`` of ``whole`` in percent; a dash when there is no whole."""
    return number(100 * part / whole, digits) if whole else "–"


def interval_text(result: Estimate, digits: int = 2) -> str:
    """``[low, high]``, empty when the method gives no interval."""
    if result.ci_low is None and result.ci_high is None:
        return ""
    low = number(-math.inf if result.ci_low is None else result.ci_low, digits)
    high = number(math.inf if result.ci_high is None else result.ci_high, digits)
    return f"[{low}, {high}]"


def estimate_text(result: Estimate, digits: int = 2) -> str:
    """The estimate alone.

    Raises
    ------
    ValueError
        When it is undefined: callers must print the reason instead.
    """
    if result.estimate is None:
        raise ValueError(f"{result.statistic} is undefined: {result.undefined_because}")
    return number(result.estimate, digits)


def level_text(level: float) -> str:
    """``0.95`` as ``95 %``, kept on one line."""
    return f"{100 * level:g}\N{NO-BREAK SPACE}%"


def phrase(result: Estimate, name: str, digits: int = 2) -> str:
    """A result for running text, or why there is none.

    Examples
    --------
    >>> phrase(Estimate("g", 0.5, 0.1, 0.9, p_value=0.02), "g")
    'g = 0.50, 95\xa0% CI [0.10, 0.90], p = .020'
    """
    if result.estimate is None:
        return f"{name} is undefined, because {result.undefined_because.rstrip('.')}"
    parts = [f"{name} = {estimate_text(result, digits)}"]
    if interval := interval_text(result, digits):
        parts.append(f"{level_text(result.ci_level)} CI {interval}")
    if result.p_value is not None:
        parts.append(p_phrase(result.p_value))
    return ", ".join(parts)
