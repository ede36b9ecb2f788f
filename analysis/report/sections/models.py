"""Models for what the ratings are: ordinal, crossed by rater and prompt, repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.chapters.context import ReportContext
from analysis.chapters.models import ItemModels, effects, models_chapter
from analysis.rating_models.results import Coefficient, LikelihoodRatio, ModelFit, Variance
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
from analysis.report.numbers import counted, level_text, number, p_text
from analysis.results import Estimate

# As the tables call the models of the chapter.
_NAMES = {
    "clmm_slope": "Cumulative link, random slopes",
    "clmm": "Cumulative link, intercepts",
    "lmer_slope": "Linear, random slopes",
    "lmer_response": "Linear, random slopes and responses",
    "gee": "GEE, linear",
}
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


def models_section(context: ReportContext) -> Section:
    """A linear model of all items together, then ordinal and linear models of each item."""
    heading = "Mixed models of the ratings"
    chapter = models_chapter(context)
    if chapter is None:
        text = "No model exists for these data, because there is no rating."
        return Section("models", heading, (Paragraph(text),))
    blocks: list[Block] = [
        Paragraph(_HOW),
        _overall_table(context, chapter.sums),
        _effects_table(context, chapter.items),
        _spread_table(context, chapter.items),
        *_prediction_tables(context, chapter.items),
    ]
    return Section("models", heading, tuple(blocks))


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


def _rows(context: ReportContext, model: str, fit: ModelFit, notes: Footnotes) -> list[Row]:
    label = _NAMES[model]
    if fit.undefined_because or not effects(fit):
        because = fit.undefined_because or "only one system has ratings"
        return [_undefined_row(label, because, fit.n, notes)]
    names = {s.id: s.label for s in context.data.systems}
    rows = []
    for e in effects(fit):
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


def _overall_table(context: ReportContext, fits: Mapping[str, ModelFit]) -> Table:
    notes = Footnotes()
    rows = [row for model, fit in fits.items() for row in _rows(context, model, fit, notes)]
    names = {s.id: s.label for s in context.data.systems}
    said = [_deviations(_NAMES[model], fit, names) for model, fit in fits.items()]
    flat: list[tuple[dict[str, object], Estimate]] = [
        ({"scope": "all_items", "model": fit.model}, e)
        for fit in fits.values()
        for e in (*fit.coefficients, *fit.variances)
    ]
    remarks = dict.fromkeys(note for fit in fits.values() for note in fit.notes)
    fit = next(iter(fits.values()))
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


def _units(fits: Mapping[str, ModelFit]) -> str:
    """The unit of inference of the first model, and that of the one with random responses."""
    first = next(iter(fits.values())).unit_of_inference
    other = fits.get("lmer_response")
    if other is None or other.undefined_because:
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


def _effects_table(context: ReportContext, items: Sequence[ItemModels]) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, object], Estimate]] = []
    remarks: dict[str, None] = {}
    for models in items:
        rows = []
        for model, fit in models.fits.items():
            rows += _rows(context, model, fit, notes)
            flat += [({"item": models.item, "model": fit.model}, e) for e in _all(fit)]
            remarks.update(dict.fromkeys(fit.notes))
        if not models.fits:
            rows.append(_undefined_row("All models", "there is no rating", 0, notes))
        check = models.proportional_odds
        rows.append(_test_row("Check of proportional odds, χ²", check, notes))
        flat.append(({"item": models.item, "model": "proportional_odds"}, check))
        holm = "" if models.p_holm is None else f" (p Holm {p_text(models.p_holm)})"
        groups.append(RowGroup(f"{models.label}{holm}", tuple(rows)))
    fitted = [m.fits for m in items if m.fits]
    units = [_units(fits) for fits in fitted]
    first = [next(iter(fits.values())).unit_of_inference for fits in fitted]
    told = next((unit for unit, plain in zip(units, first, strict=True) if unit != plain), None)
    unit = told or (units[0] if units else "rater")
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
            *_holm_note(items),
            *(_as_sentence(remark) for remark in remarks),
            *notes.notes(),
        ),
    )


def _holm_note(items: Sequence[ItemModels]) -> tuple[str, ...]:
    """Which p of each item Holm's method adjusts: a model that could not be fitted has none."""
    users: dict[str, list[str]] = {}
    for models in items:
        model, effect = models.first_effect
        if effect is not None and effect.p_value is not None:
            users.setdefault(_NAMES[model], []).append(models.label)
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


def _spread_table(context: ReportContext, items: Sequence[ItemModels]) -> Table:
    notes, rows = Footnotes(), []
    flat: list[tuple[dict[str, object], Estimate]] = []
    systems = {s.id: s.label for s in context.data.systems}
    for models in items:
        fit = models.with_variances
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


def _prediction_tables(context: ReportContext, items: Sequence[ItemModels]) -> list[Table]:
    made = []
    names: dict[str, str] = {s.id: s.label for s in context.data.systems}
    for scale, (points, places) in enumerate(context.scales):
        groups, flat = [], []
        for place in places:
            models = items[place]
            fit = models.with_predictions
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
