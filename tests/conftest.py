"""What all tests share."""

from __future__ import annotations

import os

import pytest

_NEEDED = ("browser", "postgres", "offline_model")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skipped tests that a full run must not skip."""
    missed = _missed(terminalreporter)
    if missed:
        terminalreporter.section("skipped, but needed for a full run")
        for report in missed:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With EVENHAND_REQUIRE_ALL=1, a skipped browser, database or model test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and os.environ.get("EVENHAND_REQUIRE_ALL") == "1" and _missed(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missed(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    return [
        report
        for report in reporter.stats.get("skipped", [])
        if any(marker in report.keywords for marker in _NEEDED)
    ]
