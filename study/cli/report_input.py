"""Cuts a study's data to what the report may see."""

from __future__ import annotations

from importlib import metadata

import pandas as pd

from analysis.report_data import Named, ReportData, ReportDemographic, ReportItem, ReportJudge
from study import export
from study.errors import StoreError
from study.protocol import Item, Scale
from study.protocol.item_kinds import anchors, on_scale
from study.protocol.schema import AnalysisPlan
from study.store.locking import read_lock, unblinded_at
from study.store.raters import any_simulated
from study.store.responses import read_responses
from study.store.study import Study
from study.store.verdicts import read_verdicts

_PACKAGES = (
    "evenhand",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "pingouin",
    "great_tables",
    "matplotlib",
    "typst",
)


def report_data(study: Study) -> ReportData:
    """Everything that the report is made from, with systems under the names they may have now.

    Only items on a scale go in; the answers to others are in the export.

    Raises
    ------
    StoreError
        When the study has no item on a scale.
    """
    protocol = study.protocol
    items = _items(study)
    names = export.system_names(study)
    lock = read_lock(study)
    rating_rows = pd.DataFrame(export.rating_rows(study), columns=_RATING_COLUMNS)
    rating_rows = rating_rows[rating_rows["item"].isin([item.id for item in items])]
    rating_rows = rating_rows.reset_index(drop=True)
    rating_rows["value"] = pd.to_numeric(rating_rows["value"]).astype("float64")
    _turn_round(study, rating_rows)
    rating_rows["seconds"] = pd.to_numeric(rating_rows["seconds"]).astype("float64")
    rater_columns = [
        "rater",
        "group",
        "status",
        "simulated",
        *(q.id for q in protocol.demographics),
    ]
    return ReportData(
        title=protocol.title,
        protocol_id=protocol.id,
        protocol_version=protocol.version,
        summary=_summary(study),
        citation=protocol.citation,
        ratings=rating_rows,
        raters=pd.DataFrame(export.rater_rows(study), columns=rater_columns),
        responses=pd.DataFrame(export.response_rows(study), columns=_RESPONSE_COLUMNS),
        systems=tuple(Named(name.id, name.title) for name in names.values()),
        groups=tuple(Named(group.id, group.title) for group in protocol.groups),
        topics=tuple(Named(topic.id, topic.title) for topic in protocol.topics),
        items=items,
        demographics=tuple(
            ReportDemographic(q.id, q.question, tuple(Named(o.value, o.label) for o in q.options))
            for q in protocol.demographics
        ),
        plan=_plan_in_codes(study, names),
        unblinded=unblinded_at(study) is not None,
        simulated=any_simulated(study),
        lock=lock.hashes if lock else {},
        locked_at=lock.at if lock else "",
        versions={package: metadata.version(package) for package in _PACKAGES},
        seed=protocol.design.seed,
        judge=_judge(study, names),
    )


_RATING_COLUMNS = [
    "rater",
    "group",
    "position",
    "prompt",
    "topic",
    "system",
    "item",
    "value",
    "missing_reason",
    "seconds",
]
_RESPONSE_COLUMNS = ["prompt", "topic", "system", "text", "completion_tokens", "latency_s"]


def _judge(study: Study, names: dict[str, export.SystemName]) -> ReportJudge | None:
    from analysis.judge_frame import report_judge
    from analysis.judge_probes import PROBES

    protocol = study.protocol
    return report_judge(
        read_verdicts(study),
        {probe: found for probe in PROBES if (found := read_verdicts(study, probe=probe))},
        {response.id: names[response.system_id].id for response in read_responses(study)},
        stand_in_only_if=protocol.judge.stand_in_only_if if protocol.judge else None,
        reversed_items=[item.id for item in protocol.items if item.reversed],
    )


def _items(study: Study) -> tuple[ReportItem, ...]:
    items = tuple(
        ReportItem(
            item.id,
            f"{item.label} (reversed)" if item.reversed else item.label,
            item.text,
            instrument.title,
            _points(item, instrument.scale),
        )
        for instrument in study.protocol.instruments
        for item in instrument.items
        if on_scale(item)
    )
    if not items:
        raise StoreError(
            f"The report is about items on a scale (likert, semantic-differential), and the protocol "
            f"{study.protocol.id} has none. Its answers are in: evenhand export -o ratings.csv"
        )
    return items


def _points(item: Item, scale: Scale) -> tuple[tuple[int, str], ...]:
    """All points with their anchors; of a reversed item, the anchors in reverse."""
    labels = anchors(item, scale)
    texts = list(labels.values())
    return tuple(zip(labels, reversed(texts) if item.reversed else texts, strict=True))


def _turn_round(study: Study, rows: pd.DataFrame) -> None:
    """Have the favourable answer high in every item, so that totals mean something."""
    for item in study.protocol.items:
        if item.reversed:
            values = study.protocol.scale_of(item.id).values
            mirror = dict(zip(values, reversed(values), strict=True))
            chosen = rows["item"] == item.id
            rows.loc[chosen, "value"] = rows.loc[chosen, "value"].map(mirror)


def _summary(study: Study) -> str:
    """The protocol's summary and, where it applies, what the report leaves out or turns round."""
    items = study.protocol.items
    said = [study.protocol.summary]
    others = [item.label for item in items if not on_scale(item)]
    if others:
        said.append(
            f"Not in this report, because not answered on the points of a scale: {', '.join(others)}. "
            "Those answers are in the export."
        )
    if any(item.reversed for item in items):
        said.append(
            "Items marked (reversed) are turned round here, so that a high value is favourable; the "
            "export holds the answers as given."
        )
    return " ".join(said)


def _plan_in_codes(study: Study, names: dict[str, export.SystemName]) -> AnalysisPlan:
    plan = study.protocol.analysis
    coded = plan.primary.model_copy(
        update={
            "system": names[plan.primary.system].id,
            "against": names[plan.primary.against].id,
        }
    )
    return plan.model_copy(update={"primary": coded})
