"""No reply can end a judge's run or spoil its ledger: a real HTTP server, SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.judge.asking.running import ledger_sha256
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import JudgeSession, open_session
from models.judge.verdicts.readings import reparse
from study.store.events import chain_faults
from study.store.judge.verdicts import Outcome, read_calls, read_verdicts
from tests.fixtures_judge import ODD_REPLIES, make_study

ONE_CRITERION = """\
id: one
version: "1"
title: One
kind: single
licence: own
source: own
task: Rate.
criteria:
  - id: clarity
    label: Clarity
    question: How clear?
    kind: points
    points: [{value: 1, label: a}, {value: 2, label: b}, {value: 3, label: c}, {value: 4, label: d}]
"""


@contextmanager
def judging(folder: Path, judge: ScriptedJudge, **block: Any) -> Iterator[JudgeSession]:
    """A session of nine calls on one criterion each, with a real endpoint."""
    rubric = folder / "one.yaml"
    rubric.write_text(ONE_CRITERION, encoding="utf-8")
    fields: dict[str, Any] = {
        "backend": "openai",
        "model": "m",
        "rubrics": [str(rubric)],
        "concurrency": 3,
        "retries": 0,
        "price": {"input_per_million": 1.0, "output_per_million": 1.0},
    }
    with serving(judge) as address:
        study = make_study(folder / "study", **(fields | {"endpoint": address} | block))
        try:
            yield open_session(study)
        finally:
            study.close()


@pytest.mark.parametrize("fault", [f for f in ODD_REPLIES if f != "huge log probability"])
def test_an_odd_reply_is_a_typed_outcome_and_leaves_the_others(
    fault: str, tmp_path: Path, store_url: str
) -> None:
    """Four of nine replies are odd; oracle: the table above, and the untouched five."""
    del store_url
    judge = ScriptedJudge(faults=dict.fromkeys((2, 3, 5, 8), fault))
    with judging(tmp_path, judge) as session:
        study = session.study
        summary = session.run(session.calls())
        assert summary.asked == 9
        outcomes = [v.verdict.outcome for v in read_verdicts(study)]
        assert outcomes.count(ODD_REPLIES[fault]) == (
            9 if ODD_REPLIES[fault] == Outcome.SCORED else 4
        )
        assert outcomes.count(Outcome.SCORED) == (9 if ODD_REPLIES[fault] == Outcome.SCORED else 5)
        # The ledger can be read, hashed, read again by the parser, and gone on with.
        assert all(c.state == "answered" for c in read_calls(study))
        assert len(ledger_sha256(study)) == 64
        assert reparse(study) == {"read": 9, "changed": 0}
        assert session.run(session.calls()).asked == 0
        with study.reading() as connection:
            assert chain_faults(connection, study) == []


def test_what_no_database_holds_is_replaced_in_the_reason_and_kept_in_the_raw_reply(
    tmp_path: Path, store_url: str
) -> None:
    del store_url
    judge = ScriptedJudge(faults={1: "half a surrogate pair", 2: "NUL"})
    with judging(tmp_path, judge, concurrency=1) as session:
        session.run(session.calls()[:2])
        half, nul = read_verdicts(session.study)
        assert half.verdict.reason == "A half: \N{REPLACEMENT CHARACTER}."
        assert nul.verdict.reason == "It stops\N{REPLACEMENT CHARACTER}here."
        raw = [str((c.reply or {})["body"]) for c in read_calls(session.study)]
    said = [json.loads(body)["choices"][0]["message"]["content"] for body in raw]
    assert "\\ud83d" in said[0]
    assert "\\u0000" in said[1]


def test_a_huge_log_probability_is_no_score(tmp_path: Path) -> None:
    judge = ScriptedJudge(faults={2: "huge log probability"})
    with judging(tmp_path, judge, scoring="probability", structured_output=None) as session:
        session.run(session.calls())
        outcomes = [str(v.verdict.outcome) for v in read_verdicts(session.study)]
    assert outcomes.count("scored") == 8


# Answers that bring no reply: (fault, what the ledger calls it).
NO_REPLY = {
    "not UTF-8": "no completion",
    "nested body": "no completion",
    "HTML": "no completion",
    "endless": "too long",
    "packed": "too long",
    "packed badly": "broken off",
    "charset that is none": "unreadable",
    "500 HTML": "status",
}


@pytest.mark.parametrize("fault", NO_REPLY)
def test_an_answer_without_a_reply_leaves_the_others_and_the_next_run_goes_on(
    fault: str, tmp_path: Path, store_url: str
) -> None:
    """Four of nine requests fail; oracle: the untouched five, and nine after the next run."""
    del store_url
    judge = ScriptedJudge(faults=dict.fromkeys((2, 3, 5, 8), fault))
    with judging(tmp_path, judge) as session:
        study = session.study
        first = session.run(session.calls())
        assert (first.asked, first.failed, first.outcomes["scored"]) == (9, 4, 5)
        assert first.outcomes["scored"] + sum(
            n for outcome, n in first.outcomes.items() if outcome in ("truncated", "endpoint failure")
        ) == 9  # fmt: skip
        failed = [c for c in read_calls(study) if c.state == "failed"]
        assert [(c.failure or {})["kind"] for c in failed] == [NO_REPLY[fault]] * 4
        second = session.run(session.calls())
        assert (second.asked, second.failed) == (4, 0)
        assert {v.verdict.outcome for v in read_verdicts(study)} == {Outcome.SCORED}
        assert len(read_verdicts(study)) == 9
        with study.reading() as connection:
            assert chain_faults(connection, study) == []
