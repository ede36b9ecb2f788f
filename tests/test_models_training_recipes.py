"""The recipes' settings. Oracle: the numbers that the three studies published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from models.training.recipes import (
    TrainingSettings,
    read_changes,
    settings_table,
    training_settings,
)
from study.cli.group import evenhand, run
from study.errors import ModelError


@pytest.mark.parametrize(
    ("recipe", "published"),
    [
        (
            "emosapp",
            "rank 16 alpha 32 targets attention fake_quantization_from 1000 learning_rate 3e-5 "
            "schedule linear warmup_share 0.01 batch_size 4 epochs 5 method qat-lora",
        ),
        (
            "eai",
            "quantization 4bit rank 8 alpha 16 dropout 0.1 learning_rate 5e-5 schedule cosine "
            "warmup_steps 50 batch_size 2 accumulation 8 epochs 3 max_tokens 1024",
        ),
        (
            "nile",
            "rank 16 dropout 0.1 learning_rate 2e-4 schedule cosine warmup_steps 100 batch_size 2 "
            "accumulation 4 epochs 2 weight_decay 0.01 evaluate_every 300 keep_best True "
            "stop_after 500 method lora",
        ),
    ],
)
def test_the_defaults_are_the_published_numbers(recipe: str, published: str) -> None:
    settings = training_settings(recipe)
    words = published.split()
    for name, value in zip(words[::2], words[1::2], strict=True):
        found = getattr(settings, name)
        assert found == type(found)(value), name
    origins = {name: origin for name, _, origin, _ in settings_table(recipe, settings)}
    assert {name for name, origin in origins.items() if origin == "published"} >= set(words[::2])


def test_every_setting_can_be_changed_by_text() -> None:
    others: dict[str, Any] = {
        bool: lambda v: not v,
        int: lambda v: v + 32,
        float: lambda v: v / 2 + 0.1,
    }
    texts = {"targets": "q_proj", "schedule": "constant", "learn": "everything"}
    texts |= {"precision": "fp32", "stratify_by": "source", "method": "lora"}
    # QLoRA: only eai's method can have it, and it is eai's default.
    base = training_settings("emosapp", {"method": "full"})
    for name in set(TrainingSettings.model_fields) - {"quantization"}:
        value = getattr(base, name)
        new = texts.get(name) or others[type(value)](value)
        both = (
            {"method": "full", "keep_best": "true"} if name == "stop_after" else {"method": "full"}
        )
        changed = training_settings("emosapp", both | {name: str(new)})
        assert str(getattr(changed, name)) == str(new), name
    assert training_settings("eai", {"quantization": "none"}).quantization == "none"


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("gpt", {}, "no recipe 'gpt'; expected one of emosapp, eai, nile"),
        ("eai", {"learning-rat": "1"}, "no setting 'learning-rat'; did you mean learning_rate"),
        ("eai", {"epochs": "many"}, "The setting epochs is 'many'"),
        ("eai", {"dropout": "1.5"}, "The setting dropout is '1.5'.*less than 1"),
        ("eai", {"group_size": "33"}, "multiple of 32"),
        ("eai", {"method": "full", "quantization": "none"}, "eai has no method full"),
        ("emosapp", {"dropout": "0.1"}, "dropout must be 0; it is 0.1"),
        ("emosapp", {"method": "full", "quantization": "4bit"}, "4bit goes with method lora"),
        ("emosapp", {"stop_after": "10"}, "needs the best weights to be kept"),
    ],
)
def test_wrong_settings_are_refused(recipe: str, changes: dict[str, str], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        training_settings(recipe, changes)


def test_settings_come_from_a_file_a_card_and_the_command_line(tmp_path: Path) -> None:
    toml, card = tmp_path / "s.toml", tmp_path / "training.json"
    toml.write_text("epochs = 2\nseed = 7\n")
    card.write_text(json.dumps({"recipe": "nile", "settings": {"epochs": 4.0}, "steps": 3}))
    assert read_changes(toml, ["seed=9"]) == {"epochs": 2, "seed": "9"}
    assert read_changes(card, []) == {"epochs": 4.0}
    with pytest.raises(ModelError, match="has no '='"):
        read_changes(None, ["epochs"])
    with pytest.raises(ModelError, match="cannot be read"):
        read_changes(tmp_path / "absent.json", [])


def test_show_recipe_needs_no_data() -> None:
    result = CliRunner().invoke(
        evenhand, ["train", "--recipe", "nile", "--set", "epochs=7", "--show-recipe", "--json"]
    )
    assert result.exit_code == 0
    assert json.loads(result.output) == training_settings("nile", {"epochs": 7}).model_dump()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "eai"], "Training needs a checkpoint folder"),
        (["base", "--recipe", "eai", "-o", "out"], "Training needs a checkpoint folder"),
        (["base", "no.json", "--recipe", "eai", "-o", "out"], "There is no checkpoint folder base"),
        (["base", "d.json", "--recipe", "nile", "-o", "out"], "There is no checkpoint folder base"),
    ],
)
def test_mistakes_of_the_command_line_are_sentences(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"instruction": f"message {at}", "output": "reply"} for at in range(10)]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    assert run(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
