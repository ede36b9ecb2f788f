"""The judge's verdicts as plain rows, with what it wrote; under blind codes until unblinding."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from study.clock import time_text
from study.report_view.snapshot import Snapshot
from study.store.judge.verdicts import StoredVerdict, read_calls

# What stands in the place of a system's name that the judge wrote, until the study is unblinded.
MASK = "[a system's name]"


def verdict_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per verdict that counts, with its score, reasons, outcome and the judge's raw reply.

    In a comparison ``system`` is empty, ``shown`` holds the systems in the order in which the judge
    saw them (``A|B``), ``label`` the place that it chose (A is the first), and ``winner`` the system.
    Verdicts on changed texts have the name of their ``probe``.

    Until the study is unblinded, a system's id, title or model in what the judge wrote is replaced by
    ``MASK``: a judge that guesses at names must not put them beside a code.
    """
    rows, ledger = _Rows(snapshot), snapshot.ledger
    probes = sorted({call.probe for call in ledger.calls})
    found = [rows.row(stored) for probe in probes for stored in ledger.verdicts(probe)]
    keys = ("probe", "rubric", "criterion", "prompt", "system", "shown", "replicate")
    return sorted(found, key=lambda row: tuple(row[key] for key in keys))


class _Rows:
    def __init__(self, snapshot: Snapshot) -> None:
        self._code = {r.id: snapshot.names[r.system_id].id for r in snapshot.responses}
        self._topic = snapshot.topics
        self._masked = masking(snapshot)
        self._raw = {
            call.id: str((call.reply or call.failure or {}).get("body", ""))
            for call in read_calls(snapshot.study)
        }

    def row(self, stored: StoredVerdict) -> dict[str, Any]:
        call, verdict = stored.call, stored.verdict
        shown = [self._code.get(identity, "") for identity in call.response_ids]
        single = len(shown) == 1
        winner = stored.winner if not single else None
        detail = dict(verdict.detail)
        return {
            "call": call.id,
            "probe": call.probe,
            "rubric": call.rubric_id,
            "rubric_version": call.rubric_version,
            "criterion": verdict.criterion,
            "prompt": call.prompt_id,
            "topic": self._topic.get(call.prompt_id, ""),
            "system": shown[0] if single else "",
            "shown": "" if single else "|".join(shown),
            "replicate": call.replicate,
            "round": call.round,
            "outcome": str(verdict.outcome),
            "value": verdict.value,
            "label": verdict.label or "",
            "winner": self._code.get(winner, winner) if winner else "",
            "low": verdict.low,
            "high": verdict.high,
            "reason": self._masked(verdict.reason),
            "problem": self._masked(str(detail.pop("problem", ""))),
            "detail": self._masked(json.dumps(detail, ensure_ascii=False)) if detail else "",
            "simulated": call.simulated,
            "judge": self._masked(call.model),
            "returned_model": self._masked(call.returned_model or ""),
            "system_fingerprint": self._masked(call.fingerprint),
            "prompt_tokens": call.prompt_tokens,
            "completion_tokens": call.completion_tokens,
            "cost": call.cost,
            "cost_is_bound": call.cost_is_bound,
            "attempts": call.attempts,
            "latency_s": call.latency_s,
            "answered_at": time_text(call.answered_at) if call.answered_at else "",
            "parser_version": stored.parser_version,
            "raw_reply": self._masked(self._raw[call.id]),
        }


def masking(snapshot: Snapshot) -> Callable[[str], str]:
    """Takes the names of systems out of a text, as long as the study is blind."""
    if snapshot.unblinded:
        return lambda text: text
    names: set[str] = set()
    for system in snapshot.protocol.systems:
        model = system.model.rstrip("/").rsplit("/", 1)[-1]
        for name in (system.id, system.title, system.model, model, system.endpoint):
            # A raw reply holds some characters as JSON escapes.
            names |= {name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
    # The longest first; names of one or two letters are also words.
    ordered = sorted((name for name in names if len(name) > 2), key=lambda n: (-len(n), n))
    if not ordered:
        return lambda text: text
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in ordered)})(?!\w)", re.IGNORECASE
    )
    return lambda text: pattern.sub(MASK, text)
