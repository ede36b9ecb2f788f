"""A judge whose model changes on the way is a finding of judge, verify and report; a real endpoint."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.report import build_report
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from study.cli.group import run
from study.rehearsal import rehearse
from study.report_view.report_data import report_data
from study.store.judge.models import model_changes, served_models
from study.store.judge.verdicts import read_calls
from study.store.study import opened
from tests.fixtures_judge import make_study

NAME = "evenhand-scripted-judge"
Served = Callable[[int], tuple[str, str | None]]

# Nine calls; what the endpoint says of itself by the number of the request.
CHANGES: dict[str, tuple[Served, str]] = {
    "model": (lambda n: (f"{NAME}-{1 + (n > 4)}", None), "changed its model on the way"),
    "fingerprint": (lambda n: (NAME, f"fp_{n // 6}"), "changed its system fingerprint"),
    "for one reply": (lambda n: (f"{NAME}-{n == 9}", "fp_1"), "changed its model on the way"),
    "to and fro": (lambda n: (NAME, f"fp_{n % 2}"), "changed its system fingerprint"),
}
SAME: dict[str, Served] = {
    "one model": lambda _: (NAME, None),
    "one fingerprint": lambda _: (NAME, "fp_1"),
    "a fingerprint now and then": lambda n: (NAME, "fp_1" if n % 3 else None),
    "no name now and then": lambda n: (NAME if n % 3 else "", "fp_1"),
}


def judged(
    folder: Path,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    with serving(ScriptedJudge(served_by=served)) as address:
        study = make_study(
            folder / "s", backend="openai", endpoint=address, model=NAME, concurrency=1
        )
        study.close()
        monkeypatch.chdir(study.folder)
        code = run(["judge", "--yes"])
    return code, " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_told_by_judge_verify_and_the_report(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served, said = CHANGES[what]
    code, err = judged(tmp_path, served, monkeypatch, capsys)
    assert code == 1
    assert said in err
    for words in (["judge", "--replay"], ["verify"]):
        assert run(words) == 1
        assert said in " ".join(capsys.readouterr().err.split())
    assert run(["judge", "--replay", "--json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)["model_changes"]
    assert said in change
    assert run(["verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"] == [change]


@pytest.mark.parametrize("what", SAME)
def test_no_change_is_no_finding(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = judged(tmp_path, SAME[what], monkeypatch, capsys)
    assert code == 0, err
    assert run(["verify"]) == 0
    with opened(Path()) as study:
        assert model_changes(read_calls(study)) == []


def test_a_change_between_two_runs_is_one_until_the_old_part_is_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted by hand: nine calls of a plan by the first model; asked again, all by the second."""
    models = iter([f"{NAME}-1"] * 9 + [f"{NAME}-2"] * 99)
    endpoint = ScriptedJudge(served_by=lambda _: (next(models), None), knows_idempotency=False)
    with serving(endpoint) as address:
        study = make_study(
            tmp_path / "s", backend="openai", endpoint=address, model=NAME, concurrency=1
        )
        study.close()
        monkeypatch.chdir(study.folder)
        assert run(["judge", "--yes"]) == 0
        assert run(["judge", "--yes", "--probe", "longer"]) == 1
        assert f"{NAME}-1 in 9 replies" in " ".join(capsys.readouterr().err.split())
        assert run(["judge", "--yes", "--again", "scored"]) == 0
        assert run(["verify"]) == 0
    with opened(Path()) as study:
        (served,) = served_models(read_calls(study))
        assert (served.model, served.n) == (f"{NAME}-2", 18)


def test_the_report_tells_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ScriptedJudge(served_by=CHANGES["model"][0])) as address:
        study = make_study(tmp_path / "s", backend="openai", endpoint=address, model=NAME)
        monkeypatch.chdir(study.folder)
        run(["judge", "--yes"])
        rehearse(study, 2, 1)
        data = report_data(study)
        document = build_report(data, created=dt.date(2026, 11, 30))
        study.close()
    assert data.judge is not None
    (change,) = data.judge.model_changes
    (section,) = [s for s in document.sections if s.key == "judge"]
    assert change[1:] in repr(section)
