"""Write docs/validation.md from the table of oracles that the tests use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Load the test module by its path and write its table."""
    path = HERE / "test_analysis_oracles.py"
    spec = importlib.util.spec_from_file_location("test_analysis_oracles", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    target = HERE.parent / "docs" / "validation.md"
    target.write_text(module.validation_table(), encoding="utf-8")


if __name__ == "__main__":
    main()
