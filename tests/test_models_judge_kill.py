"""The ledger after kill -9: what was answered is paid once, nothing is lost.

The endpoint's own books are the oracle. A client alone cannot know of an answer that was on its way
when it was killed; the idempotency key lets the endpoint give that answer again without charging.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import open_session
from study.store.events import chain_faults
from study.store.judge.verdicts import read_calls, read_verdicts
from study.store.study import Study
from tests.fixtures_judge import make_study

CONCURRENCY = 6
# Each worker has one call under way and one whose answer is on its way to the disk.
OPEN_AT_MOST = 2 * CONCURRENCY
POINTS = random.Random()  # noqa: S311 (points in time, not a secret)


@dataclass
class Killed:
    """What is left after all kills and one run to the end."""

    planned: int
    kills: int
    judge: ScriptedJudge
    study: Study

    @property
    def charged(self) -> int:
        return sum(self.judge.charged.values())


def _run(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "study.cli", "judge", "--study", str(folder), "--yes"]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONWARNINGS": "default"},
    )


def _kill_at(process: subprocess.Popen[bytes], judge: ScriptedJudge, requests: int) -> bool:
    """Kill when the endpoint has seen so many requests; False when the run was over before."""
    while process.poll() is None and judge.requests < requests:
        time.sleep(0.001)
    time.sleep(POINTS.uniform(0, 0.03))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def kill_and_resume(folder: Path, *, kills: int, knows_idempotency: bool) -> Killed:
    """Kill the real command at random points, then let it run to the end."""
    judge = ScriptedJudge(latency_s=0.02, knows_idempotency=knows_idempotency)
    with serving(judge) as address:
        study = make_study(
            folder,
            backend="openai",
            endpoint=address,
            model="m",
            rubrics=["eai"],
            replicates=max(2, kills // 3),
            concurrency=CONCURRENCY,
        )
        planned = len(open_session(study).calls())
        done = 0
        answered: set[str] = set()
        for _ in range(kills):
            # No more than what is left, shared among the kills to come.
            share = max((planned - len(answered)) // (kills - done), 1)
            at = judge.requests + POINTS.randint(1, share)
            done += _kill_at(_run(folder), judge, at)
            now = {c.cache_key for c in read_calls(study) if c.state == "answered"}
            assert answered <= now
            answered = now
        last = _run(folder)
        _, errors = last.communicate(timeout=120)
        assert last.returncode == 0, errors.decode()
        time.sleep(0.1)
    return Killed(planned, done, judge, study)


def check(left: Killed) -> None:
    calls = read_calls(left.study)
    assert len(calls) == left.planned
    assert {c.state for c in calls} == {"answered"}
    assert len(read_verdicts(left.study)) == left.planned
    assert set(left.judge.charged) == {f"{c.cache_key}-{c.round}" for c in calls}
    with left.study.reading() as connection:
        assert chain_faults(connection, left.study) == []


def doubles(left: Killed) -> int:
    """Requests that were charged again; each of them has a row that says it was sent again."""
    again = {f"{c.cache_key}-{c.round}" for c in read_calls(left.study) if c.attempts > 1}
    assert {key for key, times in left.judge.charged.items() if times > 1} <= again
    return left.charged - left.planned


@pytest.mark.parametrize("knows_idempotency", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killed_runs_lose_nothing(tmp_path: Path, knows_idempotency: bool) -> None:
    left = kill_and_resume(tmp_path / "s", kills=3, knows_idempotency=knows_idempotency)
    check(left)
    assert left.kills >= 1
    extra = doubles(left)
    assert extra == 0 if knows_idempotency else extra <= left.kills * OPEN_AT_MOST
    left.study.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("knows_idempotency", [True, False])
def test_fifty_kills(
    tmp_path: Path, knows_idempotency: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    left = kill_and_resume(tmp_path / "s", kills=50, knows_idempotency=knows_idempotency)
    check(left)
    extra = doubles(left)
    with capsys.disabled():
        print(
            f"\n{left.kills} kills, {left.planned} calls, idempotency "
            f"{'known' if knows_idempotency else 'unknown'} to the endpoint: {left.charged} charged, "
            f"{extra} twice"
        )
    assert left.kills >= 45
    assert extra == 0 if knows_idempotency else extra <= left.kills * OPEN_AT_MOST
    left.study.close()
