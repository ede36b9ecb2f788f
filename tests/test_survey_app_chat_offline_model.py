"""A conversation with the shipped offline model behind ``evenhand serve-model --all``.

Oracle: the database, and the hash of the shipped file in the provenance of every reply. The model's
whole process is killed in the middle of a turn and started again.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from models.shipped import shipped_path
from study.entities import TurnOutcome
from study.store import conversations
from study.store.audit import study_faults
from study.store.study import open_study
from tests.conftest import SurveyServer, free_port
from tests.fixtures_chat import ROOT, ChatSite, make_chat_study
from tests.test_survey_app_chat import wait_for_reply, write

if TYPE_CHECKING:
    from conftest import RaterPage

# Alone: the shipped model writes as fast as the machine lets it.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.offline_model,
    pytest.mark.slow,
    pytest.mark.alone,
]


class ModelService:
    """``evenhand serve-model --all`` as a process group of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/v1"
        self._command = [
            sys.executable, "-m", "study.cli", "serve-model", "--all",
            "--port", str(port), "--study", str(folder),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, start_new_session=True)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(self.address.removesuffix("/v1") + "/healthz") as up:  # noqa: S310
                    assert up.status == 200
                return
            except urllib.error.URLError:
                assert self._process.poll() is None
                time.sleep(0.2)  # on purpose: between two looks
        raise AssertionError("the model did not answer within 120 s")

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)


def test_ten_turns_with_the_shipped_model_which_is_killed_in_the_middle(
    tmp_path: Path, open_tablet: Callable[..., RaterPage]
) -> None:
    folder = tmp_path / "study"
    make_chat_study(folder, raters=2, own_systems=False).close()
    study = open_study(folder)
    model = ModelService(folder, free_port())
    model.start()
    server = SurveyServer(study, free_port(), tmp_path / "server.log")
    server.environment = {"EVENHAND_CHAT_ADDRESS": model.address}
    server.start()
    try:
        site = ChatSite(server, {}, model.address)
        rater = next(
            one
            for one in (site.new_talker(), site.new_talker())
            if conversations.system_of(study, site.talks(one)[0].assignment_id) == "nile-style"
        )
        page = open_tablet(server.link(rater)).page
        number = 0
        for turn in range(10):
            write(page, f"I lie awake and worry about my exams, this is night {turn + 1}.")
            if turn == 4:
                page.locator(f".chat-rater[data-number='{number + 1}']").wait_for()
                model.kill()
                page.get_by_text("The reply did not come through").wait_for()
                expect(page.locator(".chat-rater")).to_have_count(5)
                # Nothing answers yet: trying again is calm, too.
                page.get_by_role("button", name="Try again").tap()
                page.locator("#chat-typing").wait_for()
                page.get_by_text("The reply did not come through").wait_for()
                model.start()
                page.get_by_role("button", name="Try again").tap()
                number += 2
            wait_for_reply(page, number + 2)
            number += 2
        talk = site.talks(rater)[0]
        told = {t.assignment_id: made_by for t, made_by in conversations.read_all(study)}
        replies = [
            (turn, made_by)
            for turn, made_by in zip(talk.turns, told[talk.assignment_id], strict=True)
            if turn.role == "system"
        ]
        complete = [made_by for turn, made_by in replies if turn.outcome is TurnOutcome.COMPLETE]
        failed = [turn for turn, _ in replies if turn.outcome is TurnOutcome.FAILED]
        assert (len(complete), len(failed)) == (10, 2)
        digest = hashlib.sha256(shipped_path("demo-tuned.pte").read_bytes()).hexdigest()
        assert {made_by["made_by"]["model_sha256"] for made_by in complete} == {digest}
        assert all(turn.text for turn, _ in replies if turn.outcome is TurnOutcome.COMPLETE)
        assert sum(turn.role == "rater" for turn in talk.turns) == 10
        page.get_by_text("2 messages left").wait_for()
        assert study_faults(study) == []
    finally:
        model.kill()
        server.stop()
        study.close()
