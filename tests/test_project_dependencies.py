"""What the product imports is declared in pyproject.toml, and what is declared is imported.

The oracle of an import's distribution is the metadata of what is installed here.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Room -> the parts of pyproject.toml that its imports may come from; "" is what every command needs.
# The command line imports for the other rooms, in functions that only their commands call; the report's
# view of a study is made for `analysis`.
MAY_IMPORT = {
    "study": {""},
    "study/cli": {"", "survey", "analysis", "models"},
    "study/report_view": {"", "analysis"},
    "survey_app": {"", "survey"},
    "analysis": {"", "analysis"},
    "models": {"", "models", "gpu", "llama"},
    "protocols": {""},
}
# Modules whose distribution has another name, where it may not be installed, or is a part of another.
COMES_WITH = {"llama_cpp": "llama-cpp-python", "pydantic_core": "pydantic"}
# Declared for others, which use them without an import of ours.
USED_BY_OTHERS = {
    "accelerate": "transformers trains and loads 4-bit weights with it",
    "bitsandbytes": "transformers' 4-bit weights",
    "psycopg": "SQLAlchemy's driver of PostgreSQL, by address",
    "pyarrow": "pandas' columns of text",
    "python-multipart": "starlette's forms, in the scripted batches",
}


def normal(name: str) -> str:
    """A distribution's name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, set[str]]:
    """Part of pyproject.toml -> the distributions that it names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        part: {normal(re.split(r"[^\w.-]", line)[0]) for line in lines} - {"evenhand"}
        for part, lines in parts.items()
        if part != "dev"
    }


def modules(file: Path) -> set[str]:
    """Top-level modules that a file imports, within functions and by name, too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(name)):
                found.add(name)
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name))]):
                found.add(name)
    return {name.partition(".")[0] for name in found}


def imported() -> dict[str, dict[str, set[str]]]:
    """Room -> distribution -> the files that import it."""
    of_module = packages_distributions()
    own = {room for room in MAY_IMPORT if "/" not in room} | sys.stdlib_module_names
    found: dict[str, dict[str, set[str]]] = {room: defaultdict(set) for room in MAY_IMPORT}
    for room in own & set(MAY_IMPORT):
        for file in (ROOT / room).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            place = max((p for p in MAY_IMPORT if name.startswith(f"{p}/")), key=len)
            for module in modules(file) - own:
                known = COMES_WITH.get(module) or of_module.get(module, [module])[0]
                found[place][normal(known)].add(name)
    return found


def test_each_import_is_of_a_package_that_its_room_declares() -> None:
    parts = declared()
    for room, found in imported().items():
        allowed = set().union(*(parts[part] for part in MAY_IMPORT[room]))
        undeclared = {name: sorted(files) for name, files in found.items() if name not in allowed}
        assert undeclared == {}, f"{room} imports what its part of pyproject.toml does not name"


def test_each_declared_package_is_imported_or_has_a_user() -> None:
    used = set().union(*(found.keys() for found in imported().values()))
    named = set().union(*declared().values())
    assert sorted(named - used - USED_BY_OTHERS.keys()) == []
    assert sorted(USED_BY_OTHERS.keys() & used) == [], "imported after all: take it off the list"
    assert sorted(USED_BY_OTHERS.keys() - named) == [], "no longer declared: take it off the list"
