"""Writing a study's responses: provenance, resuming, and failures that lose nothing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.backends.opening import open_backend
from models.generation.response import (
    GeneratedResponse,
    conversation,
    seed_of_prompt,
    write_response,
)
from models.generation.run import GenerationStep, generate_responses
from study.errors import GenerationError, StoreError
from study.protocol.schema import Prompt, Protocol
from study.protocol.systems import Decoding, System

PROMPTS = (
    Prompt(id="exam", topic="study", text="I worry about my exam."),
    Prompt(id="night", topic="sleep", text="I cannot sleep."),
    Prompt(id="friend", topic="friends", text="I have no friends here."),
    Prompt(id="rent", topic="money", text="I cannot pay the rent."),
)


def scripted(name: str, **fields: Any) -> System:
    return System(id=name, title=f"Title of {name}", backend="scripted", **fields)


def protocol_of(*systems: System) -> Protocol:
    """The three blocks that the generation reads; the others play no part."""
    return Protocol.model_construct(id="p", prompts=PROMPTS, systems=systems)


def generate(
    protocol: Protocol, folder: Path, existing: set[tuple[str, str]] | None = None
) -> SimpleNamespace:
    saved: list[GeneratedResponse] = []
    steps: list[GenerationStep] = []
    error = summary = None
    try:
        summary = generate_responses(
            protocol,
            existing=existing or set(),
            study_folder=folder,
            save=saved.append,
            progress=steps.append,
        )
    except GenerationError as caught:
        error = str(caught)
    keys = [(response.prompt_id, response.system_id) for response in saved]
    return SimpleNamespace(saved=saved, steps=steps, summary=summary, error=error, keys=keys)


def test_every_prompt_by_every_system_once(tmp_path: Path) -> None:
    """Hand count: 4 prompts by 2 systems, one system after the other."""
    run = generate(protocol_of(scripted("one"), scripted("two")), tmp_path)
    assert run.keys == [(p.id, s) for s in ("one", "two") for p in PROMPTS]
    assert run.summary.written == {"one": 4, "two": 4}
    assert sum(run.summary.skipped.values()) == 0
    assert [step.state for step in run.steps[:3]] == ["loading", "writing", "saved"]
    assert [step.done for step in run.steps if step.state == "saved"] == list(range(1, 9))
    assert {step.total for step in run.steps} == {8}


def test_it_resumes_and_writes_the_same_as_in_one_go(tmp_path: Path) -> None:
    """Property: what was there is skipped; seeds do not depend on where a run was resumed."""
    protocol = protocol_of(scripted("one"), scripted("two"))
    whole = generate(protocol, tmp_path)
    there = {("exam", "one"), ("night", "one"), ("rent", "two"), ("gone", "one")}
    rest = generate(protocol, tmp_path, there)
    assert set(rest.keys) == set(whole.keys) - there
    assert rest.summary.skipped == {"one": 2, "two": 1}
    texts = {(r.prompt_id, r.system_id): r.text for r in whole.saved}
    assert all(texts[r.prompt_id, r.system_id] == r.text for r in rest.saved)
    nothing = generate(protocol, tmp_path, set(whole.keys))
    assert (nothing.keys, nothing.steps) == ([], [])
    assert sum(nothing.summary.skipped.values()) == 8


def test_provenance_is_enough_to_write_a_response_again(tmp_path: Path) -> None:
    """Oracle: hashlib for the hashes; the recorded seed and settings give the same text."""
    declared = scripted(
        "one",
        system_prompt="Be kind.",
        decoding=Decoding(seed=7, temperature=1.1, max_new_tokens=90),
    )
    run = generate(protocol_of(declared, scripted("two")), tmp_path)
    response = run.saved[1]
    provenance = response.provenance
    assert json.loads(json.dumps(provenance)) == provenance
    assert provenance["prompt_sha256"] == hashlib.sha256(b"I cannot sleep.").hexdigest()
    assert provenance["system_prompt_sha256"] == hashlib.sha256(b"Be kind.").hexdigest()
    assert provenance["seed"] == int.from_bytes(hashlib.sha256(b"7\x1fnight").digest()[:4]) // 2
    assert provenance["declared_seed"] == 7
    assert provenance["decoding"]["temperature"] == 1.1
    assert provenance["system_id"] == "one"
    assert provenance["backend"] == "scripted"
    assert provenance["stop_reason"] == "stop_token"
    assert provenance["completion_tokens"] == len(response.text.split())
    assert provenance["latency_s"] >= provenance["first_token_s"] >= 0
    assert "raw_text" not in provenance

    from models.backends.decoding import DecodingSettings

    settings = DecodingSettings(seed=provenance["seed"], **provenance["decoding"])
    backend = open_backend(declared, study_folder=tmp_path)
    again = backend.generate(conversation("Be kind.", "I cannot sleep."), settings)
    assert again.text == response.text


def test_the_same_text_in_another_process(tmp_path: Path) -> None:
    """Property: nothing of this process (hash seed, earlier draws) goes into a response."""
    code = (
        "from pathlib import Path\n"
        "from models.backends.opening import open_backend\n"
        "from models.generation.response import write_response\n"
        "from study.protocol.schema import Prompt\nfrom study.protocol.systems import System\n"
        "system = System(id='one', title='One', backend='scripted')\n"
        "prompt = Prompt(id='night', topic='sleep', text='I cannot sleep.')\n"
        "print(write_response(system, open_backend(system, study_folder=Path()), prompt).text)\n"
    )
    root = Path(__file__).resolve().parents[1]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(root)}
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    declared = scripted("one")
    here = write_response(declared, open_backend(declared, study_folder=tmp_path), PROMPTS[1])
    assert other.stdout.strip() == here.text


def test_seeds_differ_by_prompt_and_fit_31_bits() -> None:
    seeds = {seed_of_prompt(s, f"p{n}") for s in range(20) for n in range(50)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_system_that_cannot_be_loaded_loses_nothing_of_the_others(tmp_path: Path) -> None:
    broken = System(id="offline", title="Offline", backend="executorch", model="none.pte")
    run = generate(protocol_of(broken, scripted("two")), tmp_path)
    assert run.keys == [(p.id, "two") for p in PROMPTS]
    assert "4 of 8 responses are missing; 4 new ones are saved" in run.error
    assert "system offline, all 4 prompts: " in run.error
    assert "none.pte" in run.error
    assert "run 'evenhand generate' again" in run.error


def test_an_empty_response_is_an_error_that_names_prompt_and_system(tmp_path: Path) -> None:
    """A stop string that begins every sentence leaves nothing; only this prompt's are lost."""
    muted = scripted("muted", decoding=Decoding(stop=("I", "T", "F", "W", "Y")))
    run = generate(protocol_of(muted, scripted("two")), tmp_path)
    assert ("exam", "two") in run.keys
    assert all(system != "muted" for _, system in run.keys)
    assert "system muted, prompt exam: the response is empty after cleaning" in run.error
    assert "expected a text. Try another decoding.seed" in run.error
    assert "system muted: the other 1 prompts were not tried after 3 failures in a row" in run.error


def test_raw_text_is_kept_where_cleaning_or_a_stop_string_changed_it(tmp_path: Path) -> None:
    declared = scripted("one", decoding=Decoding(stop=(".",)))
    backend = open_backend(declared, study_folder=tmp_path)
    response = write_response(declared, backend, PROMPTS[0])
    assert response.provenance["raw_text"].startswith(response.text + ".")
    assert response.provenance["stop_reason"] == "stop_string"
    assert response.provenance["cleaning"] == []


def test_a_store_that_fails_ends_the_run_at_once(tmp_path: Path) -> None:
    def save(response: GeneratedResponse) -> None:
        raise StoreError(f"disk full at {response.prompt_id}")

    with pytest.raises(StoreError, match="disk full at exam"):
        generate_responses(
            protocol_of(scripted("one")), existing=set(), study_folder=tmp_path, save=save
        )


def test_conversation_has_a_system_turn_only_where_declared() -> None:
    assert conversation("", "Hello") == [{"role": "user", "content": "Hello"}]
    assert [m["role"] for m in conversation("Be kind.", "Hello")] == ["system", "user"]
