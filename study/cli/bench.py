"""The command bench: speed, memory and calibration, each beside a named peer in one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from study.cli.options import json_option, packed, print_json, print_table, say
from study.whole_files import write_whole

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """The options of ``bench``."""

    kinds: tuple[str, ...]
    runs: int
    demo_only: bool
    reuse: Path
    threads: int
    tokens: int
    rounds: int
    output: Path | None


def _analysis(_options: Options) -> dict[str, Rows]:
    from analysis.calibration.speed import run_benchmarks

    return {"analysis": run_benchmarks()}


def _calibration(options: Options) -> dict[str, Rows]:
    from analysis.calibration.tests_and_intervals import calibrate

    rows = calibrate(options.runs, on_simulation=lambda name: click.echo(f"  {name}", err=True))
    return {"calibration": [{**vars(row), "within": row.within} for row in rows]}


def _report(_options: Options) -> dict[str, Rows]:
    from analysis.calibration.report_speed import bench_report

    return {"report": [bench_report()]}


def _survey(_options: Options) -> dict[str, Rows]:
    from survey_app.server.load_bench import bench_survey

    return {"survey": bench_survey()}


def _judge(_options: Options) -> dict[str, Rows]:
    from models.judge.bench import bench_judge

    return {"judge": list(bench_judge()["rows"])}


def _judge_worth(options: Options) -> dict[str, Rows]:
    from analysis.calibration.judge_worth import simulate_coverage

    return {"judge-worth": list(simulate_coverage(min(options.runs, 2000))["scenarios"])}


def _models(options: Options) -> dict[str, Rows]:
    from models.bench.offline_models import bench_models

    return bench_models(
        options.reuse.expanduser(),
        demo_only=options.demo_only or not options.kinds,
        threads=options.threads,
        tokens=options.tokens,
        rounds=options.rounds,
        tell=lambda line: click.echo(f"  {line}", err=True),
    )


KINDS: dict[str, Callable[[Options], dict[str, Rows]]] = {
    "analysis": _analysis,
    "report": _report,
    "survey": _survey,
    "judge": _judge,
    "judge-worth": _judge_worth,
    "models": _models,
    "calibration": _calibration,
}


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(list(KINDS)))
@click.option("--runs", default=10_000, show_default=True, help="Draws of each calibration.")
@click.option(
    "--demo-only", is_flag=True, help="models: leave out the model of a billion random weights."
)
@click.option(
    "--reuse",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("~/.cache/evenhand"),
    show_default=True,
    help="models: where that model lies; made there when it is not, in a quarter of an hour.",
)
@click.option(
    "--threads",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="models: of each runtime.",
)
@click.option(
    "--tokens", default=64, show_default=True, type=click.IntRange(2, 448), help="models: written."
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="models: fresh processes of each runtime; the median counts.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="JSON file.")
@json_option
@packed(Options)
def bench(options: Options, as_json: bool) -> None:
    """Run benchmarks; all of them when none is named (models then with the demo model only).

    Seconds depend on the machine and on what else it does; the ratio to the peer, measured in the same
    run, is what counts.

    \b
    Examples:
      evenhand bench
      evenhand bench analysis -o bench.json
      evenhand bench calibration --runs 20000
      evenhand bench models --demo-only
      evenhand bench models --reuse /var/tmp/bench --rounds 5 --json
    """
    import json

    results: dict[str, Rows] = {}
    for kind in options.kinds or tuple(KINDS):
        if not as_json:
            say(f"Running {kind} ...")
        found = _on_one_thread(kind, options)
        results |= found
        if not as_json:
            for rows in found.values():
                _show(rows)
    if options.output is not None:
        write_whole(options.output, json.dumps(results, indent=2))
    if as_json:
        print_json(results)


def _on_one_thread(kind: str, options: Options) -> dict[str, Rows]:
    """Small matrices lose more by waiting for a second thread than they gain; ours and the peers'."""
    from analysis.rating_models.side_by_side import one_thread

    with one_thread():
        return KINDS[kind](options)


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
