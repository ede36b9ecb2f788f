"""Browser tests wait for what they want of a page; none reads it at one instant and calls that the answer.

A page answers a tap when it gets to it, which on a loaded machine is later. Waiting are ``expect`` and
``eventually``. Where an instant is meant, a comment ``on purpose: <reason>`` stands at the line or above it.

Oracle: the sources of the tests, read as Python.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# What Playwright answers at once, whatever the page is about to do.
READS = {
    "all_inner_texts", "all_text_contents", "count", "get_attribute", "inner_html", "inner_text",
    "input_value", "is_checked", "is_disabled", "is_editable", "is_enabled", "is_hidden", "is_visible",
    "text_content",
}  # fmt: skip
PAUSES = {"wait_for_timeout", "sleep"}
ACTS = {"blur", "check", "click", "dblclick", "fill", "press", "select_option", "tap", "type"}
LEAVES = {"close", "go_back", "go_forward", "goto", "reload"}


def browser_tests() -> list[Path]:
    files = [*TESTS.glob("test_*.py"), *TESTS.glob("fixtures_*.py"), TESTS / "conftest.py"]
    return [f for f in sorted(files) if "playwright" in f.read_text(encoding="utf-8")]


def called(node: ast.AST) -> str:
    """The name of the method that is called, "" for everything else."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_page(node: ast.expr) -> bool:
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "page"


def instants(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[ast.stmt, ast.expr, str]]:
    """(statement, expression, what it does) of everything that does not wait."""
    for child in ast.iter_child_nodes(node):
        within = child if isinstance(child, ast.stmt) else statement
        name = called(child)
        if name == "eventually":
            continue  # looks again until it is right
        if isinstance(child, ast.Call):
            # With an argument it is the count of a list or a text.
            if name in READS and not (name == "count" and child.args):
                yield within, child, f"reads {name} at once"
            if name in PAUSES:
                yield within, child, f"pauses by {name}"
            if name.startswith("evaluate") and isinstance(within, ast.Assert):
                yield within, child, f"asserts on {name} at once"
        asserted = isinstance(within, ast.Assert) and isinstance(child, ast.Attribute)
        if asserted and child.attr == "url" and is_page(child.value):
            yield within, child, "asserts on url at once"
        yield from instants(child, within)


def left_at_once(tree: ast.AST) -> Iterator[tuple[ast.stmt, ast.expr, str]]:
    """A page left right after an act whose effect nobody waited for."""
    for node in ast.walk(tree):
        body = getattr(node, "body", [])
        for first, second in itertools.pairwise(body if isinstance(body, list) else ()):
            if not (isinstance(first, ast.Expr) and isinstance(second, ast.Expr)):
                continue
            if called(first.value) in ACTS and called(second.value) in LEAVES:
                yield second, second.value, f"leaves by {called(second.value)} right after an act"


def unexplained(source: str) -> list[str]:
    lines, tree = source.splitlines(), ast.parse(source)
    found = []
    for statement, expression, what in (*instants(tree, ast.Pass(lineno=1)), *left_at_once(tree)):
        first = statement.lineno - 1
        while first > 0 and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        said = "\n".join(lines[first : expression.end_lineno])
        if "# on purpose: " not in said:
            found.append(f"{expression.lineno}: {what}")
    return found


@pytest.mark.parametrize("file", browser_tests(), ids=lambda file: file.stem)
def test_a_browser_test_waits_for_what_it_wants(file: Path) -> None:
    assert unexplained(file.read_text(encoding="utf-8")) == []


def test_each_form_that_does_not_wait_is_found() -> None:
    for line in (
        "assert box.is_checked()",
        "shown = reply.inner_text()",
        "assert page.locator('p').count() == 0",
        "page.wait_for_timeout(300)",
        "time.sleep(1)",
        "assert page.evaluate('document.dir') == 'rtl'",
        "assert secret not in tablet.page.url",
        "box.tap()\npage.reload()",
        "if True:\n    keys.press('End')\n    page.close()",
    ):
        assert len(unexplained(line)) == 1, line
        assert unexplained(f"# on purpose: the case is this instant\n{line}") == [] or "\n" in line
    for line in (
        "expect(box).to_be_checked()",
        "eventually(lambda: box.input_value(), 'x')",
        "assert names.count(None) == 1",
        "assert request.url == 'x'",
        "box.tap()\nexpect(box).to_be_checked()\npage.reload()",
    ):
        assert unexplained(line) == [], line
