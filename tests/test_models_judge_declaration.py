"""The judge block held against itself, and what the lock freezes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.judge.asking.endpoint_check import endpoint_faults
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import open_session
from models.judge.wording.declaration import judge_faults, judge_hashes
from protocols import shipped_protocols
from study.cli.group import run
from study.errors import LockError
from study.protocol import load_protocol
from study.protocol.judge import Judge
from study.protocol.schema import Protocol
from study.store.audit import study_faults
from study.store.locking import lock_faults, lock_study, read_lock
from tests.fixtures_judge import make_study

DEMO = load_protocol(shipped_protocols()["demo"])
ENDPOINT = {
    "backend": "openai",
    "model": "evenhand-scripted-judge-1",
    "endpoint": "http://127.0.0.1:9/v1",
}
LOCAL = {"backend": "transformers", "model": "shipped:demo-tuned"}

RUBRIC = """
id: own
version: "1.0"
title: Own
kind: single
licence: own
source: this test
task: Rate one reply.
criteria:
  - {from_item: ITEM, instrument: eai-items}
"""


def with_judge(**fields: Any) -> Protocol:
    block = {"rubrics": ("nile",)} | fields
    return DEMO.model_copy(update={"judge": Judge.model_validate(block)})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"backend": "openai", "model": "evenhand-scripted-judge-1"}, "needs judge.endpoint"),
        ({"backend": "scripted", "model": "evenhand-scripted-judge-1"}, "does not use it"),
        (LOCAL | {"api_key_variable": "KEY"}, "judge.api_key_variable is 'KEY'"),
        (ENDPOINT | {"scoring": "probability", "mode": "all-in-one"}, "belong to one criterion"),
        (LOCAL | {"batch": True}, "no batch API"),
        (ENDPOINT | {"max_cost": 3}, "judge.price is missing"),
        (LOCAL | {"concurrency": 8}, "answers one call at a time"),
        (LOCAL | {"requests_per_minute": 8}, "judge.requests_per_minute has no effect"),
        (ENDPOINT | {"batch": True, "tokens_per_minute": 9}, "no effect with judge.batch"),
        (LOCAL | {"scoring": "probability", "replicates": 2}, "every repeat gives the same"),
        (
            ENDPOINT | {"scoring": "probability", "sampling": {"max_tokens": 90}},
            "the reply is one token",
        ),
        (
            ENDPOINT | {"scoring": "probability", "structured_output": True},
            "asks for a JSON reply",
        ),
        (ENDPOINT | {"stand_in_only_if": {"group": "nurse"}}, "'nurse'; declared: student, prof"),
        (ENDPOINT | {"review": {"professional_groups": ["doctor"]}}, "names the group 'doctor'"),
        (ENDPOINT | {"rubrics": ("gone.yaml",)}, "There is no rubric 'gone.yaml'"),
        (ENDPOINT | {"rubrics": ("safety", "safety")}, "expected each rubric once"),
        (LOCAL | {"model": "nowhere"}, "judge.model: there is no checkpoint"),
    ],
)
def test_each_contradiction_is_told_and_nothing_else(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    (fault,) = judge_faults(with_judge(**fields), tmp_path)
    assert said in fault


def test_what_does_not_contradict_itself_is_left_alone(tmp_path: Path) -> None:
    for path in shipped_protocols().values():
        assert judge_faults(load_protocol(path), tmp_path) == []
    plain = {"rubrics": ("safety", "empathy", "nile", "eai", "pairwise", "k-way")}
    for backend in (ENDPOINT, LOCAL, {"backend": "scripted"}):
        assert judge_faults(with_judge(**backend, **plain), tmp_path) == []


def test_a_rubric_of_ones_own_names_items_that_are_there(tmp_path: Path) -> None:
    known = DEMO.items[0].id
    for item, faults in ((known, 0), ("bedside-manner", 1)):
        (tmp_path / "own.yaml").write_text(RUBRIC.replace("ITEM", item), encoding="utf-8")
        found = judge_faults(with_judge(**ENDPOINT, rubrics=("own.yaml",)), tmp_path)
        assert len(found) == faults
        assert all("item 'bedside-manner', which the instrument" in f for f in found)


def test_check_asks_an_endpoint_only_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real answers: with log probabilities, in prose without them, refusing the key, and none."""
    judge = ScriptedJudge(faults={2: "prose", 3: "401", 4: "no completion"})
    with serving(judge) as address:
        protocol = with_judge(**ENDPOINT | {"endpoint": address, "scoring": "probability"})
        asked = [endpoint_faults(protocol, tmp_path) for _ in range(4)]
    assert asked[0] == []
    assert "gives no log probabilities" in asked[1][0]
    assert "refused the key" in asked[2][0]
    assert "no chat completion" in asked[3][0]
    assert "does not answer as the protocol asks" in endpoint_faults(protocol, tmp_path)[0]
    assert endpoint_faults(DEMO, tmp_path) == []
    study = make_study(tmp_path / "s", lock=False, **ENDPOINT, timeout_s=2)
    study.close()
    monkeypatch.chdir(study.folder)
    assert run(["check"]) == 0
    assert run(["check", "--ask-judge"]) == 2
    assert "no connection" in capsys.readouterr().err


def test_the_lock_freezes_rubrics_and_wording_and_verify_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(tmp_path / "s", lock=False, rubrics=["own.yaml"])
    own = study.folder / "own.yaml"
    text = RUBRIC.replace("ITEM", DEMO.items[0].id)
    own.write_text(text, encoding="utf-8")
    frozen = judge_hashes(study.protocol, study.folder)
    assert set(frozen) == {"judge_rubrics", "judge_prompts"}
    lock = lock_study(study, frozen)
    assert lock.hashes.items() >= frozen.items()
    assert study_faults(study, judge_hashes(study.protocol, study.folder)) == []
    # The survey app has no rubrics at hand and leaves them out.
    assert lock_faults(study) == []
    assert open_session(study).rubrics[0].id == "own"
    monkeypatch.chdir(study.folder)
    assert run(["verify"]) == 0
    own.write_text(text.replace("Rate one reply.", "Rate it high."), encoding="utf-8")
    assert run(["verify"]) == 1
    said = capsys.readouterr().err
    assert "the judge rubrics differs from what was locked" in said
    assert "the judge prompts differs" in said
    with pytest.raises(LockError, match="rubrics differ from what was locked"):
        open_session(study)
    own.unlink()
    assert run(["verify"]) == 1
    assert "the judge's rubrics cannot be read" in capsys.readouterr().err
    study.close()


def test_a_lock_from_before_still_holds(tmp_path: Path) -> None:
    """A study that was locked without the judge's hashes: nothing of it can differ."""
    study = make_study(tmp_path / "s", rubrics=["safety"])
    lock = read_lock(study)
    assert lock is not None
    assert not any(name.startswith("judge_") for name in lock.hashes)
    assert study_faults(study, judge_hashes(study.protocol, study.folder)) == []
    assert open_session(study).rubrics[0].id == "safety"
    study.close()
