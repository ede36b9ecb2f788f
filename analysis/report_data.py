"""What a report is made from: the study's data, cut so that it names no system before unblinding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from study.protocol.schema import AnalysisPlan, StandInConditions


@dataclass(frozen=True)
class Named:
    """An id with the name that tables and figures show."""

    id: str
    label: str


@dataclass(frozen=True)
class ReportItem:
    """One item as the report needs it.

    Parameters
    ----------
    id, label, text, instrument : str
    points : tuple of (int, str)
        All points of the scale with their anchors, lowest first, used or not.
    """

    id: str
    label: str
    text: str
    instrument: str
    points: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class ReportDemographic:
    """One question about the rater with its options (empty for a number)."""

    id: str
    question: str
    options: tuple[Named, ...]


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
        One row per pair of verdicts, see `analysis.judge_probes.probe_effects`.
    stand_in_only_if : StandInConditions or None
        The protocol's condition.
    simulated : bool
        True when any verdict was made by rule.
    """

    models: tuple[str, ...]
    criteria: tuple[ReportCriterion, ...]
    verdicts: pd.DataFrame
    probes: pd.DataFrame
    stand_in_only_if: StandInConditions | None = None
    simulated: bool = False


@dataclass(frozen=True)
class ReportData:
    """Everything that a report is made from.

    Parameters
    ----------
    title, protocol_id, protocol_version, summary, citation : str
    ratings : DataFrame
        One row per planned answer (rater x response x item), columns ``rater``, ``group``,
        ``position`` (1-based place in the rater's order), ``prompt``, ``topic``, ``system`` (blind
        code before unblinding), ``item``, ``value`` (float, nan when missing), ``missing_reason``
        (empty when there is a value) and ``seconds`` (from shown to submitted for the whole page,
        nan when unknown).
    raters : DataFrame
        One row per enrolled rater, columns ``rater``, ``group``, ``status``, ``simulated`` (bool),
        and one per demographic question.
    responses : DataFrame
        One row per response: ``prompt``, ``topic``, ``system``, ``text``, ``completion_tokens``,
        ``latency_s``.
    systems, groups, topics : tuple of Named
        In protocol order; ``systems`` by blind code while ``unblinded`` is False.
    items : tuple of ReportItem
    demographics : tuple of ReportDemographic
    plan : AnalysisPlan
        The locked plan; its systems are given by the same codes as in ``systems``.
    unblinded : bool
    simulated : bool
        True when any rating comes from a simulated rater.
    lock : mapping
        Name of what was locked -> SHA-256 (hex); empty when the study is not locked.
    locked_at : str
    versions : mapping
        Package -> version.
    seed : int
        Seed of the allocation.
    judge : ReportJudge or None
        None without a judge.
    """

    title: str
    protocol_id: str
    protocol_version: str
    summary: str
    citation: str
    ratings: pd.DataFrame
    raters: pd.DataFrame
    responses: pd.DataFrame
    systems: tuple[Named, ...]
    groups: tuple[Named, ...]
    topics: tuple[Named, ...]
    items: tuple[ReportItem, ...]
    demographics: tuple[ReportDemographic, ...]
    plan: AnalysisPlan
    unblinded: bool
    simulated: bool
    lock: Mapping[str, str] = field(default_factory=dict)
    locked_at: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    judge: ReportJudge | None = None
