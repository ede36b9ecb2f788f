"""The advice to install a part of evenhand works for the installation at hand and asks no registry for it.

Oracle: PEP 610's forms of direct_url.json, as pip writes them for a clone, a wheel and a repository; the
packages of an extra as pyproject.toml lists them.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from study.errors import StoreError
from study.installation import install_command, packages_of
from study.store.database import open_engine

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "install"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """An installation whose origin a test says; it stands before the real one on the path."""
    info = tmp_path / "site" / "evenhand-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: evenhand\nVersion: 9.9\n"
        'Requires-Dist: torch==2.13.0; extra == "models"\n'
        'Requires-Dist: evenhand[models]; extra == "all"\n'
        'Requires-Dist: typst>=0.15; extra == "all"\n'
        'Requires-Dist: typst>=0.15; extra == "analysis"\n'
    )
    monkeypatch.syspath_prepend(str(info.parent))

    def from_origin(origin: dict[str, object] | None) -> None:
        if origin is not None:
            (info / "direct_url.json").write_text(json.dumps(origin))

    return from_origin


def test_in_a_clone_it_is_the_clone_with_its_constraints(installed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "constraints.txt").touch()
    installed({"url": clone.as_uri(), "dir_info": {"editable": True}})
    words = shlex.split(install_command("models"))
    assert words == [*PIP, "-c", str(clone / "constraints.txt"), "-e", f"{clone}[models]"]


def test_from_a_wheel_it_is_that_wheel(installed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    wheel = tmp_path / "evenhand-9.9-py3-none-any.whl"
    wheel.touch()
    installed({"url": wheel.as_uri(), "archive_info": {}})
    assert shlex.split(install_command("survey")) == [*PIP, f"{wheel}[survey]"]


def test_from_a_repository_it_is_that_commit(installed) -> None:  # type: ignore[no-untyped-def]
    vcs = {"vcs": "git", "commit_id": "ab12"}
    installed({"url": "https://git.example.org/evenhand.git", "vcs_info": vcs})
    assert shlex.split(install_command("all")) == [
        *PIP,
        "evenhand[all] @ git+https://git.example.org/evenhand.git@ab12",
    ]


@pytest.mark.parametrize(
    ("extra", "packages"),
    [("models", ["torch==2.13.0"]), ("all", ["torch==2.13.0", "typst>=0.15"])],
)
@pytest.mark.parametrize("origin", [None, {"url": "file:///gone/evenhand.whl"}])
def test_from_elsewhere_it_names_the_packages_themselves(
    installed, origin, extra, packages
) -> None:  # type: ignore[no-untyped-def]
    installed(origin)
    assert shlex.split(install_command(extra)) == [*PIP, *packages]


def test_every_extra_of_this_project_has_packages_and_none_is_evenhand() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for extra, lines in extras.items():
        found = {re.split(r"[<>=\[]", p)[0].lower() for p in packages_of(extra)}
        own = {re.split(r"[<>=\[]", p)[0].lower() for p in lines} - {"evenhand"}
        assert "evenhand" not in found
        # Not all of them: a package that was added since the last installation is not in its metadata.
        assert found and (own & found or not own)


def test_nowhere_is_a_package_advised_that_no_registry_has() -> None:
    # What "pip install" is told to fetch by name must not be evenhand's name.
    wrong = re.compile(r"pip install[^\n]{0,40}evenhand|Install[^\n]{0,60}[\"' ]evenhand\[")
    places = [
        path
        for folder in ("study", "survey_app", "analysis", "models", "protocols", "docs")
        for suffix in ("*.py", "*.md", "*.json", "*.yaml", "*.typ")
        for path in (ROOT / folder).rglob(suffix)
    ] + [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"]
    assert len(places) > 200
    assert [str(p) for p in places if wrong.search(p.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_postgresql_address_is_served_by_the_driver_that_evenhand_brings(scheme: str) -> None:
    engine = open_engine(f"{scheme}://user@127.0.0.1:1/study")
    assert engine.url.drivername == "postgresql+psycopg"
    engine.dispose()


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "postgresql+asyncpg", "mysql", "oracle"])
def test_another_driver_is_refused_by_its_name(scheme: str) -> None:
    with pytest.raises(StoreError, match=rf"begins with {re.escape(scheme)}://.*psycopg 3"):
        open_engine(f"{scheme}://user@127.0.0.1:1/study")


def test_a_missing_driver_is_called_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """None in sys.modules is how Python itself marks a module that cannot be imported."""
    for name in [m for m in sys.modules if m == "psycopg" or m.startswith("psycopg.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"the package psycopg,.*pip install") as told:
        open_engine("postgresql://user@127.0.0.1:1/study")
    assert "psycopg2" not in str(told.value) and "postgres]" in str(told.value)
