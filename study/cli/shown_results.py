"""What `evenhand analyse` prints: results as tables, or all of them as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from study.cli.options import print_json, print_table, say

if TYPE_CHECKING:
    from analysis.results import Estimate
    from analysis.tables import blocks as typed
    from analysis.tables.ratings import ResultBlock


def show(
    blocks: Sequence[ResultBlock] | Sequence[typed.ResultBlock],
    kind: str,
    file: Path,
    as_json: bool,
) -> None:
    """Print results as tables, or all of them as JSON."""
    from analysis.tables.blocks import ResultBlock as TypedBlock

    if as_json:
        print_json({"kind": kind, "file": file.name, "blocks": [b.to_dict() for b in blocks]})
        return
    # What holds for every block of a table by dimension is said once.
    said: set[str] = set()
    for block in blocks:
        if isinstance(block, TypedBlock):
            if because := block.lacks():
                say(f"{block.title}\n  undefined, because {because}\n")
                continue
            _show_block(block, said)
            _show_estimates(block)
            continue
        if block.facts.get("undefined_because") and not block.estimates:
            say(f"{block.title}\n  undefined, because {block.facts['undefined_because']}\n")
            continue
        _show_facts(block, said)
        _show_estimates(block)


def _show_block(block: typed.ResultBlock, said: set[str]) -> None:
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


def _show_estimates(block: ResultBlock | typed.ResultBlock) -> None:
    methods = list(dict.fromkeys(e.ci_method for e in block.estimates if e.ci_method))
    rows = [
        (
            _name(e),
            _number(e.estimate) if e.estimate is not None else f"undefined: {e.undefined_because}",
            _number(e.ci_low),
            _number(e.ci_high),
            _number(e.p_value),
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
        if e.p_value is not None and "p_value_method" in e.details:
            say(f"  p of {_name(e)}: {e.details['p_value_method']}")
    for e in block.estimates:
        low, high = e.details.get("profile_ci_low"), e.details.get("profile_ci_high")
        if low is not None or high is not None:
            say(f"  profile likelihood, {_name(e)}: {_number(low)} to {_number(high)}")
    say("")


def _name(e: Estimate) -> str:
    """The statistic with the term, class or pair that tells it from others of its block."""
    told = (str(e.details.get(key, "")) for key in ("term", "class", "first", "second"))
    return " ".join(filter(None, (e.statistic, *told)))


def _show_confusion(block: ResultBlock) -> None:
    counts = block.facts.get("confusion")
    if counts:
        labels = block.facts["labels"]
        print_table(
            [f"{block.facts['reference']} \\ {block.facts['annotator']}", *labels],
            [[label, *row] for label, row in zip(labels, counts, strict=True)],
            title="Confusion table: rows the reference, columns the annotator",
        )


def _show_facts(block: ResultBlock, said: set[str]) -> None:
    _show_confusion(block)
    rows = block.facts.get("frequencies")
    if rows:
        print_table(
            [name.replace("_", " ") for name in rows[0]],
            [[_number(value) for value in row.values()] for row in rows],
            title=f"{block.title} (n = {block.facts['n']}, missing {block.facts['n_missing']})",
        )
    items = block.facts.get("items")
    if items:
        names = ["item", "n", "mean", "sd", "r_rest", "r_corrected", "alpha without"]
        cells = [
            [_cell(item[name]) for name in names[:-1]]
            + [_cell((item["without"] or {}).get("raw_alpha"))]
            for item in items
        ]
        print_table(names, cells, title="Items")
    if block.facts.get("unit_of_inference"):
        say(f"Unit of inference: {block.facts['unit_of_inference']}")
    for group in block.facts.get("groups", []):
        mean = "undefined (there is no value)" if group["n"] == 0 else _number(group["mean"])
        few = "a standard deviation needs two values"
        spread = f"undefined ({few})" if group["n"] < 2 else _number(group["sd"])
        say(f"{group['name']}: n = {group['n']}, mean {mean}, SD {spread}")
    for note in block.facts.get("notes", []):
        if note not in said:
            say(note)
        said.add(note)
    for assumption in block.facts.get("assumptions", []):
        say(f"Check of {assumption['name']}: {assumption['evidence']}")


def _cell(value: float | str | None) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.5g}"
