"""Cuts a study's data to what the report may see."""

from __future__ import annotations

from importlib import metadata

import pandas as pd

from analysis.report_data import Named, ReportData, ReportDemographic, ReportItem
from study import export
from study.protocol.schema import AnalysisPlan
from study.store.locking import read_lock, unblinded_at
from study.store.raters import any_simulated
from study.store.study import Study

_PACKAGES = ("evenhand", "numpy", "pandas", "scipy", "statsmodels", "pingouin")


def report_data(study: Study) -> ReportData:
    """Everything that the report is made from, with systems under the names they may have now."""
    protocol = study.protocol
    names = export.system_names(study)
    lock = read_lock(study)
    rating_rows = pd.DataFrame(export.rating_rows(study), columns=_RATING_COLUMNS)
    rating_rows["value"] = pd.to_numeric(rating_rows["value"]).astype("float64")
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
        summary=protocol.summary,
        citation=protocol.citation,
        ratings=rating_rows,
        raters=pd.DataFrame(export.rater_rows(study), columns=rater_columns),
        responses=pd.DataFrame(export.response_rows(study), columns=_RESPONSE_COLUMNS),
        systems=tuple(Named(name.id, name.title) for name in names.values()),
        groups=tuple(Named(group.id, group.title) for group in protocol.groups),
        topics=tuple(Named(topic.id, topic.title) for topic in protocol.topics),
        items=_items(study),
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


def _items(study: Study) -> tuple[ReportItem, ...]:
    return tuple(
        ReportItem(
            item.id,
            item.label,
            item.text,
            instrument.title,
            tuple((point.value, point.label) for point in instrument.scale.points),
        )
        for instrument in study.protocol.instruments
        for item in instrument.items
    )


def _plan_in_codes(study: Study, names: dict[str, export.SystemName]) -> AnalysisPlan:
    plan = study.protocol.analysis
    coded = plan.primary.model_copy(
        update={
            "system": names[plan.primary.system].id,
            "against": names[plan.primary.against].id,
        }
    )
    return plan.model_copy(update={"primary": coded})
