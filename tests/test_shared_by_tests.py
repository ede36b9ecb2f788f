"""What test files share is meant to be shared: no private names, and one place for programs that write pages.

Oracle: the sources, read as Python, and the folders.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.fixtures_commands import WRITERS, page_writer

TESTS = Path(__file__).parent


def private_imports(source: str) -> list[str]:
    return [
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] in ("tests", "conftest")
        for name in node.names
        if name.name.startswith("_")
    ]


def test_no_test_file_imports_a_private_name_of_another() -> None:
    found = {
        path.name: names
        for path in sorted(TESTS.glob("*.py"))
        if (names := private_imports(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert private_imports("from tests.conftest import RaterPage, _port") == [
        "tests.conftest._port"
    ]


def test_the_programs_that_write_pages_stand_beside_them_and_each_has_its_page() -> None:
    assert list(TESTS.glob("write_*")) == []
    writers = sorted(WRITERS.glob("*.py"))
    assert len(writers) >= 6
    for path in writers:
        name = path.stem.removesuffix("_page")
        page = page_writer(name).PAGE
        assert (page.parent, page.stem) == (WRITERS.parent, name)
        assert page.is_file()
