"""The fixture that fails a test which leaves its process changed."""

from __future__ import annotations

import re
from pathlib import Path

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


def run_with(pytester: pytest.Pytester, line: str) -> pytest.RunResult:
    pytester.makeconftest(FIXTURE.read_text(encoding="utf-8"))
    pytester.makepyfile(
        f"""
        import logging, os, signal

        def test_first():
            {line}

        def test_after():
            assert "EVENHAND_STUDY" not in os.environ
            assert "HOME" in os.environ
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN
            assert logging.root.manager.disable == 0
        """
    )
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")


@pytest.mark.parametrize("left", LEFT)
def test_what_a_test_leaves_changed_fails_it_and_does_not_reach_the_next(
    pytester: pytest.Pytester, left: str
) -> None:
    line, told = LEFT[left]
    result = run_with(pytester, line)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines([f"*this test left its process changed: *{told}*"])


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
