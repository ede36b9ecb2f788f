"""The judge beside people: what is compared, by how many replicates, with which epsilon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import primary_pair
from analysis.chapters.decisions import REPLICATES
from analysis.chapters.shaping import BoolArray, FloatArray, IntArray
from analysis.judge_worth.agreement import JudgeAgreement, UnitFacts, judge_agreement
from analysis.judge_worth.alternative_annotator import (
    DEFAULT_RULE,
    AlternativeAnnotatorTest,
    AnnotatorRule,
    alternative_annotator_test,
)
from analysis.judge_worth.prediction_powered import (
    PredictionPowered,
    prediction_powered_difference,
    prediction_powered_mean,
)
from analysis.resampling import Bootstrap
from study.report_view.data import ReportJudge

# A study of ordinary size gets 1,000 replicates; a very large one fewer, and says so.
_LEAST_REPLICATES, _CELLS = 200, 20_000_000


@dataclass(frozen=True)
class _JudgedScale:
    """Criteria of one rubric that people answer as items, all on one scale.

    Parameters
    ----------
    context : ReportContext
    rubric : str
    places : tuple of int
        The items' places in the study.
    labels : tuple of str
    points : tuple of float
    verdicts : ndarray, shape (items, responses)
        Mean over replicates; responses are ordered by system, then prompt, as in
        ``context.item_matrix``.
    """

    context: ReportContext
    rubric: str
    places: tuple[int, ...]
    labels: tuple[str, ...]
    points: tuple[float, ...]
    verdicts: FloatArray

    @cached_property
    def system(self) -> IntArray:
        """Place of each response's system."""
        prompts = len(self.context.shaped.prompt_ids)
        return np.repeat(np.arange(len(self.context.data.systems)), prompts)

    @cached_property
    def prompt(self) -> NDArray[np.str_]:
        """Prompt of each response."""
        prompts = np.array(self.context.shaped.prompt_ids, dtype=np.str_)
        return np.tile(prompts, len(self.context.data.systems))

    @cached_property
    def words(self) -> FloatArray:
        """Words of each response; nan where its text is not there."""
        shaped, systems = self.context.shaped, self.context.data.systems
        counted = {
            (str(row.system), str(row.prompt)): float(len(str(row.text).split()))
            for row in self.context.data.responses.itertuples()
        }
        places = [(s.id, p) for s in systems for p in shaped.prompt_ids]
        return np.array([counted.get(place, np.nan) for place in places])

    def names(self, items: Sequence[int]) -> list[str]:
        """System of each unit when these items are stacked."""
        labels = self.context.system_labels
        return [labels[i] for _ in items for i in self.system]

    def ratings(self, items: Sequence[int], raters: BoolArray) -> FloatArray:
        """People's ratings of these items, stacked: (items x responses, raters)."""
        tables = [self.context.item_matrix(self.places[i], raters) for i in items]
        return np.vstack(tables)

    def agreement(self, items: Sequence[int], raters: BoolArray) -> JudgeAgreement:
        """Judge against the people of a group on these items."""
        ratings = self.ratings(items, raters)
        cells = max(1, ratings.size)
        return judge_agreement(
            ratings,
            self.verdicts[list(items)].ravel(),
            self.points,
            UnitFacts(
                prompts=np.tile(self.prompt, len(items)),
                systems=self.names(items),
                lengths=np.tile(self.words, len(items)),
            ),
            bootstrap=Bootstrap(
                int(np.clip(_CELLS // cells, _LEAST_REPLICATES, REPLICATES)),
                self.context.level,
                self.context.data.protocol.design.seed,
            ),
        )

    def annotator_test(
        self, items: Sequence[int], raters: BoolArray, rule: AnnotatorRule
    ) -> AlternativeAnnotatorTest:
        """The alternative-annotator test on these items, prompts as clusters."""
        return alternative_annotator_test(
            self.ratings(items, raters),
            self.verdicts[list(items)].ravel(),
            clusters=np.tile(self.prompt, len(items)),
            rule=rule,
            level=self.context.level,
        )

    def scores(self, raters: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Mean over items of each response: by people, and by the judge (nan with a gap)."""
        people = np.stack([_row_means(self.ratings([i], raters)) for i in range(len(self.places))])
        return people.mean(axis=0), self.verdicts.mean(axis=0)


def _row_means(table: FloatArray) -> FloatArray:
    given = (~np.isnan(table)).sum(axis=1)
    sums = np.nansum(table, axis=1)
    return np.asarray(np.divide(sums, given, out=np.full(len(sums), np.nan), where=given > 0))


def _judged_scales(context: ReportContext, judge: ReportJudge) -> list[_JudgedScale]:
    """Criteria that are also items on the same scale, by rubric and scale."""
    items = {item.id: place for place, item in enumerate(context.data.items)}
    found: dict[tuple[str, tuple[float, ...]], list[tuple[int, str, str]]] = {}
    for criterion in judge.criteria:
        place = items.get(criterion.id)
        if place is None or context.data.items[place].kind != "points" or not criterion.points:
            continue
        points = tuple(float(p) for p in context.points(context.data.items[place]))
        if points == criterion.points:
            label = context.data.items[place].label
            found.setdefault((criterion.rubric, points), []).append((place, label, criterion.id))
    scales = []
    for (rubric, points), rows in found.items():
        verdicts = np.stack([_verdicts(context, judge, rubric, name) for _, _, name in rows])
        places, labels = tuple(r[0] for r in rows), tuple(r[1] for r in rows)
        scales.append(_JudgedScale(context, rubric, places, labels, points, verdicts))
    return scales


def _verdicts(
    context: ReportContext, judge: ReportJudge, rubric: str, criterion: str
) -> FloatArray:
    frame = judge.verdicts
    rows = frame[(frame["rubric"] == rubric) & (frame["criterion"] == criterion)]
    means = rows.groupby(["system", "prompt"], observed=True)["value"].mean()
    places = means.index.to_frame(index=False).astype(str).itertuples(index=False, name=None)
    known = dict(zip(places, means.to_numpy(dtype=np.float64), strict=True))
    systems, prompts = context.data.systems, context.shaped.prompt_ids
    return np.array([known.get((s.id, p), np.nan) for s in systems for p in prompts])


@dataclass(frozen=True)
class Scores:
    """Mean over items of each response, by people and by the judge; responses that lack one are nan.

    Parameters
    ----------
    people, judge : ndarray, shape (responses,)
    system : ndarray of int, shape (responses,)
        Place of each response's system.
    """

    people: FloatArray
    judge: FloatArray
    system: IntArray


@dataclass(frozen=True)
class PeopleResults:
    """What the judge is worth against one group on one scale.

    Parameters
    ----------
    rubric, key, label : str
        The rubric, and the group with its label.
    points : tuple of float
    by_item : tuple of (str, str, JudgeAgreement)
        Item with its label; all items together come last, as ``"all"`` where there are several.
    tests : tuple of (str, str, AlternativeAnnotatorTest)
        The same items.
    corrected : tuple of (str, PredictionPowered)
        Mean score of each system, then the difference of the plan's pair, by its label.
    scores : Scores
    """

    rubric: str
    key: str
    label: str
    points: tuple[float, ...]
    by_item: tuple[tuple[str, str, JudgeAgreement], ...]
    tests: tuple[tuple[str, str, AlternativeAnnotatorTest], ...]
    corrected: tuple[tuple[str, PredictionPowered], ...]
    scores: Scores

    @property
    def together(self) -> JudgeAgreement:
        """All items."""
        return self.by_item[-1][2]

    @property
    def test(self) -> AlternativeAnnotatorTest:
        """All items."""
        return self.tests[-1][2]


def judge_people_chapter(context: ReportContext, judge: ReportJudge) -> tuple[PeopleResults, ...]:
    """The judge against each group on each scale that both used; empty where there is none.

    The declared group is compared by the declared rule, the others by that of the test's authors.
    """
    conditions = judge.stand_in_only_if
    found = []
    for scale in _judged_scales(context, judge):
        for key, label, raters in context.group_samples:
            rule = DEFAULT_RULE
            if conditions is not None and conditions.group == key:
                rule = AnnotatorRule(
                    epsilon=conditions.epsilon, threshold=conditions.winning_rate_at_least
                )
            found.append(_people_results(scale, key, label, raters, rule))
    return tuple(found)


def _people_results(
    scale: _JudgedScale, key: str, label: str, raters: BoolArray, rule: AnnotatorRule
) -> PeopleResults:
    items = scale.context.data.items
    scopes = [(items[p].id, scale.labels[i], [i]) for i, p in enumerate(scale.places)]
    if len(scopes) > 1:
        scopes.append(("all", "All items", list(range(len(scale.places)))))
    scores = Scores(*scale.scores(raters), scale.system)
    return PeopleResults(
        scale.rubric,
        key,
        label,
        scale.points,
        tuple((k, name, scale.agreement(rows, raters)) for k, name, rows in scopes),
        tuple((k, name, scale.annotator_test(rows, raters, rule)) for k, name, rows in scopes),
        tuple(_corrected(scale, scores)),
        scores,
    )


def _corrected(scale: _JudgedScale, scores: Scores) -> Iterator[tuple[str, PredictionPowered]]:
    """Mean scores of the systems, and the difference of the plan's pair, with prompts as clusters."""
    people, judge, labels = scores.people, scores.judge, scale.context.system_labels
    for place, label in enumerate(labels):
        of = scale.system == place
        yield label, prediction_powered_mean(people[of], judge[of], clusters=scale.prompt[of])
    pair = primary_pair(scale.context)
    if pair is None:
        return
    first, second = pair
    both = (scale.system == first) | (scale.system == second)
    yield (
        f"{labels[first]} − {labels[second]}",
        prediction_powered_difference(
            people[both], judge[both], scale.system[both] == first, clusters=scale.prompt[both]
        ),
    )
