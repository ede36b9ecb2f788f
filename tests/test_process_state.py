"""The fixture that fails a test which leaves its process changed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

FIXTURE = Path(__file__).with_name("fixtures_process.py")
# What a test leaves -> what the failure says of it.
LEFT = {
    "environment": ("os.environ['EVENHAND_STUDY'] = 'elsewhere'", "EVENHAND_STUDY was None"),
    "removed": ("del os.environ['HOME']", "the variable HOME was"),
    "folder": ("os.chdir('/')", "folder: was"),
    "umask": ("os.umask(0o111)", "umask: was"),
    "disabled_log": ("logging.disable(logging.ERROR)", "logging: was"),
    "handler": ("logging.getLogger().addHandler(logging.NullHandler())", "logging: was"),
    "signal": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signals: was"),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run says of each fault, in one process: a test that leaves it, then one that looks."""
    folder = tmp_path_factory.mktemp("left")
    (folder / "conftest.py").write_text(FIXTURE.read_text(encoding="utf-8"), encoding="utf-8")
    tests = "\n".join(
        f"def test_leaves_{name}():\n    {line}\n\ndef test_after_{name}():\n    look()\n"
        for name, (line, _) in LEFT.items()
    )
    (folder / "test_left.py").write_text(_LOOK + tests, encoding="utf-8")
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--junit-xml", "told.xml"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_left.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    found = {}
    for case in ElementTree.parse(folder / "told.xml").iter("testcase"):  # noqa: S314 - our own run
        told = [f"{part.tag}: {part.get('message')} {part.text}" for part in case]
        found[str(case.get("name"))] = " ".join([found.get(str(case.get("name")), ""), *told])
    return found


_LOOK = """
import logging, os, signal

HERE, UMASK = os.getcwd(), os.umask(0o077)
os.umask(UMASK)

def look():
    assert "EVENHAND_STUDY" not in os.environ
    assert "HOME" in os.environ
    assert os.getcwd() == HERE
    umask = os.umask(UMASK)
    os.umask(umask)
    assert umask == UMASK
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN
    assert logging.root.manager.disable == 0
    assert not any(type(h) is logging.NullHandler for h in logging.getLogger().handlers)

"""


@pytest.mark.parametrize("left", LEFT)
def test_what_a_test_leaves_changed_fails_it_and_does_not_reach_the_next(
    failures: dict[str, str], left: str
) -> None:
    said = failures[f"test_leaves_{left}"]
    assert "error: " in said
    assert re.search(f"this test left its process changed: .*{re.escape(LEFT[left][1])}", said)
    assert failures[f"test_after_{left}"].strip() == ""


def test_what_monkeypatch_puts_back_is_no_fault(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(FIXTURE.read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        def test_it(monkeypatch, tmp_path):
            monkeypatch.setenv("EVENHAND_STUDY", "here")
            monkeypatch.chdir(tmp_path)
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


CHANGES = re.compile(
    r"environ(\[[^\]]+\]\s*=[^=]|\.(setdefault|update|pop|clear|popitem)\()|del os\.environ|putenv\("
)


def test_no_product_code_changes_its_own_environment() -> None:
    """Settings are arguments. The pattern finds what stood in the product before, written here."""
    for line in ("os.environ[NAME] = x", "os.environ.setdefault('A', '1')", "del os.environ[n]"):
        assert CHANGES.search(line)
    assert not CHANGES.search('if os.environ["A"] == "1":')
    root = Path(__file__).parents[1]
    rooms = ("study", "survey_app", "analysis", "models", "protocols")
    found = [
        f"{file.relative_to(root)}: {line.strip()}"
        for room in rooms
        for file in sorted((root / room).rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if CHANGES.search(line)
    ]
    assert found == []
