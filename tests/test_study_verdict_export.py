"""`export --what verdicts`: against the ledger itself, and blind until unblinding."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.scripted.scripted_faults import completion
from models.judge.session import open_session
from study import blinding
from study.cli.group import run
from study.report_view.snapshot import Snapshot
from study.report_view.verdicts import MASK, verdict_rows
from study.store.judge.verdicts import read_calls, read_verdicts
from study.store.locking import unblind_study
from study.store.responses import read_responses
from study.store.study import Study
from tests.fixtures_judge import make_study

FAULTS = {2: "prose", 4: "refusal", 5: "500", 6: "half a surrogate pair", 7: "cut off"}


def judged(folder: Path, rubrics: tuple[str, ...] = ("nile",), **parts: object) -> Study:
    with serving(ScriptedJudge(faults=FAULTS, **parts)) as address:  # type: ignore[arg-type]
        study = make_study(
            folder / "s", prompts=1, backend="openai", model="m", endpoint=address, retries=0,
            rubrics=list(rubrics), concurrency=1, price={"input_per_million": 1, "output_per_million": 1},
        )  # fmt: skip
        session = open_session(study)
        session.run(session.calls())
    return study


def test_every_verdict_is_there_with_score_reason_outcome_and_raw_reply(
    tmp_path: Path, store_url: str
) -> None:
    """Oracle: the ledger, row by row."""
    del store_url
    study = judged(tmp_path)
    rows = {(row["call"], row["criterion"]): row for row in verdict_rows(Snapshot(study))}
    verdicts, replies = read_verdicts(study), {call.id: call.reply for call in read_calls(study)}
    codes = blinding.system_codes(study.key, [s.id for s in study.protocol.systems])
    of_response = {r.id: codes[r.system_id] for r in read_responses(study)}
    assert len(rows) == len(verdicts) == 12
    assert {row["outcome"] for row in rows.values()} == {
        "scored", "unparseable", "refused", "endpoint failure", "truncated",
    }  # fmt: skip
    for stored in verdicts:
        row, call = rows[stored.call.id, stored.verdict.criterion], stored.call
        assert row["system"] == of_response[call.response_ids[0]]
        assert (row["value"], row["outcome"]) == (stored.verdict.value, stored.verdict.outcome)
        assert row["reason"] == stored.verdict.reason
        assert row["raw_reply"] == ((replies[call.id] or {}).get("body", ""))
        assert row["problem"] == stored.verdict.detail.get("problem", "")
        assert (row["cost"], row["cost_is_bound"]) == (call.cost, call.cost_is_bound)
        assert row["simulated"] is call.simulated
    study.close()


def test_comparisons_name_the_order_the_place_and_the_winner(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", prompts=1, rubrics=["pairwise"])
    session = open_session(study)
    session.run(session.calls())
    codes = blinding.system_codes(study.key, [s.id for s in study.protocol.systems])
    of_response = {r.id: codes[r.system_id] for r in read_responses(study)}
    by_call = {(v.call.id, v.verdict.criterion): v for v in read_verdicts(study)}
    rows = verdict_rows(Snapshot(study))
    assert rows
    for row in rows:
        stored = by_call[row["call"], row["criterion"]]
        shown = row["shown"].split("|")
        assert shown == [of_response[r] for r in stored.call.response_ids]
        assert row["system"] == ""
        wins = row["winner"] if row["label"] == "tie" else shown["AB".index(row["label"])]
        assert row["winner"] == wins
    assert any(row["label"] == "B" for row in rows)
    study.close()


def test_no_export_of_verdicts_names_a_system_before_unblinding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A judge that writes every system's id, title and model into its reasons and its own name."""
    plain = make_study(tmp_path / "names", lock=False)
    systems = plain.protocol.systems
    plain.close()
    names = [n for s in systems for n in (s.id, s.title, s.model) if n]

    class Guessing(ScriptedJudge):
        def complete(self, body: object) -> dict[str, object]:
            text = json.dumps({"reason": f"I think of {'; '.join(names)}!", "score": 4})
            return completion(text) | {"model": names[0], "system_fingerprint": names[1]}

    with serving(Guessing()) as address:
        study = make_study(
            tmp_path / "s", prompts=1, backend="openai", model="m", endpoint=address,
            rubrics=["nile"],
        )  # fmt: skip
        session = open_session(study)
        session.run(session.calls())
    monkeypatch.chdir(study.folder)
    for kind in ("csv", "jsonl"):
        capsys.readouterr()
        assert run(["export", "--what", "verdicts", "--format", kind]) == 0
        said = capsys.readouterr().out
        assert not [name for name in names if name.lower() in said.lower()]
        assert MASK in said
    rows = list(csv.DictReader(io.StringIO(_csv(capsys))))
    assert {row["system"] for row in rows} == {"A", "B", "C"}
    assert json.loads(rows[0]["raw_reply"])["choices"][0]["message"]["content"].count(MASK) > 2
    unblind_study(study, "A. Weiss", "B. Okoro")
    rows = list(csv.DictReader(io.StringIO(_csv(capsys))))
    assert {row["system"] for row in rows} == {s.id for s in systems}
    assert MASK not in rows[0]["raw_reply"]
    assert names[0] in rows[0]["raw_reply"]
    study.close()


def _csv(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(["export", "--what", "verdicts"]) == 0
    return capsys.readouterr().out


def test_probes_and_new_rounds(tmp_path: Path) -> None:
    """A probe's verdicts have its name; of a call that was asked anew, only the newest counts."""
    study = make_study(tmp_path / "s", prompts=1, rubrics=["safety", "pairwise"])
    session = open_session(study)
    calls = session.calls()
    session.run(calls)
    again = calls[0].planned.cache_key
    session.run(calls, again=frozenset({again}))
    rows = verdict_rows(Snapshot(study))
    assert len(rows) == len(read_verdicts(study))
    assert sorted(row["round"] for row in rows)[-1] == 2
    assert len(read_calls(study)) == len(calls) + 1
    study.close()


def test_nothing_to_export_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(tmp_path / "s", prompts=1)
    study.close()
    monkeypatch.chdir(study.folder)
    assert run(["export", "--what", "verdicts"]) == 0
    assert "evenhand judge" in capsys.readouterr().err
    assert run(["export", "--what", "verdicts", "--format", "sav", "-o", "v.sav"]) == 2
