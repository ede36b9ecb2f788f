"""`transformers serve` on the demo model: a real server of somebody else, written to and judged by."""

from __future__ import annotations

import contextlib
import html
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.report.of_study import write_study_report
from models.generation.response import GeneratedResponse
from models.generation.run import generate_responses
from models.judge.session import open_session
from models.judge.verdicts.outcomes import tabulate_outcomes
from models.shipped import FOLDER
from study.protocol.schema import Prompt, Protocol
from study.protocol.systems import Decoding, System
from study.rehearsal import rehearse
from study.store.judge.verdicts import read_calls, read_verdicts
from study.store.raters import enrol
from study.store.responses import read_responses
from study.store.study import Study
from tests.fixtures_judge import make_study

CHECKPOINT = str(FOLDER / "demo-tuned")

# Short, because the model's context holds 512 tokens; its items are the raters' own.
RUBRIC = """
id: short
version: "1.0"
title: Two of the raters' items
kind: single
licence: Apache-2.0 (written for evenhand)
source: This test.
task: Rate one reply.
criteria:
  - {from_item: ITEM, instrument: eai-items}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("transformers")), "serve", CHECKPOINT),
                *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
            ],
            stdout=out,
            stderr=out,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert server.poll() is None, log.read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.mark.slow
def test_generate_asks_it_and_gets_what_the_checkpoint_writes_here(
    address: str, tmp_path: Path
) -> None:
    """Oracle: the same checkpoint in this process, greedy."""
    greedy = Decoding(temperature=0, max_new_tokens=24, seed=3)
    prompts = tuple(
        Prompt(id=f"p{n}", topic="t", text=text)
        for n, text in enumerate(("I worry about my exam.", "I cannot sleep."))
    )
    far = System(
        id="far", title="F", backend="openai", model=CHECKPOINT, endpoint=address, decoding=greedy
    )
    near = System(id="near", title="N", backend="transformers", model=CHECKPOINT, decoding=greedy)
    saved: dict[tuple[str, str], GeneratedResponse] = {}

    def save(response: GeneratedResponse) -> None:
        saved[response.prompt_id, response.system_id] = response

    generate_responses(
        Protocol.model_construct(id="p", prompts=prompts, systems=(far, near)),
        existing=(),
        study_folder=tmp_path,
        save=save,
    )
    for prompt in prompts:
        there, here = saved[prompt.id, "far"], saved[prompt.id, "near"]
        assert there.text == here.text
        assert there.provenance["completion_tokens"] == here.provenance["completion_tokens"]
        assert "demo-tuned" in there.provenance["returned_model"]


@pytest.mark.slow
def test_the_judge_behind_it_is_worthless_and_table_and_report_say_so(
    address: str, tmp_path: Path
) -> None:
    study = make_study(
        tmp_path / "s",
        lock=True,
        backend="openai",
        endpoint=address,
        model=CHECKPOINT,
        rubrics=["short.yaml"],
        concurrency=1,
        sampling={"max_tokens": 16},
    )
    item = study.protocol.items[0].id
    (study.folder / "short.yaml").write_text(RUBRIC.replace("ITEM", item), encoding="utf-8")
    session = open_session(study)
    summary = session.run(session.calls())
    assert summary.asked == 9
    assert summary.outcomes["scored"] == 0
    assert summary.outcomes["truncated"] + summary.outcomes["unparseable"] == 9
    assert {call.state for call in read_calls(study)} == {"answered"}
    table = tabulate_outcomes(
        read_verdicts(study), {r.id: r.system_id for r in read_responses(study)}
    )
    assert [(row.n, row.mean, row.worst, row.best) for row in table] == [(3, None, 1, 5)] * 3
    enrol(study, "student", 4)
    enrol(study, "professional", 2)
    rehearse(study, seed=1)
    said = judge_section(study)
    study.close()
    assert "None of the 9 verdicts has a score. On this study the judge is worthless" in said
    # Its own numbers: no mean, and bounds from one end of the scale to the other.
    assert said.count("undefined (a) 1.00 5.00") == 3
    assert "May the judge take a rater’s place?" not in said


def judge_section(study: Study) -> str:
    """The report's text, without its markup."""
    (report,) = write_study_report(study, sections=("judge",)).reports
    text = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", report.read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(text).split())
