"""What `check --ask-judge` finds out from a real endpoint, and that a run then does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.backends.openai_backend import OpenAIBackend
from models.endpoint.connection import Endpoint
from models.judge.asking.endpoint_check import endpoint_faults, is_same_model
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import open_session
from models.judge.wording.declaration import judge_faults
from study.protocol.contradictions.protocol import contradictions
from study.protocol.judge import Judge
from study.protocol.systems import System
from study.store.judge.verdicts import Outcome, read_verdicts
from tests.fixtures_judge import make_study

MODEL = "evenhand-scripted-judge-1"


def asked(folder: Path, endpoint: ScriptedJudge, **fields: Any) -> list[str]:
    study = make_study(folder / "s", lock=False)
    protocol = study.protocol
    study.close()
    with serving(endpoint) as address:
        plain = {"backend": "openai", "model": MODEL, "rubrics": ("nile",), "timeout_s": 5}
        judge = Judge.model_validate(plain | {"endpoint": address} | fields)
        return endpoint_faults(protocol.model_copy(update={"judge": judge}), folder)


def test_an_endpoint_that_does_what_the_protocol_asks_is_asked_once(tmp_path: Path) -> None:
    endpoint = ScriptedJudge()
    assert asked(tmp_path, endpoint) == []
    assert endpoint.requests == 1


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("refuses", "changes"),
    [
        (("max_tokens",), "judge.length_parameter: max_completion_tokens"),
        (("temperature",), "judge.leave_out: [temperature]"),
        (("top_p",), "judge.leave_out: [top_p]"),
        (("seed",), "judge.leave_out: [seed]"),
        (("response_format",), "judge.structured_output: false"),
        (
            ("seed", "max_tokens", "temperature"),
            "judge.length_parameter: max_completion_tokens; judge.leave_out: [temperature, seed]",
        ),
    ],
)
def test_what_an_endpoint_refuses_is_named_with_what_it_takes(
    refuses: tuple[str, ...], changes: str, tells: bool, tmp_path: Path
) -> None:
    """Whether or not its message says which parameter it does not know."""
    endpoint = ScriptedJudge(refuses=refuses, names_what_it_refuses=tells)
    (fault,) = asked(tmp_path, endpoint)
    found = fault.split("It answers with ")[1].split(". Put that")[0]
    assert sorted(
        found.replace("[seed, temperature]", "[temperature, seed]").split("; ")
    ) == sorted(changes.split("; "))
    assert "status 400" in fault


def test_with_those_settings_the_endpoint_is_asked_once_and_a_run_is_scored(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "length_parameter": "max_completion_tokens",
        "leave_out": ["temperature", "top_p", "seed"],
        "structured_output": False,
    }
    endpoint = ScriptedJudge(
        refuses=("max_tokens", "temperature", "top_p", "seed", "response_format"), keeps_bodies=True
    )
    assert asked(tmp_path, endpoint, **fields) == []
    assert set(endpoint.bodies[0]) == {"model", "messages", "max_completion_tokens"}
    with serving(endpoint) as address:
        study = make_study(
            tmp_path / "run", prompts=1, backend="openai", model=MODEL, endpoint=address,
            price={"input_per_million": 1, "output_per_million": 1}, **fields,
        )  # fmt: skip
        session = open_session(study)
        session.run(session.calls())
        assert {v.verdict.outcome for v in read_verdicts(study)} == {Outcome.SCORED}
        study.close()


def test_an_endpoint_that_refuses_whatever_is_changed_is_told_in_its_own_words(
    tmp_path: Path,
) -> None:
    for refuses, said in ((("messages",), "'messages' is not supported"), (("model",), "'model'")):
        endpoint = ScriptedJudge(refuses=refuses)
        folder = tmp_path / refuses[0]
        folder.mkdir()
        (fault,) = asked(folder, endpoint)
        assert "does not answer as the protocol asks" in fault
        assert said in fault
        assert endpoint.requests < 10


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("prose", "could not be scored: unparseable, not one JSON object: it begins with 'I would"),
        ("cut off", "could not be scored: truncated, the reply reached judge.sampling.max_tokens"),
        ("refusal", "could not be scored: refused, I cannot help with that"),
        ("out of range", "could not be scored: unparseable, score: 9"),
        ("error in a 200", "no chat completion: upstream overloaded"),
        ("empty body", "an empty answer"),
        ("422 list", "body.seed: extra fields not permitted"),
        ("400 text", "seed is not supported"),
    ],
)
def test_a_reply_that_a_run_could_not_score_is_refused(
    fault: str, said: str, tmp_path: Path
) -> None:
    endpoint = ScriptedJudge(faults=dict.fromkeys(range(1, 20), fault))
    (found,) = asked(tmp_path, endpoint)
    assert said in found


def test_another_model_is_refused(tmp_path: Path) -> None:
    endpoint = ScriptedJudge(served_by=lambda _: ("tiny-model", None))
    (found,) = asked(tmp_path, endpoint)
    assert "answered as 'tiny-model'" in found


@pytest.mark.parametrize(
    ("asked_for", "returned"),
    [
        ("m", "m"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("org/Llama-3.1-8B", "llama-3.1-8b"),
        ("models/gemini-1.5-pro", "gemini-1.5-pro-002"),
        ("sonnet", "sonnet@20240620"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("llama3", "llama3:latest"),
    ],
)
def test_names_of_one_model(asked_for: str, returned: str) -> None:
    assert is_same_model(asked_for, returned)


@pytest.mark.parametrize(
    ("asked_for", "returned"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4", "gpt-4.1"),
        ("gpt-4", "gpt-4-32k"),
        ("llama3:8b", "llama3:70b"),
        ("phi-3", "phi-3.5"),
        ("qwen", "qwen-110b"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("org/a", "org/b"),
    ],
)
def test_names_of_two_models(asked_for: str, returned: str) -> None:
    assert not is_same_model(asked_for, returned)


def test_settings_that_are_kept_back_contradict_those_that_are_declared(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", lock=False)
    protocol = study.protocol
    study.close()
    endpoint: dict[str, Any] = {
        "backend": "openai", "model": "m", "endpoint": "http://h/v1", "rubrics": ("nile",),
    }  # fmt: skip
    for fields, said in (
        ({"leave_out": ["seed"], "seed": 4}, "judge.seed is declared"),
        (
            {"leave_out": ["temperature"], "sampling": {"temperature": 0.0}},
            "judge.sampling.temperature is declared",
        ),
        (
            {"leave_out": ["top_p"], "backend": "scripted", "model": "", "endpoint": ""},
            "does not use it",
        ),
        (
            {"length_parameter": "max_completion_tokens", "backend": "scripted", "model": "",
             "endpoint": ""},
            "judge.length_parameter is 'max_completion_tokens'",
        ),
    ):  # fmt: skip
        judge = Judge.model_validate(endpoint | fields)
        (fault,) = judge_faults(protocol.model_copy(update={"judge": judge}), tmp_path)
        assert said in fault
    system = System.model_validate(
        {
            "id": "r", "title": "R", "backend": "openai", "model": "m", "endpoint": "http://h/v1",
            "leave_out": ["temperature"], "decoding": {"temperature": 0.4},
        }
    )  # fmt: skip
    changed = protocol.model_copy(update={"systems": (system, *protocol.systems[1:])})
    assert [message for place, message in contradictions(changed) if place[-1] == "leave_out"] == [
        "decoding.temperature is declared, but leave_out keeps it back; remove one of them"
    ]


def test_generation_sends_what_its_system_s_endpoint_takes() -> None:
    """The request itself, as the client would send it."""
    endpoint = Endpoint(
        "http://127.0.0.1:1/v1", "m", length_parameter="max_completion_tokens",
        leave_out=("temperature", "seed"),
    )  # fmt: skip
    backend = OpenAIBackend(endpoint)
    request = backend._request([], DecodingSettings(max_new_tokens=7))
    provenance = backend.provenance()
    backend.close()
    assert request == {
        "model": "m", "messages": [], "max_completion_tokens": 7, "top_p": 1.0, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert provenance["left_out"] == ["temperature", "seed"]
    assert provenance["seed_honoured"] == "not sent"
