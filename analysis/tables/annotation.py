"""Annotation with nominal labels, such as emotions: annotators against a reference and each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from analysis.agreement.labels import MACRO_RULE, AnnotationScores, annotation_scores
from analysis.agreement.two_raters import PairDetails, cohen_kappa, confusion
from analysis.chapters.answers.choices import annotators_together
from analysis.chapters.decisions import REPLICATES
from analysis.resampling import DEFAULT_BOOTSTRAP, Bootstrap
from analysis.results import Estimate
from analysis.samples import different_samples
from analysis.tables.blocks import Listing, ResultBlock, UndefinedBlock, under
from analysis.tables.rating_columns import Nouns
from analysis.tables.rating_table import Roles, rating_tables
from analysis.tables.reading import cell_at, described
from analysis.tables.spellings import told_spellings
from analysis.validation import columns_present
from study.errors import AnalysisError
from study.table_file.names import as_option

# Columns that name or show what was annotated; anything else is an annotator.
DESCRIPTIVE_COLUMNS = ("item", "id", "unit", "text", "prompt", "response", "reply")
REFERENCE = "reference"
# 190 pairs fill pages; a crowd's thousands would, for minutes, say nothing that anybody reads.
MOST_ANNOTATORS_PAIRED = 20


@dataclass(frozen=True, kw_only=True)
class ScoreBlock(ResultBlock):
    """One annotator's labels against a reference, or against another annotator's.

    Parameters
    ----------
    reference, annotator : str
    units : int
    labels : list of str
    confusion : list of list of int
        Rows the reference, columns the annotator, in the order of ``labels``.
    support : dict
        How often each label stands in the reference.
    """

    reference: str
    annotator: str
    units: int
    labels: list[str]
    confusion: list[list[int]]
    support: dict[str, int]

    def listings(self) -> Sequence[Listing]:
        """The confusion table."""
        if not self.confusion:
            return ()
        named = zip(self.labels, self.confusion, strict=True)
        return (
            Listing(
                "Confusion table: rows the reference, columns the annotator",
                [f"{self.reference} \\ {self.annotator}", *self.labels],
                [[label, *row] for label, row in named],
            ),
        )


@dataclass(frozen=True, kw_only=True)
class AnnotatorsBlock(ResultBlock):
    """Agreement between annotators; ``pairs`` holds the confusion table of every two of them."""

    annotators: list[str]
    labels: list[str]
    pairs: list[dict[str, Any]]


def emotion_of(
    frame: pd.DataFrame,
    *,
    reference: str | None = None,
    labels: Sequence[str] = (),
    annotators: Sequence[str] = (),
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> list[ResultBlock]:
    """Scores of each annotator against the reference, and agreement of the annotators.

    Parameters
    ----------
    frame : DataFrame
        One row per unit; a column per annotator, and one with the reference. Columns called
        ``item``, ``id``, ``unit``, ``text``, ``prompt``, ``response`` or ``reply`` are not
        annotators. Missing labels as empty cells.
    reference : str, optional
        Column with the reference; by default the column ``reference`` where there is one. Without
        a reference, every annotator is scored against every earlier one.
    labels : sequence of str
        All labels that could be given; those that occur by default.
    annotators : sequence of str
        Columns of the annotators; by default all but the reference and the descriptive ones.
    bootstrap : Bootstrap
        Of units; its level is that of all intervals.

    Raises
    ------
    AnalysisError
        When there is nothing to compare, a label is not among ``labels``, or fewer than two labels
        occur.
    """
    annotators, truth = _columns(frame, reference, annotators)
    columns = [*annotators, *([truth] if truth else [])]
    table = {column: _labels(frame, column) for column in columns}
    named = [str(label) for label in labels] or sorted(
        {label for column in table.values() for label in column if label is not None}
    )
    if len(named) < 2:
        raise AnalysisError(
            f"{'One label is' if named else 'No label is'} named or found "
            f"({', '.join(named) or 'none'}); expected two or more. Name all labels "
            "that could be given, such as --labels joy,fear,anger."
        )
    _refuse_unnamed(frame, table, named)
    crowd = len(annotators) > MOST_ANNOTATORS_PAIRED
    blocks: list[ResultBlock] = []
    if truth:
        pairs = [(truth, a) for a in annotators]
    else:
        pairs = [] if crowd else list(combinations(annotators, 2))
    for one, two in pairs:
        scores = annotation_scores(table[one], table[two], named, bootstrap=bootstrap)
        what = f"{two} against {'the ' if one == REFERENCE else ''}{one}"
        blocks.append(_score_block(what, one, two, scores, len(frame)))
    blocks = _with_different_samples(blocks)
    if crowd and not truth:
        because = (
            f"{len(annotators)} annotators make too many pairs to show; name up to "
            f"{MOST_ANNOTATORS_PAIRED} with --raters, or a reference"
        )
        blocks.append(UndefinedBlock("Annotator against annotator", (), undefined_because=because))
    if len(annotators) > 1:
        place = {label: float(i) for i, label in enumerate(named)}
        codes = {a: [np.nan if v is None else place[v] for v in table[a]] for a in annotators}
        blocks.append(
            _agreement_block(pd.DataFrame(codes), named, bootstrap.level, paired=not crowd)
        )
    return blocks


def _with_different_samples(blocks: list[ResultBlock]) -> list[ResultBlock]:
    """Every pair takes the units that both labelled: said where these are not as many."""
    sizes = {block.title: block.estimates[0].n for block in blocks}
    if len(set(sizes.values())) < 2:
        return blocks
    each = "; ".join(f"{title} n = {n}" for title, n in sizes.items())
    said = f"Different samples, each comparison on the units that both labelled (pairwise): {each}."
    return [_also_noted(block, (said,)) for block in blocks]


def _also_noted(block: ResultBlock, notes: Sequence[str]) -> ResultBlock:
    return replace(block, notes=(*(block.notes or ()), *notes)) if notes else block


def emotion_by(
    frame: pd.DataFrame,
    roles: Roles,
    *,
    reference: str | None = None,
    labels: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Scores and agreement of the annotators of a table, long or wide.

    Parameters
    ----------
    frame : DataFrame
    roles : Roles
        Of a wide table whose annotators are not named, every column is one that is not descriptive
        (`DESCRIPTIVE_COLUMNS`) and looks like one (`analysis.tables.rating_columns`).
    reference, labels, level, seed
        As in `emotion_of`; in a long table ``reference`` is one of its annotators.

    Raises
    ------
    AnalysisError
        As `emotion_of` and `analysis.tables.rating_table.rating_tables`.
    """
    nouns = Nouns(
        rater="annotator", ratings="labels", least=1, labels=True, passed_over=DESCRIPTIVE_COLUMNS
    )
    named = roles.raters
    if named and reference is not None and reference not in named:
        named = (*named, reference)
    settled = [reference] if reference is not None else []
    blocks = []
    for table in rating_tables(frame, replace(roles, raters=named), nouns, settled):
        if labels and roles.long:
            # Here a label still has its line; below, the rows are units.
            column = table.values[0]
            _refuse_unnamed(table.rows, {column: _labels(table.rows, column)}, labels)
        found = emotion_of(
            table.cells,
            reference=reference,
            labels=labels,
            annotators=[str(c) for c in table.cells.columns] if roles.long or named else (),
            bootstrap=Bootstrap(REPLICATES, level, seed),
        )
        chosen = roles.long or bool(named)
        passed = [c for c in table.cells.columns if c != reference and _descriptive(c)]
        compared = [c for c in table.values if chosen or c == reference or not _descriptive(c)]
        notes = told_spellings(table.rows, compared)
        if passed and not chosen:
            notes.append(
                f"Not annotators, by their names: {', '.join(passed)} (--raters names those that are)."
            )
        blocks += [under(table.name, _also_noted(block, notes)) for block in found]
    return blocks


def _labels(frame: pd.DataFrame, column: str) -> list[str | None]:
    cells = frame[column]
    return [None if gone else str(v) for v, gone in zip(cells, cells.isna(), strict=True)]


def _descriptive(column: str) -> bool:
    return column.lower() in DESCRIPTIVE_COLUMNS


def _columns(
    frame: pd.DataFrame, reference: str | None, named: Sequence[str]
) -> tuple[list[str], str | None]:
    known = [str(c) for c in frame.columns]
    if reference is not None:
        columns_present(known, [reference], described(frame))
    called = [c for c in known if c.lower() == REFERENCE]
    truth = reference or (called[0] if len(called) == 1 else None)
    descriptive = () if named else DESCRIPTIVE_COLUMNS
    annotators = [c for c in named or known if c != truth and c.lower() not in descriptive]
    if len(annotators) + (truth is not None) < 2:
        raise AnalysisError(
            f"{described(frame)} has the columns {', '.join(known)}; expected at least two with labels: "
            f"annotators, or an annotator and the column {truth or REFERENCE!r}."
        )
    return annotators, truth


def _refuse_unnamed(
    frame: pd.DataFrame, table: dict[str, list[str | None]], named: Sequence[str]
) -> None:
    for column, labels in table.items():
        for at, label in enumerate(labels):
            if label is not None and label not in named:
                raise AnalysisError(
                    f"{cell_at(frame, at, column)}: the label {label!r} is "
                    f"not one of those named, {', '.join(named)}. Name it too, or correct it; for a missing "
                    f"value give --missing {as_option([label])}."
                )


def _score_block(
    title: str, one: str, two: str, scores: AnnotationScores, units: int
) -> ResultBlock:
    by_class = [e for c in scores.classes for e in (c.precision, c.recall, c.f1)]
    means = (scores.macro_precision, scores.macro_recall, scores.macro_f1, scores.weighted_f1)
    return ScoreBlock(
        title,
        (scores.accuracy, scores.kappa, *means, *by_class),
        (MACRO_RULE,),
        reference=one,
        annotator=two,
        units=units,
        labels=list(scores.labels),
        confusion=[list(row) for row in scores.confusion],
        support={c.label: c.support for c in scores.classes},
    )


def _agreement_block(
    codes: pd.DataFrame, labels: Sequence[str], level: float, *, paired: bool
) -> ResultBlock:
    """The coefficients of all annotators, after Cohen's kappa of every two of them where wanted."""
    points = list(range(len(labels)))
    pairs: list[Estimate] = []
    tables = []
    for one, two in combinations(codes.columns, 2) if paired else ():
        kappa = cohen_kappa(codes[one], codes[two], points, level=level)
        pairs.append(kappa.with_details(PairDetails(kappa.details, str(one), str(two))))
        found = confusion(codes[one], codes[two], points)
        tables.append(
            {"first": str(one), "second": str(two), "counts": [list(row) for row in found.counts]}
        )
    together = annotators_together(codes.to_numpy(dtype=float), points, level=level)
    estimates = (*pairs, *together.estimates())
    return AnnotatorsBlock(
        "Agreement between annotators",
        estimates,
        different_samples(estimates),
        annotators=[str(c) for c in codes.columns],
        labels=list(labels),
        pairs=tables,
    )
