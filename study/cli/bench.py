"""The command bench: speed, memory and calibration, each beside a named peer in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from study.cli.options import json_option, print_json, print_table, say


def _analysis(_runs: int) -> list[dict[str, Any]]:
    from analysis.benchmarks import run_benchmarks

    return run_benchmarks()


def _calibration(runs: int) -> list[dict[str, Any]]:
    from analysis.calibration import calibrate

    rows = calibrate(runs, on_simulation=lambda name: click.echo(f"  {name}", err=True))
    return [{**vars(row), "within": row.within} for row in rows]


def _report(_runs: int) -> list[dict[str, Any]]:
    from analysis.report_benchmark import bench_report

    return [bench_report()]


def _survey(_runs: int) -> list[dict[str, Any]]:
    from study.cli.survey_load import bench_survey

    return bench_survey()


def _judge(_runs: int) -> list[dict[str, Any]]:
    from models.judge.bench import bench_judge

    return list(bench_judge()["rows"])


def _judge_worth(runs: int) -> list[dict[str, Any]]:
    from analysis.bench_judge_worth import simulate_coverage

    return list(simulate_coverage(min(runs, 2000))["scenarios"])


KINDS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "analysis": _analysis,
    "report": _report,
    "survey": _survey,
    "judge": _judge,
    "judge-worth": _judge_worth,
    "calibration": _calibration,
}


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(list(KINDS)))
@click.option("--runs", default=10_000, show_default=True, help="Draws of each calibration.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="JSON file.")
@json_option
def bench(kinds: tuple[str, ...], runs: int, output: Path | None, as_json: bool) -> None:
    """Run benchmarks; all of them when none is named.

    Seconds depend on the machine and on what else it does; the ratio to the peer, measured in the same
    run, is what counts.

    \b
    Examples:
      evenhand bench
      evenhand bench analysis -o bench.json
      evenhand bench calibration --runs 20000
    """
    import json
    import os

    # Before numpy loads: small matrices lose more by waiting for a second thread than they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    results: dict[str, list[dict[str, Any]]] = {}
    for kind in kinds or tuple(KINDS):
        if not as_json:
            say(f"Running {kind} ...")
        results[kind] = KINDS[kind](runs)
        if not as_json:
            _show(results[kind])
    if output is not None:
        output.write_text(json.dumps(results, indent=2), encoding="utf-8")
    if as_json:
        print_json(results)


def _show(rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print_table(
        [name.replace("_", " ") for name in columns],
        [[_cell(row.get(name)) for name in columns] for row in rows],
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
