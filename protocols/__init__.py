"""The shipped protocols, instruments and prompts, as data, and where they lie."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped_protocols() -> dict[str, Path]:
    """Name of every shipped protocol -> its YAML file, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
