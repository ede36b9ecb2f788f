"""Write docs/validation.md from the table of oracles that the tests use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent


def main() -> None:
    """Write the page from the test modules that hold oracles."""
    text = load("test_analysis_oracles").validation_table()
    text += "\n" + load("test_analysis_models_of_ratings").validation_chapter()
    text += "\n" + load("test_analysis_profile_intervals").validation_chapter()
    (HERE.parent / "docs" / "validation.md").write_text(text, encoding="utf-8")


def load(name: str) -> ModuleType:
    """A test module, by its file's name."""
    path = HERE / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
