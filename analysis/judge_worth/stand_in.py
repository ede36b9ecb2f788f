"""May the judge stand in for people? The protocol's own conditions, answered yes, no or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.judge_worth.alternative_annotator import AlternativeAnnotatorTest, Answer
from analysis.results import Estimate
from study.protocol.judge import StandInConditions


@dataclass(frozen=True)
class ConditionAnswer:
    """One condition.

    Parameters
    ----------
    condition : str
        In words, with its limit.
    answer : {"yes", "no", "cannot be answered"}
        Whether it holds.
    because : str
        The figure behind the answer.
    """

    condition: str
    answer: Answer
    because: str


@dataclass(frozen=True)
class StandInAnswer:
    """All conditions together.

    Parameters
    ----------
    answer : {"yes", "no", "cannot be answered"}
        ``no`` when any condition fails; ``cannot be answered`` when none fails but some cannot be
        answered; ``yes`` when all hold.
    because : str
        The conditions that decide.
    conditions : tuple of ConditionAnswer
    """

    answer: Answer
    because: str
    conditions: tuple[ConditionAnswer, ...]


def stand_in_answer(
    conditions: StandInConditions,
    *,
    test: AlternativeAnnotatorTest,
    kappa: Estimate,
    bias_by_system: Sequence[tuple[str, Estimate]],
) -> StandInAnswer:
    """Hold the results against what the protocol declared before the first rating.

    Parameters
    ----------
    conditions : StandInConditions
        The protocol's ``judge.stand_in_only_if``.
    test : AlternativeAnnotatorTest
        Done with the declared epsilon on the declared group.
    kappa : Estimate
        Quadratic weighted kappa of judge and people of the group; the lower end of its interval
        counts.
    bias_by_system : sequence of (str, Estimate)
        Signed bias in points; the largest absolute value counts.

    Returns
    -------
    StandInAnswer
    """
    found = [_winning(conditions, test)]
    if conditions.weighted_kappa_at_least is not None:
        found.append(_kappa(conditions.weighted_kappa_at_least, kappa))
    if conditions.bias_at_most is not None:
        found.append(_bias(conditions.bias_at_most, bias_by_system))
    answer: Answer = "yes"
    for possible in ("cannot be answered", "no"):
        if any(c.answer == possible for c in found):
            answer = "no" if possible == "no" else "cannot be answered"
    deciding = [c for c in found if c.answer == answer]
    because = "; ".join(f"{c.condition}: {c.because}" for c in deciding)
    return StandInAnswer(answer, because, tuple(found))


def _winning(conditions: StandInConditions, test: AlternativeAnnotatorTest) -> ConditionAnswer:
    least = conditions.winning_rate_at_least
    condition = (
        f"winning rate of at least {least:g} in the alternative-annotator test with "
        f"epsilon {conditions.epsilon:g}"
    )
    if test.rule.epsilon != conditions.epsilon:
        because = f"the test was done with epsilon {test.rule.epsilon:g}"
        return ConditionAnswer(condition, "cannot be answered", because)
    rate = test.winning_rate.estimate
    if rate is None:
        return ConditionAnswer(condition, "cannot be answered", test.because)
    won, n = test.winning_rate.details.won, test.winning_rate.n
    because = f"the winning rate is {rate:.2f} ({won} of {n} raters)"
    return ConditionAnswer(condition, "yes" if rate >= least else "no", because)


def _kappa(least: float, kappa: Estimate) -> ConditionAnswer:
    condition = f"lower limit of quadratic weighted kappa of at least {least:g}"
    if kappa.estimate is None:
        return ConditionAnswer(condition, "cannot be answered", kappa.undefined_because)
    if kappa.ci_low is None:
        because = f"kappa is {kappa.estimate:.2f} and has no interval ({kappa.ci_method})"
        return ConditionAnswer(condition, "cannot be answered", because)
    because = f"kappa is {kappa.estimate:.2f} and its lower limit {kappa.ci_low:.2f}"
    return ConditionAnswer(condition, "yes" if kappa.ci_low >= least else "no", because)


def _bias(most: float, by_system: Sequence[tuple[str, Estimate]]) -> ConditionAnswer:
    condition = f"mean difference to people of at most {most:g} points in every system"
    known = [(name, e) for name, e in by_system if e.estimate is not None]
    over = [(name, e) for name, e in known if abs(e.estimate or 0.0) > most]
    if over:
        return ConditionAnswer(condition, "no", _largest(over))
    if len(known) < len(by_system) or not known:
        gone = [name for name, e in by_system if e.estimate is None]
        because = f"it is unknown for {', '.join(gone)}" if gone else "no system has both scores"
        return ConditionAnswer(condition, "cannot be answered", because)
    return ConditionAnswer(condition, "yes", _largest(known))


def _largest(rows: Sequence[tuple[str, Estimate]]) -> str:
    name, e = max(rows, key=lambda row: abs(row[1].estimate or 0.0))
    interval = "" if e.ci_low is None else f" [{e.ci_low:.2f}, {e.ci_high:.2f}]"
    return f"the largest is {e.estimate:+.2f}{interval} in {name}"
