"""Commands as a person calls them, and the programs that write pages, for several test files."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from study.cli.group import run

Said = Callable[..., tuple[int, str, str]]
WRITERS = Path(__file__).parents[1] / "docs" / "writers"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command: its exit code, what it printed, what it warned of."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(words)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def page_writer(name: str) -> ModuleType:
    """The program that writes a page of the documentation, by the page's name."""
    # By its file: docs/ is no package, and a package of that name may be installed.
    spec = importlib.util.spec_from_file_location(name, WRITERS / f"{name}_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
