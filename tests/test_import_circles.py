"""No modules of the rooms import one another in a circle, imports within functions counted.

import-linter's ``acyclic_siblings`` looks at folders: it counts two folders as a circle though none of
their files is in one. Here every file counts for itself, in the graph that import-linter uses (grimp),
and an import within a function counts as one at the top, because it only hides that two files need
each other.
"""

from __future__ import annotations

import tomllib
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
from grimp import ImportGraph, build_graph

ROOT = Path(__file__).parent.parent


def first_circle(graph: ImportGraph) -> list[str]:
    """The imports of one circle, each as ``importer (line n) -> imported``; empty without one."""
    imported = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        # The sorter names what is imported first; people read who imports first.
        return [_told(graph, *step) for step in pairwise(reversed(error.args[1]))]
    return []


def _told(graph: ImportGraph, importer: str, imported: str) -> str:
    line = graph.get_import_details(importer=importer, imported=imported)[0]["line_number"]
    return f"{importer} (line {line}) -> {imported}"


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Property: a module stands on others, and on none that stands on it.

    To mend a circle, move what both sides need into a module that imports neither.
    """
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rooms = settings["tool"]["importlinter"]["root_packages"]
    assert sorted(rooms) == sorted(
        settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    graph = build_graph(*rooms, cache_dir=None)
    files = (
        path.relative_to(ROOT).with_suffix("")
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
    )
    # A file in no package is in no graph, and nobody would look at it. Alembic runs its own by path.
    written = {str(f).removesuffix("/__init__") for f in files if "migrations" not in f.parts}
    assert {module.replace(".", "/") for module in graph.modules} == written
    assert first_circle(graph) == []


@pytest.fixture
def graph_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The graph of a package ``room_of_a_test`` with the given files."""

    def build(files: dict[str, str]) -> ImportGraph:
        folders = {Path(name).parent for name in files}
        for name in {str(folder / "__init__.py"): "" for folder in folders | {Path()}} | files:
            path = tmp_path / "room_of_a_test" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files.get(name, "").replace("room", "room_of_a_test"), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return build_graph("room_of_a_test", cache_dir=None)

    return build


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        (
            {"a.py": "from room.b import y\n", "b.py": "y = 1\ndef f():\n    import room.a\n"},
            {"room.a (line 1) -> room.b", "room.b (line 3) -> room.a"},
        ),
        (
            {"a.py": "from room import b\n", "b.py": "import room.c\n", "c.py": "import room.a\n"},
            {
                "room.a (line 1) -> room.b",
                "room.b (line 1) -> room.c",
                "room.c (line 1) -> room.a",
            },
        ),
        (
            {
                "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import room.b\n",
                "b.py": "import room.a\n",
            },
            {"room.a (line 3) -> room.b", "room.b (line 1) -> room.a"},
        ),
        (
            {"d/__init__.py": "from room.d.a import x\n", "d/a.py": "from room.d import x\n"},
            {"room.d (line 1) -> room.d.a", "room.d.a (line 1) -> room.d"},
        ),
    ],
    ids=["within a function", "of three", "for types only", "a folder with its file"],
)
def test_a_circle_is_found_and_told_with_its_lines(  # type: ignore[no-untyped-def]
    graph_of, files: dict[str, str], circle: set[str]
) -> None:
    """Oracle: files that were written in a circle."""
    told = first_circle(graph_of(files))
    assert {step.replace("room_of_a_test", "room") for step in told} == circle


def test_folders_whose_files_are_in_no_circle_are_in_none(graph_of) -> None:  # type: ignore[no-untyped-def]
    """Oracle: each folder's upper file stands on the other folder's lower one."""
    files = {
        "one/low.py": "",
        "one/high.py": "import room.two.low\n",
        "two/low.py": "",
        "two/high.py": "import room.one.low\n",
    }
    assert first_circle(graph_of(files)) == []
