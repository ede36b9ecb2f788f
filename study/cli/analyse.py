"""The command analyse: the statistics on any CSV, no study needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.handed_table import HandedTable, with_table
from study.cli.options import json_option, print_json, print_table, say
from study.errors import AnalysisError

if TYPE_CHECKING:
    from analysis.results import Estimate
    from analysis.table_analyses import ResultBlock

points_option = click.option(
    "--points", required=True, help="All points of the scale, used or not: 1-5, or 0,1,2."
)
level_option = click.option(
    "--confidence",
    "level",
    default=0.95,
    show_default=True,
    type=click.FloatRange(0.5, 0.999),
    help="Level of the intervals.",
)
planned_option = click.option(
    "--planned",
    type=click.Choice(["welch", "student"]),
    default="welch",
    show_default=True,
    help="The t test that was declared in advance.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the bootstrap, 0 or more.",
)


@click.group()
def analyse() -> None:
    """Statistics on any table, as a table or as JSON with full precision.

    FILE is CSV with commas, semicolons or tabs, UTF-8 or UTF-16, or JSON Lines, or Excel's .xlsx. Cells are
    text until a column is used as numbers; only empty cells, and the words of --missing, are missing. A
    row that does not fit the header is refused with its line.

    \b
    Examples:
      evenhand analyse agreement ratings.csv --points 1-5
      evenhand analyse compare totals.csv --value total --by major --json
      evenhand analyse groups published.csv --planned student
      evenhand analyse paired totals.csv --columns eai,phi4 --missing NA,-99 --decimal ,
    """


@analyse.command()
@with_table
@points_option
@level_option
@seed_option
@json_option
def agreement(table: HandedTable, points: str, level: float, seed: int, as_json: bool) -> None:
    """Agreement of raters: one row per unit, one column per rater.

    \b
    Examples:
      evenhand analyse agreement ratings.csv --points 1-5
    """
    from analysis.data_file import parse_points
    from analysis.table_analyses import agreement_of

    blocks = agreement_of(table.frame(), parse_points(points), level=level, seed=seed)
    show(blocks, "agreement", table.file, as_json)


@analyse.command()
@with_table
@click.option("--value", required=True, help="Column with the values.")
@click.option("--by", required=True, help="Column with the two groups.")
@planned_option
@level_option
@json_option
def compare(
    table: HandedTable, value: str, by: str, planned: str, level: float, as_json: bool
) -> None:
    """Two independent groups: t tests, ranks, effect sizes.

    \b
    Examples:
      evenhand analyse compare totals.csv --value total --by major
    """
    from analysis.table_analyses import compare_of

    show(
        compare_of(table.frame(), value, by, planned=planned, level=level),
        "compare",
        table.file,
        as_json,
    )


@analyse.command()
@with_table
@click.option("--columns", required=True, help="Two columns; the first minus the second.")
@click.option("--bounds", help="Equivalence bounds in units of the values, such as -40,40.")
@level_option
@seed_option
@json_option
def paired(
    table: HandedTable, columns: str, bounds: str | None, level: float, seed: int, as_json: bool
) -> None:
    """Two columns of the same raters: paired tests, effect sizes, equivalence.

    \b
    Examples:
      evenhand analyse paired totals.csv --columns eai,phi4
      evenhand analyse paired totals.csv --columns eai,phi4 --bounds -40,40
    """
    from analysis.table_analyses import paired_of

    names = [name.strip() for name in columns.split(",")]
    if len(names) != 2:
        raise AnalysisError(f"Found the columns {columns!r}, expected two names such as eai,phi4.")
    blocks = paired_of(
        table.frame(),
        (names[0], names[1]),
        bounds=_parse_bounds(bounds),
        level=level,
        seed=seed,
    )
    show(blocks, "paired", table.file, as_json)


def _parse_bounds(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise AnalysisError(
            f"Found the bounds {text!r}, expected two numbers such as -40,40."
        ) from None
    return low, high


@analyse.command()
@with_table
@planned_option
@level_option
@json_option
def groups(table: HandedTable, planned: str, level: float, as_json: bool) -> None:
    """Two groups from published n, mean and SD (columns group, n, mean, sd).

    \b
    Examples:
      evenhand analyse groups published.csv --planned student
    """
    from analysis.table_analyses import groups_of

    show(groups_of(table.frame(), planned=planned, level=level), "groups", table.file, as_json)


@analyse.command()
@with_table
@click.option("--value", required=True, help="Column with the values.")
@click.option("--by", help="Column whose values get a table each.")
@points_option
@level_option
@json_option
def frequencies(
    table: HandedTable, value: str, by: str | None, points: str, level: float, as_json: bool
) -> None:
    """Frequency tables: frequency, percentage, cumulative percentage, unused points as 0.

    \b
    Examples:
      evenhand analyse frequencies long.csv --value y --by model --points 1-5
    """
    from analysis.data_file import parse_points
    from analysis.table_analyses import frequencies_of

    blocks = frequencies_of(table.frame(), value, parse_points(points), by=by, level=level)
    show(blocks, "frequencies", table.file, as_json)


@analyse.command()
@with_table
@points_option
@level_option
@json_option
def reliability(table: HandedTable, points: str, level: float, as_json: bool) -> None:
    """Reliability of a scale: one row per person, one column per item.

    \b
    Examples:
      evenhand analyse reliability scale.csv --points 1-5
    """
    from analysis.data_file import parse_points
    from analysis.table_analyses import reliability_of

    blocks = reliability_of(table.frame(), parse_points(points), level=level)
    show(blocks, "reliability", table.file, as_json)


@analyse.command()
@with_table
@click.option("--value", required=True, help="Column with the ratings.")
@click.option("--effect", required=True, help="Column with what is compared, such as the system.")
@click.option(
    "--reference", help="Its value that the others are compared with; default: the first."
)
@click.option("--rater", required=True, help="Column with the rater.")
@click.option("--prompt", required=True, help="Column with the prompt or topic.")
@click.option("--points", help="All points of the scale; default: those that occur.")
@click.option(
    "--profile",
    is_flag=True,
    help="Profile-likelihood intervals for variances and ordinal effects too; takes a while.",
)
@level_option
@json_option
def mixed(
    table: HandedTable,
    value: str,
    effect: str,
    reference: str | None,
    rater: str,
    prompt: str,
    points: str | None,
    profile: bool,
    level: float,
    as_json: bool,
) -> None:
    """Mixed, ordinal and marginal models of repeated ratings; one row per rating.

    One row for each rater, prompt and compared system; a repeated row is refused. lmer_response, with
    a random intercept of each response, is the model that speaks to other prompts and responses; it
    needs five prompts that several systems answered. The others speak to these very responses.

    \b
    Examples:
      evenhand analyse mixed long.csv --value y --effect model --reference Phi4 \\
        --rater rater --prompt topic
      evenhand analyse mixed long.csv --value y --effect model --rater rater --prompt topic --profile
    """
    from analysis.data_file import parse_points
    from analysis.table_analyses import mixed_of

    blocks = mixed_of(
        table.frame(),
        value=value,
        effect=effect,
        reference=reference,
        rater=rater,
        prompt=prompt,
        points=parse_points(points) if points else None,
        level=level,
        profile=profile,
    )
    show(blocks, "mixed", table.file, as_json)


@analyse.command()
@with_table
@click.option("--response", required=True, help="Column with the responses.")
@click.option("--reference", help="Column with replies that people wrote, for ROUGE.")
@click.option("--by", required=True, help="Column with the system.")
@click.option("--prompt", help="Column with the prompt; without it each row is one of its own.")
@click.option("--against", help="A system that the others are compared with; needs --prompt.")
@click.option("--language", default="en", show_default=True, help="Of the texts, ISO 639-1.")
@level_option
@seed_option
@json_option
def texts(
    table: HandedTable,
    response: str,
    reference: str | None,
    by: str,
    prompt: str | None,
    against: str | None,
    language: str,
    level: float,
    seed: int,
    as_json: bool,
) -> None:
    """Automatic measures of texts: ROUGE, length, readability, speed; CSV or JSON Lines.

    Columns named completion_tokens, latency_s, first_token_s and peak_memory_bytes give tokens, speed
    and memory. Intervals draw prompts again; a difference needs the same prompts for both systems.

    \b
    Examples:
      evenhand analyse texts dialogues.csv --response reply --reference human --by model
      evenhand analyse texts dialogues.jsonl --response reply --reference human --by model \\
        --prompt dialogue --against base --json
    """
    from analysis.text_analyses import texts_of

    blocks = texts_of(
        table.frame(),
        response=response,
        reference=reference,
        by=by,
        prompt=prompt,
        against=against,
        language=language,
        level=level,
        seed=seed,
    )
    show(blocks, "texts", table.file, as_json)


@analyse.command()
@with_table
@click.option(
    "--reference",
    help="Column with the reference; default: the column 'reference' where there is one.",
)
@click.option(
    "--labels", help="All labels that could be given: joy,fear,anger; default: those that occur."
)
@level_option
@seed_option
@json_option
def emotion(
    table: HandedTable,
    reference: str | None,
    labels: str | None,
    level: float,
    seed: int,
    as_json: bool,
) -> None:
    """Emotion annotation: accuracy, precision, recall, F1 by class, macro averages, kappa.

    One row per unit, a column per annotator, and one with the reference. Without a reference every
    annotator is scored against every earlier one. Columns called item, id, unit, text, prompt,
    response or reply are not annotators.

    \b
    Examples:
      evenhand analyse emotion labels.csv
      evenhand analyse emotion labels.csv --reference gold --labels joy,fear,anger,sadness,neutral
    """
    from analysis.annotation_analyses import emotion_of

    named = [label.strip() for label in labels.split(",") if label.strip()] if labels else []
    blocks = emotion_of(table.frame(), reference=reference, labels=named, level=level, seed=seed)
    show(blocks, "emotion", table.file, as_json)


def show(blocks: Sequence[ResultBlock], kind: str, file: Path, as_json: bool) -> None:
    """Print results as tables, or all of them as JSON."""
    if as_json:
        print_json({"kind": kind, "file": file.name, "blocks": [b.to_dict() for b in blocks]})
        return
    for block in blocks:
        if block.facts.get("undefined_because") and not block.estimates:
            say(f"{block.title}\n  undefined, because {block.facts['undefined_because']}\n")
            continue
        _show_facts(block)
        _show_estimates(block)


def _show_estimates(block: ResultBlock) -> None:
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


def _show_facts(block: ResultBlock) -> None:
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
        say(note)
    for assumption in block.facts.get("assumptions", []):
        say(f"Check of {assumption['name']}: {assumption['evidence']}")


def _cell(value: float | str | None) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.5g}"
