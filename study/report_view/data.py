"""What a report is made from: the study's data, cut so that it names no system before unblinding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from study.entities import Named
from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.judge import StandInConditions
from study.protocol.schema import Protocol


@dataclass(frozen=True)
class ReportItem:
    """One item as the report shows it.

    No twin of the protocol's item: of a reversed one the anchors are turned round and the label says so, as
    the ratings beside it are, and what the protocol leaves to instrument and kind is worked out once.

    Parameters
    ----------
    id, label, text, instrument : str
    points : tuple of (int, str)
        All points of the scale with their anchors, lowest first, used or not; of a numeric item
        its two ends; of a nominal one its options.
    kind : str
        ``points``: ordered points; ``numeric``: any whole number between two ends (a slider);
        ``nominal``: options without an order; ``pairwise``, ``ranking``, ``spans``: about several
        responses, or parts of one.
    labels : tuple of Named
        Of a ``spans`` item.
    """

    id: str
    label: str
    text: str
    instrument: str
    points: tuple[tuple[int, str], ...]
    kind: Literal["points", "numeric", "nominal", "pairwise", "ranking", "spans"] = "points"
    labels: tuple[Named, ...] = ()


@dataclass(frozen=True)
class ReportScore:
    """A score that an instrument declares over its items.

    No twin of the protocol's score: that may leave its items to the instrument, and names none of it.

    Parameters
    ----------
    id, label, instrument : str
    items : tuple of str
        Items on points or numeric ones, a high answer favourable.
    combine : {"sum", "mean"}
    range : tuple of float or None
        What the lowest and highest possible answers become; None leaves the sum or mean as it is.
    """

    id: str
    label: str
    instrument: str
    items: tuple[str, ...]
    combine: Literal["sum", "mean"]
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class ReportCriterion:
    """One criterion of the judge.

    Parameters
    ----------
    rubric, id, label : str
    points : tuple of float
        All points of the scale, ascending; empty for a comparison.
    """

    rubric: str
    id: str
    label: str
    points: tuple[float, ...]


@dataclass(frozen=True)
class ReportJudge:
    """What the judge said, as the report may see it.

    Parameters
    ----------
    models : tuple of str
    criteria : tuple of ReportCriterion
    verdicts : DataFrame
        One row per verdict on the study's responses: ``rubric``, ``criterion``, ``prompt``,
        ``system`` (as in the ratings; empty for comparisons), ``shown`` (tuple of systems in the
        order in which the judge saw them; empty for single responses), ``winner`` (a system,
        ``"tie"`` or None), ``replicate``, ``outcome``, ``value`` (nan unless scored), ``low`` and
        ``high`` (nan for comparisons).
    probes : DataFrame
        One row per pair of verdicts, see `analysis.judge_worth.probes.probe_effects`.
    stand_in_only_if : StandInConditions or None
        The protocol's condition.
    simulated : bool
        True when any verdict was made by rule.
    model_changes : tuple of str
        What changed behind the judge's name between its replies, in words.
    """

    models: tuple[str, ...]
    criteria: tuple[ReportCriterion, ...]
    verdicts: pd.DataFrame
    probes: pd.DataFrame
    stand_in_only_if: StandInConditions | None = None
    simulated: bool = False
    model_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportAttention:
    """Answers to the attention checks, which are no study items.

    Parameters
    ----------
    answers : DataFrame
        One row per answer, columns ``rater``, ``item`` (the check's id) and ``value`` (float).
    expected : mapping
        Check -> the points that pass.
    """

    answers: pd.DataFrame
    expected: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class ReportData:
    """Everything that a report is made from.

    Parameters
    ----------
    protocol : Protocol
        Without systems and judge (``Protocol.without_systems``), whatever is given. Its plan gives
        systems by the same codes as ``systems``; while ``unblinded`` is False its primary contrast goes
        in the order of the codes, whatever is given: the declared direction would tell which code
        stands for which system.
    summary : str
        The protocol's summary and what the report leaves out or turns round.
    ratings : DataFrame
        One row per planned answer (rater x response x item), columns ``rater``, ``group``,
        ``position`` (1-based place in the rater's order), ``prompt``, ``topic``, ``system`` (blind
        code before unblinding), ``item``, ``value`` (float, nan when missing), ``missing_reason``
        (empty when there is a value) and ``seconds`` (from shown to submitted for the whole page,
        nan when unknown). ``rater`` is here and everywhere a label that is not the code with which
        answers can be withdrawn, because reports are passed on.
    raters : DataFrame
        One row per enrolled rater, columns ``rater``, ``group``, ``status``, ``simulated`` (bool),
        one per demographic question, and ``language`` in a study in several.
    responses : DataFrame
        One row per response: ``prompt``, ``topic``, ``system``, ``text``, ``completion_tokens``,
        ``latency_s``; where known ``first_token_s``, ``peak_memory_bytes`` and ``reference`` (a reply
        to the prompt that a person wrote).
    systems : tuple of Named
        In protocol order; by blind code while ``unblinded`` is False.
    items : tuple of ReportItem
        Items on points and numeric ones; ``ratings`` holds their answers.
    unblinded : bool
    unblinded_at : str
        When it was unblinded, ISO 8601 in UTC; empty where that is not known.
    answers_after_unblinding : int
        Answers that were saved or changed after ``unblinded_at``.
    simulated : bool
        True when any rating comes from a simulated rater.
    lock : mapping
        Name of what was locked -> SHA-256 (hex); empty when the study is not locked.
    locked_at : str
    versions : mapping
        Package -> version.
    judge : ReportJudge or None
        None without a judge.
    attention : ReportAttention or None
        None without attention checks in the protocol.
    scores : tuple of ReportScore
        Scores that the instruments declare.
    choices : tuple of ReportItem
        Nominal items.
    choice_ratings : DataFrame
        Answers to the nominal items, with the columns of ``ratings``.
    compared : tuple of ReportItem
        Items whose answers stand in ``comparisons``, ``rankings`` and ``spans``.
    comparisons : DataFrame
        One row per answer that compares two responses: ``rater``, ``group``, ``simulated``,
        ``position``, ``prompt``, ``topic``, ``item``, ``place_a`` and ``place_b`` (the systems at A
        and B), ``value`` (1 for A, 2 for B, 0 for a tie), ``chosen`` (a system or ``"tie"``) and
        ``seconds``.
    rankings : DataFrame
        One row per response that somebody put into an order: the same first columns, ``system``,
        ``place`` (on the page, from 1) and ``rank`` (mid-rank, 1 is best).
    spans : DataFrame
        One row per marked part: the same first columns, ``system``, ``start``, ``end`` and
        ``length`` of the response in characters, ``label`` (empty: nothing to mark).
    compared_answers : DataFrame
        Planned answers to the items of ``compared``, one row each, with ``item`` and
        ``missing_reason`` (empty when there is an answer).
    conversations : DataFrame
        One row per planned conversation: the same first columns without ``item``, ``system``,
        ``ended_by`` (empty: not ended), ``seconds``, ``rater_turns``, ``rater_words`` and counts of
        replies by what became of them (``replies_...``).
    """

    protocol: Protocol
    summary: str
    ratings: pd.DataFrame
    raters: pd.DataFrame
    responses: pd.DataFrame
    systems: tuple[Named, ...]
    items: tuple[ReportItem, ...]
    unblinded: bool
    simulated: bool
    lock: Mapping[str, str] = field(default_factory=dict)
    locked_at: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    judge: ReportJudge | None = None
    attention: ReportAttention | None = None
    scores: tuple[ReportScore, ...] = ()
    choices: tuple[ReportItem, ...] = ()
    choice_ratings: pd.DataFrame = field(default_factory=pd.DataFrame)
    compared: tuple[ReportItem, ...] = ()
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    rankings: pd.DataFrame = field(default_factory=pd.DataFrame)
    spans: pd.DataFrame = field(default_factory=pd.DataFrame)
    compared_answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    conversations: pd.DataFrame = field(default_factory=pd.DataFrame)
    unblinded_at: str = ""
    answers_after_unblinding: int = 0
    n_imported: int = 0
    imported: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        plan = self.plan if self.unblinded else self.plan.without_direction()
        object.__setattr__(self, "protocol", self.protocol.without_systems(plan))
        if not self.unblinded:
            object.__setattr__(self, "imported", frozenset())

    @property
    def plan(self) -> AnalysisPlan:
        """The locked plan, its systems by the codes of ``systems``."""
        return self.protocol.analysis

    @property
    def equivalence_bounds(self) -> tuple[float, float] | None:
        """Lowest and highest difference that still counts as the same, in points of the total.

        None without bounds in the plan, and before unblinding when they are not symmetric about
        zero: such bounds hold in the declared direction only, and would reveal it.
        """
        bounds = self.plan.equivalence
        if bounds is None or not (self.unblinded or bounds.symmetric):
            return None
        return bounds.low, bounds.high

    @property
    def all_items(self) -> tuple[ReportItem, ...]:
        """Every item whose answers the report holds."""
        return (*self.items, *self.choices, *self.compared)
