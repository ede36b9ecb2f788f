"""Cuts a study's data to what the report may see."""

from __future__ import annotations

from importlib import metadata

import pandas as pd

from analysis.report_data import (
    Named,
    ReportAttention,
    ReportData,
    ReportDemographic,
    ReportItem,
    ReportJudge,
)
from study import comparisons, conversation_export, export, session_checks
from study.cli.report_items import (
    comparing_items,
    left_out,
    nominal_items,
    numeric_items,
    report_scores,
    turn_round,
)
from study.errors import StoreError
from study.store.judge.models import model_changes
from study.store.judge.verdicts import read_verdicts
from study.store.locking import read_lock, unblinded_at
from study.store.raters import any_simulated
from study.store.ratings import read_ratings
from study.store.responses import imported_systems, read_responses
from study.store.study import Study

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
    protocol = study.protocol
    items, choices = numeric_items(protocol), nominal_items(protocol)
    compared = comparing_items(protocol)
    if not items and not choices and not compared:
        raise StoreError(
            f"The protocol {protocol.id} asks for free text only, which no table can hold. Its answers "
            "are in: evenhand export -o ratings.csv"
        )
    names = export.system_names(study)
    lock, unblinded = read_lock(study), unblinded_at(study)
    people = pd.DataFrame(export.rater_rows(study))
    numbers = _rater_numbers(list(people["rater"]) if len(people) else [])
    rating_rows = pd.DataFrame(export.rating_rows(study), columns=_RATING_COLUMNS)
    for column in ("value", "seconds", "place"):
        rating_rows[column] = pd.to_numeric(rating_rows[column]).astype("float64")
    turn_round(protocol, rating_rows)
    rating_rows = _numbered(rating_rows, numbers)
    rater_columns = [
        "rater",
        "group",
        "status",
        "simulated",
        *(q.id for q in protocol.demographics),
    ]
    if protocol.languages and "language" not in rater_columns:
        rater_columns.append("language")
    imported = imported_systems(study)
    return ReportData(
        title=protocol.title,
        protocol_id=protocol.id,
        protocol_version=protocol.version,
        summary=_summary(study),
        citation=protocol.citation,
        ratings=_about(items, rating_rows),
        raters=_numbered(people.reindex(columns=rater_columns), numbers),
        responses=_responses(study),
        systems=tuple(Named(name.id, name.title) for name in names.values()),
        groups=tuple(Named(group.id, group.title) for group in protocol.groups),
        topics=tuple(Named(topic.id, topic.title) for topic in protocol.topics),
        items=items,
        demographics=tuple(
            ReportDemographic(q.id, q.question, tuple(Named(o.value, o.label) for o in q.options))
            for q in protocol.demographics
        ),
        plan=export.plan_in_codes(study),
        unblinded=unblinded is not None,
        unblinded_at=unblinded or "",
        answers_after_unblinding=_answers_after(study, unblinded),
        n_imported=len(imported),
        imported=frozenset(names[system].id for system in imported),
        simulated=any_simulated(study),
        lock=lock.hashes if lock else {},
        locked_at=lock.at if lock else "",
        versions={package: metadata.version(package) for package in _PACKAGES},
        seed=protocol.design.seed,
        judge=_judge(study, names),
        attention=_attention(study, numbers),
        language=protocol.language,
        languages=protocol.languages,
        scores=report_scores(protocol),
        choices=choices,
        choice_ratings=_about(choices, rating_rows),
        compared=compared,
        compared_answers=_about(compared, rating_rows),
        comparisons=_numbered(pd.DataFrame(comparisons.comparison_rows(study)), numbers),
        rankings=_numbered(pd.DataFrame(comparisons.ranking_rows(study)), numbers),
        spans=_numbered(pd.DataFrame(comparisons.span_rows(study)), numbers),
        conversations=_numbered(
            pd.DataFrame(conversation_export.conversation_rows(study)), numbers
        ),
    )


def _rater_numbers(codes: list[str]) -> dict[str, str]:
    """Code -> running number, padded so that numbers sort as they count."""
    width = max(3, len(str(len(codes))))
    return {code: f"R{number:0{width}d}" for number, code in enumerate(codes, start=1)}


def _numbered(rows: pd.DataFrame, numbers: dict[str, str]) -> pd.DataFrame:
    """The rows with a rater's number in the place of the code."""
    return rows.assign(rater=rows["rater"].map(numbers)) if len(rows) else rows


def _answers_after(study: Study, at: str | None) -> int:
    """Answers that were saved, or changed, after this time."""
    return sum(at is not None and rating.saved_at > at for rating in read_ratings(study))


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


def _responses(study: Study) -> pd.DataFrame:
    """Responses with the reply that a person wrote to the same prompt."""
    frame = pd.DataFrame(export.response_rows(study), columns=_RESPONSE_COLUMNS)
    references = {prompt.id: prompt.reference for prompt in study.protocol.prompts}
    return frame.assign(reference=frame["prompt"].map(references))


def _attention(study: Study, numbers: dict[str, str]) -> ReportAttention | None:
    declared = study.protocol.checks.attention if study.protocol.checks else ()
    if not declared:
        return None
    rows = [
        (numbers[row["rater"]], row["check"], float(row["value"]))
        for row in export.check_rows(study)
        if row["kind"] == session_checks.ATTENTION
    ]
    answers = pd.DataFrame(rows, columns=["rater", "item", "value"])
    return ReportAttention(answers, {check.id: (float(check.answer),) for check in declared})


def _judge(study: Study, names: dict[str, export.SystemName]) -> ReportJudge | None:
    from analysis.judge_worth.ledger_frame import report_judge
    from analysis.judge_worth.probes import PROBES

    protocol = study.protocol
    return report_judge(
        read_verdicts(study),
        {probe: found for probe in PROBES if (found := read_verdicts(study, probe=probe))},
        {response.id: names[response.system_id].id for response in read_responses(study)},
        stand_in_only_if=protocol.judge.stand_in_only_if if protocol.judge else None,
        reversed_items=[item.id for item in protocol.items if item.high_is_unfavourable],
        model_changes=model_changes(study),
    )


def _summary(study: Study) -> str:
    """The protocol's summary and, where it applies, what the report leaves out or turns round."""
    said = [study.protocol.summary]
    others = left_out(study.protocol)
    if others:
        said.append(
            f"Not in this report, because the answers are free text or about several responses at "
            f"once: {', '.join(others)}. "
            "Those answers are in the export."
        )
    if any(item.high_is_unfavourable for item in study.protocol.items):
        said.append(
            "Items marked (reversed) are turned round here, so that a high value is favourable; the "
            "export holds the answers as given."
        )
    return " ".join(said)
