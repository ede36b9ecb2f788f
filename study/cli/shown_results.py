"""What `evenhand analyse` prints: results as tables, or all of them as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.cli.options import print_json, print_table, say

if TYPE_CHECKING:
    from analysis.results import Estimate
    from analysis.tables.blocks import ResultBlock


def show(blocks: Sequence[ResultBlock], kind: str, file: Path, as_json: bool) -> None:
    """Print results as tables, or all of them as JSON."""
    if as_json:
        print_json({"kind": kind, "file": file.name, "blocks": [b.to_dict() for b in blocks]})
        return
    # What holds for every block of a table by dimension is said once.
    said: set[str] = set()
    for block in blocks:
        if because := block.lacks():
            say(f"{block.title}\n  undefined, because {because}\n")
            continue
        _show_what_it_is_about(block, said)
        if block.estimates:
            _show_estimates(block)


def _show_what_it_is_about(block: ResultBlock, said: set[str]) -> None:
    from analysis.tables.blocks import short

    for table in block.listings():
        rows = [[short(cell) for cell in row] for row in table.rows]
        print_table(table.names, rows, title=table.title)
    for line in block.lines():
        say(line)
    for note in block.notes or ():
        if note not in said:
            say(note)
        said.add(note)
    for assumption in block.checks():
        say(f"Check of {assumption.name}: {assumption.evidence}")


def _show_estimates(block: ResultBlock) -> None:
    from analysis.tables.blocks import short

    methods = list(dict.fromkeys(e.ci_method for e in block.estimates if e.ci_method))
    rows = [
        (
            _name(e),
            short(e.estimate) if e.estimate is not None else f"undefined: {e.undefined_because}",
            short(e.ci_low),
            short(e.ci_high),
            short(e.p_value),
            e.n,
            e.n_missing,
            methods.index(e.ci_method) + 1 if e.ci_method else "",
        )
        for e in block.estimates
    ]
    names = ["statistic", "estimate", "low", "high", "p", "n", "missing", "interval"]
    print_table(names, rows, title=block.title)
    for number, method in enumerate(methods, start=1):
        say(f"  interval {number}: {method}")
    for e in block.estimates:
        how = _figure(e, "p_value_method")
        if e.p_value is not None and how is not None:
            say(f"  p of {_name(e)}: {how}")
    for e in block.estimates:
        low, high = _figure(e, "profile_ci_low"), _figure(e, "profile_ci_high")
        if low is not None or high is not None:
            say(f"  profile likelihood, {_name(e)}: {short(low)} to {short(high)}")
    say("")


def _name(e: Estimate) -> str:
    """The statistic with the term, class or pair that tells it from others of its block."""
    told = (_figure(e, name) for name in ("term", "class", "first", "second"))
    return " ".join([e.statistic, *(str(name) for name in told if name not in (None, ""))])


def _figure(e: Estimate, name: str) -> Any:
    """A figure under the name that it has in the JSON form, whatever the method; None without it."""
    return e.details.to_dict().get(name)
