"""Cuts a study's data to what the report may see."""

from __future__ import annotations

from importlib import metadata

import pandas as pd

from study import session_checks
from study.clock import time_text
from study.errors import StoreError
from study.protocol import Protocol
from study.report_view import export
from study.report_view.comparisons import comparison_rows, ranking_rows, span_rows
from study.report_view.conversations import conversation_rows
from study.report_view.data import (
    ReportAttention,
    ReportData,
    ReportItem,
    ReportJudge,
)
from study.report_view.items import (
    comparing_items,
    left_out,
    nominal_items,
    numeric_items,
    report_scores,
    turn_round,
)
from study.report_view.judge import report_judge
from study.report_view.snapshot import Snapshot, snapshot
from study.store.judge.models import model_changes
from study.store.judge.verdicts import PROBES
from study.store.study import Study

_PACKAGES = (
    "evenhand",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "jinja2",
    "matplotlib",
    "typst",
    "rouge_score",
    "textstat",
)


def report_data(study: Study) -> ReportData:
    """Everything that the report is made from, with systems under the names they may have now.

    Free text does not go in; the answers are in the export. Nor do the codes of raters, with which
    answers can be withdrawn: they are numbered in the order of their enrolment, as the export lists
    them.

    Raises
    ------
    StoreError
        When the study has no item whose answers can be counted.
    """
    with snapshot(study) as seen:
        return _view_of(seen)


def _view_of(seen: Snapshot) -> ReportData:
    protocol = seen.protocol
    items, choices = numeric_items(protocol), nominal_items(protocol)
    compared = comparing_items(protocol)
    if not items and not choices and not compared:
        raise StoreError(
            f"The protocol {protocol.id} asks for free text only, which no table can hold. Its answers "
            "are in: evenhand export -o ratings.csv"
        )
    numbers = _rater_numbers([rater.code for rater in seen.raters.values()])
    answers = _answers(seen, numbers)
    return ReportData(
        protocol=protocol.without_systems(seen.plan),
        summary=_summary(protocol),
        ratings=_about(items, answers),
        raters=_raters(seen, numbers),
        responses=_responses(seen),
        systems=tuple(seen.names.values()),
        items=items,
        unblinded=seen.unblinded,
        unblinded_at=time_text(seen.unblinded_at) if seen.unblinded_at else "",
        answers_after_unblinding=_answers_after_unblinding(seen),
        n_imported=len(seen.imported),
        imported=frozenset(seen.names[system].id for system in seen.imported),
        simulated=any(rater.simulated for rater in seen.raters.values()),
        lock=seen.lock.hashes if seen.lock else {},
        locked_at=time_text(seen.lock.at) if seen.lock else "",
        versions={package: metadata.version(package) for package in _PACKAGES},
        judge=_judge(seen),
        attention=_attention(seen, numbers),
        scores=report_scores(protocol),
        choices=choices,
        choice_ratings=_about(choices, answers),
        compared=compared,
        compared_answers=_about(compared, answers),
        comparisons=_numbered(pd.DataFrame(comparison_rows(seen)), numbers),
        rankings=_numbered(pd.DataFrame(ranking_rows(seen)), numbers),
        spans=_numbered(pd.DataFrame(span_rows(seen)), numbers),
        conversations=_numbered(pd.DataFrame(conversation_rows(seen)), numbers),
    )


def _answers(seen: Snapshot, numbers: dict[str, str]) -> pd.DataFrame:
    """All planned answers, a high one favourable."""
    rows = pd.DataFrame(export.rating_rows(seen), columns=_RATING_COLUMNS)
    for column in ("value", "seconds", "place"):
        rows[column] = pd.to_numeric(rows[column]).astype("float64")
    turn_round(seen.protocol, rows)
    return _numbered(rows, numbers)


def _raters(seen: Snapshot, numbers: dict[str, str]) -> pd.DataFrame:
    columns = ["rater", "group", "status", "simulated"]
    columns += [question.id for question in seen.protocol.demographics]
    if seen.protocol.languages and "language" not in columns:
        columns.append("language")
    return _numbered(pd.DataFrame(export.rater_rows(seen)).reindex(columns=columns), numbers)


def _rater_numbers(codes: list[str]) -> dict[str, str]:
    """Code -> running number, padded so that numbers sort as they count."""
    width = max(3, len(str(len(codes))))
    return {code: f"R{number:0{width}d}" for number, code in enumerate(codes, start=1)}


def _numbered(rows: pd.DataFrame, numbers: dict[str, str]) -> pd.DataFrame:
    """The rows with a rater's number in the place of the code."""
    return rows.assign(rater=rows["rater"].map(numbers)) if len(rows) else rows


def _answers_after_unblinding(seen: Snapshot) -> int:
    """Answers that were saved, or changed, when the systems had been named."""
    at = seen.unblinded_at
    return sum(at is not None and rating.saved_at > at for rating in seen.ratings.values())


def _about(items: tuple[ReportItem, ...], rows: pd.DataFrame) -> pd.DataFrame:
    """The answers to these items."""
    return rows[rows["item"].isin([item.id for item in items])].reset_index(drop=True)


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
    "place",
]
_RESPONSE_COLUMNS = [
    "prompt",
    "topic",
    "system",
    "text",
    "completion_tokens",
    "latency_s",
    "first_token_s",
    "peak_memory_bytes",
    "peak_memory_missing",
]


def _responses(seen: Snapshot) -> pd.DataFrame:
    """Responses with the reply that a person wrote to the same prompt."""
    frame = pd.DataFrame(export.response_rows(seen), columns=_RESPONSE_COLUMNS)
    references = {prompt.id: prompt.reference for prompt in seen.protocol.prompts}
    return frame.assign(reference=frame["prompt"].map(references))


def _attention(seen: Snapshot, numbers: dict[str, str]) -> ReportAttention | None:
    declared = seen.protocol.checks.attention if seen.protocol.checks else ()
    if not declared:
        return None
    rows = [
        (numbers[row["rater"]], row["check"], float(row["value"]))
        for row in export.check_rows(seen)
        if row["kind"] == session_checks.ATTENTION
    ]
    answers = pd.DataFrame(rows, columns=["rater", "item", "value"])
    return ReportAttention(answers, {check.id: (float(check.answer),) for check in declared})


def _judge(seen: Snapshot) -> ReportJudge | None:
    protocol, ledger = seen.protocol, seen.ledger
    return report_judge(
        ledger.verdicts(),
        {probe: found for probe in PROBES if (found := ledger.verdicts(probe))},
        {response.id: seen.names[response.system_id].id for response in seen.responses},
        stand_in_only_if=protocol.judge.stand_in_only_if if protocol.judge else None,
        reversed_items=[item.id for item in protocol.items if item.high_is_unfavourable],
        model_changes=model_changes(ledger.calls),
    )


def _summary(protocol: Protocol) -> str:
    """The protocol's summary and, where it applies, what the report leaves out or turns round."""
    said = [protocol.summary]
    others = left_out(protocol)
    if others:
        said.append(
            f"Not in this report, because the answers are free text or about several responses at "
            f"once: {', '.join(others)}. "
            "Those answers are in the export."
        )
    if any(item.high_is_unfavourable for item in protocol.items):
        said.append(
            "Items marked (reversed) are turned round here, so that a high value is favourable; the "
            "export holds the answers as given."
        )
    return " ".join(said)
