"""Models for what the ratings are: ordinal, crossed by rater and prompt, repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.contrasts.multiplicity import adjust
from analysis.rating_models.gee import fit_gee
from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ordinal import proportional_odds_test
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings
from analysis.rating_models.results import Coefficient, LikelihoodRatio, ModelFit, Variance
from analysis.rating_models.side_by_side import fit_or_reason, fit_response_model, one_thread
from analysis.report.blocks import (
    Block,
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.numbers import count, counted, level_text, number, p_text
from analysis.results import Estimate
from study.report_view.data import ReportItem

# Each of a profile's dozens of fits takes longer the more raters and prompts there are; the ordinal
# model's profiles double with every further system and are made for two.
MOST_EFFECTS_PROFILED = 150
# Laplace fits of more ratings an item take minutes; the linear model then stands alone.
MOST_RATINGS_FOR_CLMM = 20_000
# Above so many ratings an item's model with random responses is left to the sum over all items.
MOST_RATINGS_FOR_ITEM_RESPONSES = 50_000
_COLUMNS = RatingColumns("value", "system", "rater", "prompt")
_SLOPES = "Linear, random slopes"
_RESPONSES = "Linear, random slopes and responses"
_HOW = (
    "Each rating is modelled as it is: one rater, one prompt, one system, one ordered answer. "
    "Raters and prompts are random and crossed, and the difference between systems may vary from "
    "rater to rater, so the results speak to other raters. A random prompt intercept is the same for "
    "all systems and cancels out of their difference: models with that alone speak to these very "
    "responses, and not to other prompts. The rows with random responses add an intercept for each "
    "response (prompt by system); they speak to other prompts and other responses of these systems, "
    "and their intervals are wider the more responses of one system differ. They need five prompts "
    "or more that several systems answered. The cumulative-link "
    "model takes the answers as ordered points; its effect is a log odds ratio of a higher answer. "
    "The linear model takes them as numbers; its effect is in points. The estimating equations "
    "(GEE) average over raters. All answers that are there are used."
)


@dataclass(frozen=True)
class _ItemModels:
    item: str
    label: str
    fits: tuple[tuple[str, ModelFit], ...]
    proportional_odds: LikelihoodRatio


def models_section(context: ReportContext) -> Section:
    """A linear model of all items together, then ordinal and linear models of each item."""
    heading = "Mixed models of the ratings"
    if not len(context.data.ratings) or context.data.ratings["value"].isna().all():
        text = "No model exists for these data, because there is no rating."
        return Section("models", heading, (Paragraph(text),))
    with one_thread():
        overall = _overall(context)
        items = [_item_models(context, i) for i in range(len(context.data.items))]
    blocks: list[Block] = [
        Paragraph(_HOW),
        _overall_table(context, overall),
        _effects_table(context, items),
        _spread_table(context, items),
        *_prediction_tables(context, items),
    ]
    return Section("models", heading, tuple(blocks))


def _reference(context: ReportContext) -> str | None:
    """The system that the plan compares with; before unblinding the second code of its pair."""
    known = {s.id for s in context.data.systems}
    primary = context.data.plan.primary
    return primary.against if primary is not None and primary.against in known else None


def _prepared(
    context: ReportContext, frame: pd.DataFrame, points: list[int] | None
) -> CrossedRatings:
    rated = set(frame.loc[frame["value"].notna(), "system"])
    reference = _reference(context)
    return prepare_ratings(
        frame, _COLUMNS, reference=reference if reference in rated else None, points=points
    )


def _overall(context: ReportContext) -> tuple[tuple[str, ModelFit], ...]:
    """Linear models of each response's sum over items; a sum with a gap is missing."""
    shaped = context.shaped
    asked = shaped.planned.any(axis=3)
    r, s, p = np.nonzero(asked)
    systems = np.array([x.id for x in context.data.systems], dtype=object)
    frame = pd.DataFrame(
        {
            "rater": np.array(shaped.rater_ids, dtype=object)[r],
            "system": systems[s],
            "prompt": np.array(shaped.prompt_ids, dtype=object)[p],
            "value": shaped.values[..., list(shaped.total_places)].sum(axis=3)[r, s, p],
        }
    )
    if frame["value"].isna().all():
        raw = context.data.ratings
        missing = prepare_ratings(raw, _COLUMNS, reference=None)
        fit = fit_or_reason(fit_lmm, missing, random_slopes=True, ci_level=context.level)
        because = "no response has an answer to every item"
        gone = replace(fit, coefficients=(), variances=(), undefined_because=because)
        return ((_SLOPES, gone),)
    prepared = _prepared(context, frame, None)
    return _linear_models(prepared, context.level, profile=_may_profile(prepared))


def _linear_models(
    ratings: CrossedRatings, level: float, *, profile: bool = False
) -> tuple[tuple[str, ModelFit], ...]:
    """The model for these responses, and the one for others of the same systems."""
    slopes = fit_or_reason(fit_lmm, ratings, random_slopes=True, ci_level=level, profile=profile)
    responses = fit_or_reason(fit_response_model, ratings, ci_level=level)
    return ((_SLOPES, slopes), (_RESPONSES, responses))


def _linear_models_of_item(
    ratings: CrossedRatings, level: float
) -> tuple[tuple[str, ModelFit], ...]:
    """Both linear models, but for the slow one where there are many ratings."""
    if ratings.n <= MOST_RATINGS_FOR_ITEM_RESPONSES:
        return _linear_models(ratings, level)
    slopes = fit_or_reason(fit_lmm, ratings, random_slopes=True, ci_level=level)
    because = (
        f"an item with more than {count(MOST_RATINGS_FOR_ITEM_RESPONSES)} ratings takes too long; the "
        "table of all items together has this model"
    )
    gone = replace(slopes, coefficients=(), variances=(), tests=(), undefined_because=because)
    return ((_SLOPES, slopes), (_RESPONSES, gone))


def _may_profile(ratings: CrossedRatings) -> bool:
    return len(ratings.raters) + len(ratings.prompts) <= MOST_EFFECTS_PROFILED


def _item_models(context: ReportContext, place: int) -> _ItemModels:
    item = context.data.items[place]
    frame = context.data.ratings[context.data.ratings["item"] == item.id]
    if frame["value"].isna().all():
        gone = Estimate("proportional_odds", None, undefined_because="there is no rating")
        return _ItemModels(item.id, item.label, (), gone)
    level, most = context.level, MOST_RATINGS_FOR_CLMM
    if item.kind == "numeric":
        return _numeric_item_models(context, item, frame)
    ratings = _prepared(context, frame, context.points(item))
    fits = (
        (
            "Cumulative link, random slopes",
            fit_or_reason(fit_clmm, ratings, random_slopes=True, ci_level=level, most_ratings=most),
        ),
        (
            "Cumulative link, intercepts",
            fit_or_reason(
                fit_clmm,
                ratings,
                ci_level=level,
                most_ratings=most,
                profile=len(ratings.levels) == 2 and _may_profile(ratings),
            ),
        ),
        *_linear_models_of_item(ratings, level),
        ("GEE, linear", fit_or_reason(fit_gee, ratings, ci_level=level)),
    )
    return _ItemModels(item.id, item.label, fits, proportional_odds_test(ratings))


def _numeric_item_models(
    context: ReportContext, item: ReportItem, frame: pd.DataFrame
) -> _ItemModels:
    """Models of the answers as numbers; a cumulative-link model is for ordered points."""
    ratings, level = _prepared(context, frame, None), context.level
    fits = (
        *_linear_models_of_item(ratings, level),
        ("GEE, linear", fit_or_reason(fit_gee, ratings, ci_level=level)),
    )
    why = "the answers are numbers between two ends and not ordered points"
    return _ItemModels(
        item.id, item.label, fits, Estimate("proportional_odds", None, undefined_because=why)
    )


def _effects(fit: ModelFit) -> list[Coefficient]:
    """Coefficients that compare a system with the reference."""
    return [e for e in fit.coefficients if e.details.reference is not None]


_EFFECT_COLUMNS = (
    Column("Model or effect", False),
    Column("Estimate and interval"),
    Column("Odds ratio"),
    Column("z or t"),
    Column("df"),
    Column("p"),
    Column("Ratings"),
)


def _effect_row(label: str, e: Coefficient, n: int, notes: Footnotes) -> Row:
    if e.estimate is None:
        return _undefined_row(label, e.undefined_because, n, notes)
    ratio, df = e.details.odds_ratio, e.details.df
    statistic = e.details.t_value or e.details.z_value
    return Row(
        (
            label,
            notes.with_interval(e),
            "–" if ratio is None else number(ratio),
            number(statistic) if statistic else "–",
            "–" if df is None else number(df, 1),
            notes.p_value(e),
            str(n),
        )
    )


def _test_row(label: str, e: LikelihoodRatio, notes: Footnotes) -> Row:
    if e.estimate is None:
        return _undefined_row(label, e.undefined_because, e.n, notes)
    df = number(float(e.details.df), 1)
    return Row((label, notes.with_interval(e), "–", "–", df, notes.p_value(e), str(e.n)))


def _undefined_row(label: str, because: str, n: int, notes: Footnotes) -> Row:
    return Row((label, notes.undefined(because), "–", "–", "–", "–", str(n)))


def _rows(context: ReportContext, label: str, fit: ModelFit, notes: Footnotes) -> list[Row]:
    if fit.undefined_because or not _effects(fit):
        because = fit.undefined_because or "only one system has ratings"
        return [_undefined_row(label, because, fit.n, notes)]
    names = {s.id: s.label for s in context.data.systems}
    rows = []
    for e in _effects(fit):
        one, two = e.details.level or "", e.details.reference or ""
        kind = ", uncorrected" if e.statistic.endswith("_uncorrected") else ""
        what = f"{label}{kind}: {names.get(one, one)} minus {names.get(two, two)}"
        rows.append(_effect_row(what, e, fit.n, notes))
        profile = e.details.profile
        ends = () if profile is None else (profile.low, profile.high)
        if any(end is not None for end in ends):
            low, high = ("none" if end is None else number(end) for end in ends)
            rows.append(
                Row((f"{label}: profile likelihood", f"[{low}, {high}]", *["–"] * 4, str(fit.n)))
            )
    return rows


def _overall_table(context: ReportContext, fits: Sequence[tuple[str, ModelFit]]) -> Table:
    notes = Footnotes()
    rows = [row for label, fit in fits for row in _rows(context, label, fit, notes)]
    names = {s.id: s.label for s in context.data.systems}
    said = [_deviations(label, fit, names) for label, fit in fits]
    flat = [
        ({"scope": "all_items", "model": fit.model}, e)
        for _, fit in fits
        for e in (*fit.coefficients, *fit.variances)
    ]
    remarks = dict.fromkeys(note for _, fit in fits for note in fit.notes)
    fit = fits[0][1]
    return Table(
        "model-all-items",
        f"Linear mixed models of the sum of the items of each response, random raters (with random "
        "differences between systems) and random prompts, without and with random responses, "
        f"intervals at {level_text(context.level)}",
        f"{_units(fits)}, {counted(fit.n_raters, 'rater')}, {counted(fit.n_prompts, 'prompt')}, "
        f"n = {fit.n} responses rated",
        "exploratory",
        _EFFECT_COLUMNS,
        one_group(rows),
        tidy(flat),
        (
            *filter(None, said),
            f"Fitted by {fit.method}; degrees of freedom by Satterthwaite's method. A response with "
            f"a missing answer has no sum: {fit.n_missing} left out.",
            *(_as_sentence(note) for note in remarks),
            *notes.notes(),
        ),
    )


def _deviations(label: str, fit: ModelFit, systems: Mapping[str, str]) -> str:
    """The standard deviations of a model's random effects in a sentence."""
    spread = [e for e in fit.variances if e.details.std_dev is not None]
    if not spread:
        return ""
    methods = " and ".join(dict.fromkeys(e.ci_method for e in spread if e.ci_low is not None))
    how = f", intervals by {methods}" if methods else ""
    words = "; ".join(_deviation_words(e, systems) for e in spread)
    return f"{label}, standard deviations{how}: {words}."


def _units(fits: Sequence[tuple[str, ModelFit]]) -> str:
    """The unit of inference of the first model, and that of the one with random responses."""
    first = fits[0][1].unit_of_inference
    other = next((f for label, f in fits if label == _RESPONSES and not f.undefined_because), None)
    if other is None:
        return first
    return f"{first}; of the rows with random responses: {other.unit_of_inference}"


def _as_sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."


def _deviation_words(e: Variance, systems: Mapping[str, str]) -> str:
    """A standard deviation with its interval, where it has one."""
    profile, interval = e.details.profile, ""
    if profile is not None and profile.low is not None and profile.high is not None:
        interval = f" [{number(profile.low)}, {number(profile.high)}]"
    return f"{_variance_name(e, systems)} {number(e.details.std_dev or 0.0)}{interval}"


def _variance_name(e: Variance, systems: Mapping[str, str]) -> str:
    """What varies; of a slope also the system whose difference from the reference it is."""
    name, level = e.statistic.removesuffix("_variance").replace("_", " "), e.details.level
    return name if level is None else f"{name} of {systems.get(level, level)}"


def _effects_table(context: ReportContext, items: list[_ItemModels]) -> Table:
    notes, groups, flat = Footnotes(), [], []
    remarks: dict[str, None] = {}
    primary = [_first_effect(m) for m in items]
    adjusted = adjust([e.p_value if e else None for _, e in primary], method="holm")
    for models, p_holm in zip(items, adjusted, strict=True):
        rows = []
        for label, fit in models.fits:
            rows += _rows(context, label, fit, notes)
            flat += [({"item": models.item, "model": fit.model}, e) for e in _all(fit)]
            remarks.update(dict.fromkeys(fit.notes))
        if not models.fits:
            rows.append(_undefined_row("All models", "there is no rating", 0, notes))
        check = models.proportional_odds
        rows.append(_test_row("Check of proportional odds, χ²", check, notes))
        flat.append(({"item": models.item, "model": "proportional_odds"}, check))
        holm = "" if p_holm is None else f" (p Holm {p_text(p_holm)})"
        groups.append(RowGroup(f"{models.label}{holm}", tuple(rows)))
    fitted = [m.fits for m in items if m.fits]
    told = next((fits for fits in fitted if _units(fits) != fits[0][1].unit_of_inference), None)
    unit = _units(told or fitted[0]) if fitted else "rater"
    return Table(
        "models-by-item",
        f"Models of each item, intervals at {level_text(context.level)}",
        f"{unit}, n in the table",
        "exploratory",
        _EFFECT_COLUMNS,
        tuple(groups),
        tidy(flat),
        (
            "Cumulative-link effects are log odds ratios, the others are in points of the scale.",
            *_holm_note(items, primary),
            *(_as_sentence(remark) for remark in remarks),
            *notes.notes(),
        ),
    )


def _first_effect(models: _ItemModels) -> tuple[str, Coefficient | None]:
    """The first effect that there is, and the model that it is from."""
    found = ((label, e) for label, fit in models.fits for e in _effects(fit))
    return next(found, ("", None))


def _holm_note(
    items: Sequence[_ItemModels], primary: Sequence[tuple[str, Coefficient | None]]
) -> tuple[str, ...]:
    """Which p of each item Holm's method adjusts: a model that could not be fitted has none."""
    users: dict[str, list[str]] = {}
    for models, (model, effect) in zip(items, primary, strict=True):
        if effect is not None and effect.p_value is not None:
            users.setdefault(model, []).append(models.label)
    if not users:
        return ()
    named = "; ".join(
        model + (f" ({', '.join(labels)})" if len(users) > 1 else "")
        for model, labels in users.items()
    )
    mixed = ", which do not test the same effect" if len(users) > 1 else ""
    return (
        "Holm adjusts over the items the first p of the first model that could be fitted: "
        f"{named}{mixed}.",
    )


def _all(fit: ModelFit) -> list[Estimate]:
    return [*fit.coefficients, *fit.thresholds, *fit.variances, *fit.tests]


def _spread_table(context: ReportContext, items: list[_ItemModels]) -> Table:
    notes, rows, flat = Footnotes(), [], []
    systems = {s.id: s.label for s in context.data.systems}
    for models in items:
        fit = next((f for _, f in models.fits if f.variances), None)
        cells = []
        for name in ("rater_variance", "rater_slope_variance", "prompt_variance"):
            found = [e for e in fit.variances if e.statistic == name] if fit else []
            if not found:
                cells.append(notes.undefined("no model with this part could be fitted"))
                continue
            cells.append(
                ", ".join(_std_dev(e, systems if len(found) > 1 else {}, notes) for e in found)
            )
            flat += [({"item": models.item, "model": fit.model if fit else ""}, e) for e in found]
        rows.append(Row((models.label, *cells)))
    return Table(
        "model-spread",
        "How much raters and prompts differ, as standard deviations in the first model of each item "
        "that could be fitted",
        "rater, as in the table before",
        "exploratory",
        (
            Column("Item", False),
            Column("Raters"),
            Column("Raters’ differences between systems"),
            Column("Prompts"),
        ),
        one_group(rows),
        tidy(flat),
        notes.notes(),
    )


def _std_dev(e: Variance, systems: Mapping[str, str], notes: Footnotes) -> str:
    """A standard deviation; of several slopes each with its system."""
    if e.estimate is None:
        return notes.undefined(e.undefined_because)
    name = systems.get(str(e.details.level))
    value = number(e.estimate**0.5 if e.details.std_dev is None else e.details.std_dev)
    return f"{name}: {value}" if name else value


def _prediction_tables(context: ReportContext, items: list[_ItemModels]) -> list[Table]:
    made = []
    names: dict[str, str] = {s.id: s.label for s in context.data.systems}
    for scale, (points, places) in enumerate(context.scales):
        groups, flat = [], []
        for place in places:
            models = items[place]
            fit = next((f for _, f in models.fits if f.predictions), None)
            chosen = [q for q in fit.predictions if q.kind == "population_averaged"] if fit else []
            rows = []
            for q in chosen:
                shares = [_percent_cell(e) for e in q.probabilities]
                mean = "–" if q.mean.estimate is None else number(q.mean.estimate)
                rows.append(Row((names.get(q.level, q.level), *shares, mean)))
                keys = {"item": models.item, "system": q.level}
                flat += [(keys, e) for e in (*q.probabilities, q.mean)]
            if rows:
                groups.append(RowGroup(models.label, tuple(rows)))
        if not groups or len(points) > 11:
            continue
        made.append(
            Table(
                f"predicted-{scale + 1}",
                "Predicted distribution of the answers over the points (%), averaged over raters and "
                "prompts, by the first cumulative-link model that could be fitted",
                "rater, as in the models",
                "exploratory",
                (
                    Column("System", False),
                    *(Column(f"{value} {anchor}") for value, anchor in points),
                    Column("Mean"),
                ),
                tuple(groups),
                tidy(flat),
            )
        )
    return made


def _percent_cell(e: Estimate) -> str:
    return "–" if e.estimate is None else number(100 * e.estimate, 1)
