"""What a program can count about the responses: overlap with references, length, readability, speed."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import primary_pair
from analysis.chapters.decisions import PROMPT_REPLICATES
from analysis.description.text_measures import FAMILIES, Family
from analysis.description.text_measures_by_system import SystemMeasure, measures_of_systems
from analysis.resampling import Bootstrap


@dataclass(frozen=True)
class TextMeasureChapter:
    """The measures that can be shown.

    Parameters
    ----------
    families : tuple of str
        Without ROUGE where no prompt has a reference reply, and without speed until the systems are
        known: it can tell which system is which.
    measures : tuple of SystemMeasure
        Of every system, and of the primary contrast.
    """

    families: tuple[Family, ...]
    measures: tuple[SystemMeasure, ...]


def text_measure_chapter(context: ReportContext) -> TextMeasureChapter | None:
    """Every measure of every system, and the difference of the primary contrast; None without responses."""
    data, pair = context.data, primary_pair(context)
    if not len(data.responses):
        return None
    referenced = "reference" in data.responses and bool(
        data.responses["reference"].fillna("").any()
    )
    hidden = {"rouge": not referenced, "speed": not data.unblinded}
    families = tuple(family for family in FAMILIES if not hidden.get(family, False))
    systems = [s.id for s in data.systems]
    found = measures_of_systems(
        data.responses,
        systems=systems,
        contrasts=[] if pair is None else [(systems[pair[0]], systems[pair[1]])],
        families=families,
        language=data.protocol.language,
        bootstrap=Bootstrap(PROMPT_REPLICATES, context.level, data.protocol.design.seed),
    )
    # Imported responses have no tokens: who has some would tell who was imported.
    shown = tuple(m for m in found if data.unblinded or m.measure.name != "tokens")
    return TextMeasureChapter(families, shown)
