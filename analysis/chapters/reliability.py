"""Internal consistency of the items: of each instrument and system of a study, and of one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.decisions import REPLICATES
from analysis.reliability.consistency import ScaleReliability, scale_reliability
from analysis.reliability.omega import OmegaDetails, omega_ml, omega_ordinal
from analysis.reliability.omega_bootstrap import bootstrap_omega
from analysis.reliability.polychoric import PolychoricCorrelations, polychoric
from analysis.resampling import Bootstrap, BootstrapDetails
from analysis.results import Estimate, undefined
from analysis.validation import FloatArray
from study.entities import Named

# More items than this make a matrix of correlations that nobody reads on paper.
MOST_ITEMS_CORRELATED = 20
# Large-sample estimates: with fewer pages most cells of a cross-table of five points are empty.
FEW_PAGES = 100
_NO_POINTS = "some items are not answered on the points of a scale"


@dataclass(frozen=True)
class SystemReliability:
    """One instrument in the answers about one system.

    Parameters
    ----------
    instrument : str
    system : Named
    labels : tuple of str
        Of the items.
    scale : ScaleReliability
        Raters are units: answers are averaged over the prompts first, so that a rater's pages, which
        hang together, count once.
    omega : Estimate
        Of one minimum-residual factor, raters drawn again.
    ordinal : Estimate
        Omega of the normal variables behind the answers. Pages are units, because a mean over prompts is
        no point of the scale; so it has no interval.
    correlations : PolychoricCorrelations or None
        None for numeric items, a single item, or more than `MOST_ITEMS_CORRELATED`.
    """

    instrument: str
    system: Named
    labels: tuple[str, ...]
    scale: ScaleReliability
    omega: Estimate
    ordinal: Estimate
    correlations: PolychoricCorrelations | None

    @property
    def omega_improper(self) -> bool:
        """Whether the solution behind omega is improper."""
        return _is_improper(self.omega)

    @property
    def ordinal_improper(self) -> bool:
        """Whether the solution behind ordinal omega is improper."""
        return _is_improper(self.ordinal)


def _is_improper(omega: Estimate) -> bool:
    details = omega.details
    found = details.of if isinstance(details, BootstrapDetails) else details
    return isinstance(found, OmegaDetails) and found.improper == "yes"


@dataclass(frozen=True)
class ReliabilityChapter:
    """Instruments in the order of the items, each with every system."""

    instruments: tuple[tuple[SystemReliability, ...], ...]


def reliability_chapter(context: ReportContext) -> ReliabilityChapter:
    """Alpha with Feldt's interval, omega, ordinal omega, and the scale without each item."""
    instruments: dict[str, list[int]] = {}
    for place, item in enumerate(context.data.items):
        instruments.setdefault(item.instrument, []).append(place)
    systems = range(len(context.data.systems))
    return ReliabilityChapter(
        tuple(
            tuple(_system(context, instrument, places, s) for s in systems)
            for instrument, places in instruments.items()
        )
    )


def _system(
    context: ReportContext, instrument: str, places: Sequence[int], system: int
) -> SystemReliability:
    items = [context.data.items[i] for i in places]
    labels = [item.label for item in items]
    means = pd.DataFrame(context.shaped.rater_item_means[:, system, :][:, places], columns=labels)
    ordinal: Estimate[OmegaDetails] = undefined("omega_ordinal", _NO_POINTS, unit="page")
    correlations = None
    if all(item.kind == "points" for item in items):
        points = sorted({value for item in items for value, _ in item.points})
        pages = _pages(context, system, places)
        ordinal = omega_ordinal(pd.DataFrame(pages, columns=labels), points)
        if 2 <= len(places) <= MOST_ITEMS_CORRELATED:
            correlations = polychoric(pages, points)
    return SystemReliability(
        instrument,
        context.data.systems[system],
        tuple(labels),
        scale_reliability(means, level=context.level),
        bootstrap_omega(means, context.bootstrap),
        ordinal,
        correlations,
    )


def _pages(context: ReportContext, system: int, places: Sequence[int]) -> FloatArray:
    """Planned pages by items."""
    values = context.shaped.values[:, system][:, :, list(places)]
    planned = context.shaped.planned[:, system][:, :, list(places)].any(axis=-1)
    return np.asarray(values[planned])


@dataclass(frozen=True)
class TableReliability:
    """Reliability of the items of one table, its rows independent persons.

    Parameters
    ----------
    scale : ScaleReliability
    omegas : tuple of Estimate
        Of one minimum-residual factor with its bootstrap; by maximum likelihood, raw and standardised;
        and, of answers on points, of the normal variables behind them.
    correlations : PolychoricCorrelations or None
        None without points.
    """

    scale: ScaleReliability
    omegas: tuple[Estimate, ...]
    correlations: PolychoricCorrelations | None


def table_reliability(
    items: pd.DataFrame, points: Sequence[float] | None, *, level: float
) -> TableReliability:
    """Reliability of a scale: one row per person, one column per item.

    Parameters
    ----------
    items : DataFrame
        Numbers, missing as nan.
    points : sequence of float or None
        Without them, as for averaged answers, what needs categories is left out.
    level : float
    """
    omegas = [
        bootstrap_omega(items, Bootstrap(REPLICATES, level)),
        omega_ml(items),
        omega_ml(items, standardised=True),
    ]
    if points is not None:
        omegas.append(omega_ordinal(items, points))
    return TableReliability(
        scale_reliability(items, level=level),
        tuple(omegas),
        None if points is None else polychoric(items, points),
    )
