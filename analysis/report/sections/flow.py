"""Flow of raters through the study, and who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
)
from analysis.report.drawing import new_drawing
from analysis.report.numbers import n_text, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

STAGES = (
    ("enrolled", "Enrolled"),
    ("declined", "Declined"),
    ("not_consented", "Link not used or consent page open"),
    ("consented", "Consented"),
    ("screened_out", "Did not pass the checks"),
    ("not_started", "Consented, not started"),
    ("started", "Started rating"),
    ("not_finished", "Started, not finished"),
    ("finished", "Finished"),
    ("withdrawn", "Withdrawn (answers erased)"),
)
_CONSENTED = ("consented", "ready", "rating", "finished", "screened_out")


def count_stages(status: pd.Series) -> dict[str, int]:
    """How many raters reached each stage.

    A withdrawn rater's record is erased, so it is not known how far that rater had come: the
    withdrawn are counted apart and not among those who consented. Those who did not pass the
    checks consented; whether they had rated before is not told apart here.
    """
    n = {str(k): int(v) for k, v in status.astype(str).value_counts().items()}
    consented = sum(n.get(s, 0) for s in _CONSENTED)
    started = n.get("rating", 0) + n.get("finished", 0)
    return {
        "enrolled": len(status),
        "declined": n.get("declined", 0),
        "not_consented": n.get("enrolled", 0),
        "consented": consented,
        "screened_out": n.get("screened_out", 0),
        "not_started": n.get("consented", 0) + n.get("ready", 0),
        "started": started,
        "not_finished": n.get("rating", 0),
        "finished": n.get("finished", 0),
        "withdrawn": n.get("withdrawn", 0),
    }


def flow_section(context: ReportContext) -> Section:
    """Counts by group, the flow diagram and the demographic answers."""
    raters = context.data.raters
    counts = [
        (g.title, count_stages(raters.loc[raters["group"] == g.id, "status"]))
        for g in context.data.protocol.groups
    ]
    total = count_stages(raters["status"])
    with_total = [*counts, ("All raters", total)] if len(counts) > 1 else counts
    rows = [
        Row((label, *(str(c[key]) for _, c in with_total)), strong=key in ("enrolled", "finished"))
        for key, label in STAGES
        if key != "screened_out" or total[key]
    ]
    table = Table(
        "flow-of-raters",
        "Flow of raters by group",
        n_text("rater", total["enrolled"]),
        "descriptive",
        (Column("Stage", numeric=False), *(Column(label) for label, _ in with_total)),
        one_group(rows),
        pd.DataFrame([{"group": label, **c} for label, c in with_total]),
        ("A withdrawn rater's answers are erased; how far that rater had come is not kept.",),
    )
    text = (
        f"{total['enrolled']} raters were enrolled; {total['declined']} declined, "
        f"{total['consented']} consented, {total['started']} started, {total['finished']} finished "
        f"and {total['withdrawn']} withdrew."
    )
    if total["screened_out"]:
        text += f" {total['screened_out']} did not pass the checks and were led to an ending."
    figure = Figure(
        "flow",
        "Flow of raters from enrolment to the last response, by group",
        n_text("rater", total["enrolled"]),
        "descriptive",
        "Flow diagram. " + " ".join(_sentence(label, c) for label, c in counts),
        lambda: _draw_flow(counts),
    )
    people = (*_language_table(context), *_demographics_table(context))
    return Section("flow", "Raters", (Paragraph(text), figure, table, *people))


def _language_table(context: ReportContext) -> tuple[Table, ...]:
    """In which language the raters who started were asked; nothing for a study in one."""
    data, raters = context.data, context.data.raters
    if len(data.protocol.languages) < 2 or "language" not in raters.columns:
        return ()
    started = raters[raters["status"].astype(str).isin(("rating", "finished"))]
    samples = [(g.title, started[started["group"] == g.id]) for g in data.protocol.groups]
    if len(samples) > 1:
        samples.append(("All raters", started))
    rows, flat = [], []
    for code in data.protocol.languages:
        counts = [int((people["language"] == code).sum()) for _, people in samples]
        rows.append(Row((code, *(str(k) for k in counts))))
        flat += [
            {"language": code, "group": label, "count": k, "n": len(people)}
            for (label, people), k in zip(samples, counts, strict=True)
        ]
    return (
        Table(
            "raters-by-language",
            "Language in which the raters who started answered (ISO 639-1)",
            n_text("rater", len(started)),
            "descriptive",
            (Column("Language", numeric=False), *(Column(label) for label, _ in samples)),
            one_group(rows),
            pd.DataFrame(flat),
            (
                "The other tables put all languages together. Prompts and responses are in "
                f"{data.protocol.language}.",
            ),
        ),
    )


def _sentence(label: str, c: dict[str, int]) -> str:
    return (
        f"{label}: {c['enrolled']} enrolled, {c['declined']} declined, {c['consented']} consented, "
        f"{c['started']} started, {c['finished']} finished, {c['withdrawn']} withdrawn."
    )


def _draw_flow(counts: list[tuple[str, dict[str, int]]]) -> Drawing:
    drawing = new_drawing(max(6.4, 3.6 * len(counts)), 4.2)
    axes = drawing.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, len(counts))
    axes.set_ylim(-0.15, 4.1)
    for column, (label, c) in enumerate(counts):
        x = column + 0.30
        axes.text(x, 4.0, label, ha="center", va="center", fontweight="bold")
        main = (("Enrolled", "enrolled"), ("Consented", "consented"), ("Started rating", "started"))
        steps = [(f"{word}\nn = {c[key]}", 3.45 - i) for i, (word, key) in enumerate(main)]
        steps.append((f"Finished\nn = {c['finished']}", 0.45))
        out = (
            f"Declined n = {c['declined']}\nNo consent yet n = {c['not_consented']}\n"
            f"Withdrawn n = {c['withdrawn']}",
            f"Not started n = {c['not_started']}"
            + (f"\nScreened out n = {c['screened_out']}" if c["screened_out"] else ""),
            f"Not finished n = {c['not_finished']}",
        )
        box = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": "black"}
        for text, y in steps:
            axes.text(x, y, text, ha="center", va="center", bbox=box)
        for i, text in enumerate(out):
            y = 2.95 - i
            arrow = {"arrowstyle": "->", "color": "black", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x, y - 0.24), (x, y + 0.24), arrowprops=arrow)
            axes.annotate("", (x + 0.16, y), (x, y), arrowprops=arrow)
            axes.text(x + 0.18, y, text, ha="left", va="center", fontsize=8, bbox=box)
    return drawing


def _demographics_table(context: ReportContext) -> tuple[Table, ...]:
    raters, data = context.data.raters, context.data
    if not data.protocol.demographics or not len(raters):
        return ()
    asked = raters[raters["status"].astype(str).isin(_CONSENTED)]
    notes, groups = Footnotes(), []
    flat: list[tuple[str, str, str, int, int, float | None]] = []
    samples = [(g.title, asked[asked["group"] == g.id]) for g in data.protocol.groups]
    if len(samples) > 1:
        samples.append(("All raters", asked))
    for question in data.protocol.demographics:
        rows = []
        if question.id not in raters.columns:
            continue
        if question.options:
            named = [(o.value, o.label) for o in question.options]
            for value, label in [*named, ("", "No answer")]:
                cells = []
                for sample, people in samples:
                    answers = (
                        people[question.id].astype(object).where(people[question.id].notna(), "")
                    )
                    k = int((answers.astype(str) == value).sum())
                    cells.append(f"{k} ({percent(k, len(people), 1)} %)" if len(people) else "0")
                    flat.append((question.id, label, sample, k, len(people), None))
                rows.append(Row((label, *cells)))
        else:
            rows.append(_number_row(question.id, samples, notes, flat))
        groups.append(RowGroup(question.question, tuple(rows)))
    if not groups:
        return ()
    names = ["question", "answer", "group", "count", "n", "mean"]
    return (
        Table(
            "raters",
            "What the raters who consented said about themselves",
            n_text("rater", len(asked)),
            "descriptive",
            (Column("Answer", numeric=False), *(Column(label) for label, _ in samples)),
            tuple(groups),
            pd.DataFrame(flat, columns=names),
            notes.notes(),
        ),
    )


def _number_row(
    key: str,
    samples: list[tuple[str, pd.DataFrame]],
    notes: Footnotes,
    flat: list[tuple[str, str, str, int, int, float | None]],
) -> Row:
    cells = []
    for sample, people in samples:
        given = pd.to_numeric(people[key], errors="coerce").dropna()
        mean = float(given.mean()) if len(given) else None
        if mean is None:
            cells.append(notes.undefined("nobody in this group gave a number"))
        else:
            low, high = number(float(given.min()), 0), number(float(given.max()), 0)
            spread = f", SD {number(float(given.std()), 1)}" if len(given) > 1 else ""
            cells.append(f"{number(mean, 1)}{spread}, {low} to {high} (n = {len(given)})")
        flat.append((key, "mean", sample, len(given), len(people), mean))
    return Row(("Mean, SD, range", *cells))
