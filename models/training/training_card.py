"""The training card: what was trained with what, as JSON for programs and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from study.whole_files import FOR_ALL, write_whole

CARD, PAGE = "training.json", "TRAINING.md"
_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "torchao", "tokenizers")


@dataclass(frozen=True)
class TrainingCard:
    """Everything that says how a model was made.

    Attributes
    ----------
    recipe : str
    settings : dict
        All settings in use; the card itself can be given as settings file.
    checkpoint : dict
        Name, and SHA-256 of its files.
    data : dict
        Files with form, count and hash; what was cleaned; the split; tokens.
    steps : int
        Steps of the optimizer that were made.
    seconds : float
        Time of this process; of a resumed training only since resuming.
    held_out_loss : dict
        Nats per learned token before the training and of the kept weights.
    kept_step : int
        The step whose weights were kept.
    stopped : str
        Why the training ended.
    outputs : dict
        SHA-256 of the files that were written.
    device : str
        CPU or the GPU's name.
    notes : list of str
        What differs from the recipe as published.
    """

    recipe: str
    settings: dict[str, Any]
    checkpoint: dict[str, Any]
    data: dict[str, Any]
    steps: int
    seconds: float
    held_out_loss: dict[str, float | None]
    kept_step: int
    stopped: str
    outputs: dict[str, str]
    device: str
    libraries: dict[str, str]
    notes: list[str]
    format: str = "evenhand-training/1"

    def write(self, folder: Path) -> None:
        """Write ``training.json`` and ``TRAINING.md``."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        write_whole(folder / CARD, text + "\n", mode=FOR_ALL)
        write_whole(folder / PAGE, self.page(), mode=FOR_ALL)

    def page(self) -> str:
        """The card as Markdown."""
        blocks = {
            "Settings": self.settings,
            "Checkpoint": {"name": self.checkpoint["name"], **self.checkpoint["sha256"]},
            "Data files": {
                name: f"{f['conversations']} conversations ({f['form']}, {f['side']}), {f['sha256']}"
                for name, f in self.data["files"].items()
            },
            "Cleaning": self.data["cleaned"],
            "Split": self.data["split"],
            "Tokens": self.data["tokens"],
            "Held-out loss (nats per learned token)": self.held_out_loss,
            "Outputs": self.outputs,
            "Versions": self.libraries,
        }
        lines = [
            f"# Training card: recipe {self.recipe}, method {self.settings['method']}",
            "",
            f"{self.steps} steps on {self.device} in {self.seconds:.0f} s; ended by {self.stopped}; "
            f"weights of step {self.kept_step}. The losses are in losses.csv and losses.svg.",
            *[f"\n{note}" for note in self.notes],
        ]
        for title, rows in blocks.items():
            lines += ["", f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in rows.items()]
        return "\n".join(lines) + "\n"


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide a training's result."""
    return {name: metadata.version(name) for name in _LIBRARIES}


def changed_notes(published: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Sentences on the settings that differ from the published ones."""
    return [
        f"Differs from the published recipe: {name} is {settings[name]}, published {value}."
        for name, value in published.items()
        if settings[name] != value
    ]
