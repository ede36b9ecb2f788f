"""What was compared: the systems, their responses, the prompts and the items."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
)
from analysis.report.numbers import count, counted, n_text, number
from study.report_view.data import ReportData, ReportItem

# More texts than this make the page longer than anybody reads; the CSV file has them all.
MOST_TEXTS_SHOWN = 40


def materials_section(context: ReportContext) -> Section:
    """Items, systems and what they wrote."""
    data = context.data
    blind = (
        "The systems stand under blind codes."
        if not data.unblinded
        else f"The systems stand under their names, because the study was unblinded{_when(data)}."
    )
    text = (
        f"{counted(len(data.systems), 'system')} answered "
        f"{counted(len(context.shaped.prompt_ids), 'prompt')} on "
        f"{counted(len(data.protocol.topics), 'topic')}; "
        f"the raters answered {counted(len(data.all_items), 'item')} on each page. {blind}"
    )
    if not len(data.responses):
        # In a study of conversations every reply is to one rater: there are no responses to list.
        text = (
            f"The raters talked with {counted(len(data.systems), 'system')} and answered "
            f"{counted(len(data.all_items), 'item')} after each conversation. {blind}"
        )
    text += _origin(data)
    tables = (_items_table(context), *([_systems_table(context)] if len(data.responses) else []))
    return Section("materials", "Systems, responses and items", (Paragraph(text), *tables))


def _origin(data: ReportData) -> str:
    """Whose responses were imported: before unblinding only how many, since a code would tell the name."""
    if not data.n_imported:
        return ""
    systems = counted(len(data.systems), "system")
    if data.n_imported == len(data.systems):
        return " The responses of every system were made elsewhere and imported."
    told = (
        "the table of systems says which"
        if data.imported
        else "which ones, the report says after unblinding"
    )
    return (
        f" The responses of {data.n_imported} of the {systems} were made elsewhere and imported; {told}. "
        "How those were made, only their source can say."
    )


def _when(data: ReportData) -> str:
    """When it was unblinded, and how much came in after that; empty where it is not known."""
    if not data.unblinded_at:
        return ""
    at = dt.datetime.fromisoformat(data.unblinded_at).astimezone(dt.UTC)
    later = data.answers_after_unblinding
    saved = f"{counted(later, 'answer')} {'was' if later == 1 else 'were'} saved after that"
    return f" on {at:%Y-%m-%d} at {at:%H:%M:%S} UTC; {saved}"


def _answers_to(item: ReportItem) -> str:
    """What could be answered, in words."""
    if item.kind == "pairwise":
        return "A, B or a tie"
    if item.kind == "ranking":
        return "An order, best first"
    if item.kind == "spans":
        return f"Parts marked: {', '.join(label.label for label in item.labels)}"
    if item.kind == "nominal":
        return ", ".join(anchor for _, anchor in item.points)
    low, high = item.points[0], item.points[-1]
    return f"{low[0]} = {low[1]} to {high[0]} = {high[1]}"


def _items_table(context: ReportContext) -> Table:
    items = context.data.all_items
    rows = []
    for item in items:
        scale = _answers_to(item)
        rows.append(Row((item.label, item.text, scale)))
    flat = [
        {"item": i.id, "label": i.label, "text": i.text, "instrument": i.instrument,
         "kind": i.kind, "point": value, "anchor": anchor}
        for i in items for value, anchor in i.points or ((None, ""),)
    ]  # fmt: skip
    return Table(
        "items",
        "Items as the raters read them",
        n_text("item", len(items)),
        "descriptive",
        (Column("Item", False), Column("Wording", False), Column("Scale", False)),
        one_group(rows),
        pd.DataFrame(flat),
    )


def _systems_table(context: ReportContext) -> Table:
    notes, rows, flat = Footnotes(), [], []
    told = bool(context.data.imported)
    for system in context.data.systems:
        own = context.data.responses[context.data.responses["system"] == system.id]
        words = np.array([len(str(t).split()) for t in own["text"].fillna("")], dtype=float)
        tokens = pd.to_numeric(own["completion_tokens"], errors="coerce").dropna().to_numpy(float)
        seconds = pd.to_numeric(own["latency_s"], errors="coerce").dropna().to_numpy(float)
        record: dict[str, object] = {"system": system.id, "label": system.label, "n": len(own)}
        cells = [system.label, count(len(own))]
        if told:
            record["origin"] = "imported" if system.id in context.data.imported else "generated"
            cells.append(str(record["origin"]))
        measures = (("words", words, 0), ("tokens", tokens, 0), ("latency_s", seconds, 2))
        for name, values, digits in measures:
            if name != "words" and not context.data.unblinded:
                # How fast a system writes can tell which one it is, and so do its tokens: responses
                # that were imported have none.
                cells.append("hidden until unblinding")
                continue
            cells.append(_median(values, digits, notes, f"{name.split('_')[0]} not recorded"))
            for suffix, q in (("median", 0.5), ("min", 0.0), ("max", 1.0)):
                record[f"{name}_{suffix}"] = float(np.quantile(values, q)) if values.size else None
        rows.append(Row(tuple(cells)))
        flat.append(record)
    return Table(
        "systems",
        "Responses by system: median (lowest to highest)",
        n_text("response", len(context.data.responses)),
        "descriptive",
        (
            Column("System", False),
            Column("Responses"),
            *([Column("Origin", False)] if told else []),
            Column("Words"),
            Column("Tokens"),
            Column("Seconds to write"),
        ),
        one_group(rows),
        pd.DataFrame(flat),
        notes.notes(),
    )


def _median(values: np.ndarray, digits: int, notes: Footnotes, because: str) -> str:
    if not values.size:
        return notes.undefined(because)
    middle, low, high = (number(float(q), digits) for q in np.quantile(values, (0.5, 0.0, 1.0)))
    return f"{middle} ({low} to {high})"


def responses_section(context: ReportContext) -> Section:
    """All prompts and responses, for readers who want to judge for themselves."""
    responses, data = context.data.responses, context.data
    if not len(responses):
        return Section("responses", "Prompts and responses", ())
    topics = {t.id: t.title for t in data.protocol.topics}
    labels = {s.id: s.label for s in data.systems}
    groups, shown = [], 0
    for prompt in context.shaped.prompt_ids:
        own = responses[responses["prompt"] == prompt]
        if shown + len(own) > MOST_TEXTS_SHOWN:
            break
        shown += len(own)
        topic = str(own["topic"].iloc[0]) if len(own) else ""
        asked = f": {own['prompt_text'].iloc[0]}" if "prompt_text" in own and len(own) else ""
        rows = [
            Row((labels.get(str(s), str(s)), str(text)))
            for s, text in zip(own["system"], own["text"].fillna(""), strict=True)
        ]
        groups.append(RowGroup(f"{topics.get(topic, topic)} ({prompt}){asked}", tuple(rows)))
    left = len(responses) - shown
    notes = (f"{left} further responses are in the CSV file only.",) if left else ()
    table = Table(
        "responses",
        "Responses as the raters read them, by prompt",
        n_text("response", len(responses)),
        "descriptive",
        (Column("System", False), Column("Response", False)),
        tuple(groups),
        responses.reset_index(drop=True),
        notes,
    )
    return Section("responses", "Prompts and responses", (table,))
