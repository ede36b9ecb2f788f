"""The command analyse: the statistics on any CSV, no study needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import click

from study.cli.options import json_option, packed
from study.cli.shown_results import show
from study.cli.tables import (
    rater_option,
    rows_independent_option,
    weight_option,
    with_roles,
    with_table,
)
from study.entities import DEFAULT_TWO_GROUP_TEST, TwoGroupTest
from study.errors import AnalysisError
from study.table_file.names import listed_names

if TYPE_CHECKING:
    from analysis.tables.handed import HandedTable
    from analysis.tables.rating_table import Roles
    from analysis.tables.scales import Scales

points_option = click.option(
    "--points", required=True, help="All points of the scale, used or not: 1-5, or 0,1,2."
)
scales_option = click.option(
    "--points",
    multiple=True,
    help="All points of the scale, used or not: 1-5, or 0,1,2; for some values of --by: 'm_*=1-7'.",
)
averaged_option = click.option(
    "--averaged",
    is_flag=True,
    help="Values are means of several raters (2.5 on 1 to 5): what is weighted by value.",
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
    type=click.Choice(get_args(TwoGroupTest)),
    default=DEFAULT_TWO_GROUP_TEST,
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


@dataclass(frozen=True)
class AgreementOptions:
    """The options of ``analyse agreement``, beside the columns."""

    points: tuple[str, ...]
    averaged: bool
    pairs: bool
    level: float
    seed: int


@dataclass(frozen=True)
class CompareOptions:
    """The options of ``analyse compare``."""

    value: str
    by: str
    rater: str | None
    weight: str | None
    rows_independent: bool
    planned: TwoGroupTest
    level: float


@dataclass(frozen=True)
class PairedOptions:
    """The options of ``analyse paired``."""

    columns: str
    bounds: str | None
    rater: str | None
    rows_independent: bool
    level: float
    seed: int


@dataclass(frozen=True)
class FrequencyOptions:
    """The options of ``analyse frequencies``."""

    value: str
    by: str | None
    rater: str | None
    weight: str | None
    rows_independent: bool
    points: str
    level: float


@dataclass(frozen=True)
class TextOptions:
    """The options of ``analyse texts``."""

    response: str
    reference: str | None
    by: str
    prompt: str | None
    against: str | None
    language: str
    level: float
    seed: int


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
@with_roles()
@scales_option
@averaged_option
@click.option("--pairs", is_flag=True, help="Only the quadratic kappas of every two raters.")
@level_option
@seed_option
@json_option
@packed(AgreementOptions)
def agreement(table: HandedTable, roles: Roles, options: AgreementOptions, as_json: bool) -> None:
    """Agreement of raters, and quadratic kappas of every two of them.

    A wide table has a row per unit and a column per rater; a long one a row per rating. A column of a wide
    table that does not look like a rater's, such as names or numbers of rows, is refused until --unit or
    --raters says what it is. Quadratic kappa is given under both of its readings: weighted by value, and by
    place among the used categories; they part where points stay unused or ratings are averaged.

    \b
    Examples:
      evenhand analyse agreement ratings.csv --points 1-5
      evenhand analyse agreement ratings.csv --points 1-5 --unit dialogue
      evenhand analyse agreement long.csv --unit response --rater rater --value y --by item --points 1-5
      evenhand analyse agreement long.csv --unit conversation --rater rater --value value \\
        --by dimension --points 1-5 --points 'm_*=1-7' --averaged --pairs
    """
    from analysis.tables.agreement import agreement_by
    from analysis.tables.rating_columns import Nouns
    from analysis.tables.rating_table import rating_tables

    averaged = options.averaged
    scales = _scales(options.points, averaged)
    nouns = Nouns(points=scales.otherwise or (), averaged=averaged)
    tables = rating_tables(table.frame(roles.unit, roles.rater, roles.by), roles, nouns)
    blocks = agreement_by(
        tables,
        scales,
        averaged=averaged,
        pairs_only=options.pairs,
        level=options.level,
        seed=options.seed,
    )
    show(blocks, "agreement", table.file, as_json)


def _scales(points: tuple[str, ...], averaged: bool) -> Scales:
    from analysis.tables.scales import parse_scales

    if not points and not averaged:
        raise AnalysisError(
            "No points are given: name all points of the scale, used or not, such as --points 1-5."
        )
    return parse_scales(points)


@analyse.command()
@with_table
@click.option("--value", required=True, help="Column with the values.")
@click.option("--by", required=True, help="Column with the two groups.")
@rater_option
@weight_option
@rows_independent_option
@planned_option
@level_option
@json_option
@packed(CompareOptions)
def compare(table: HandedTable, options: CompareOptions, as_json: bool) -> None:
    """Two independent groups: t tests, ranks, effect sizes; by rater where raters repeat.

    With --rater every rating counts once in a difference with the raters as clusters, and the mean of
    each rater once in the tests of independent groups. Without it, a table in which a rater's column
    repeats is refused.

    \b
    Examples:
      evenhand analyse compare totals.csv --value total --by major
      evenhand analyse compare long.csv --value y --by gender --rater rater
      evenhand analyse compare counts.csv --value y --by gender --weight n
    """
    from analysis.tables.groups import compare_by
    from analysis.tables.repeated_raters import Repeats

    blocks = compare_by(
        table.frame(options.by, options.rater),
        options.value,
        options.by,
        repeats=Repeats(options.rater, options.weight, options.rows_independent),
        planned=options.planned,
        level=options.level,
    )
    show(blocks, "compare", table.file, as_json)


@analyse.command()
@with_table
@click.option("--columns", required=True, help="Two columns; the first minus the second.")
@click.option("--bounds", help="Equivalence bounds in units of the values, such as -40,40.")
@rater_option
@rows_independent_option
@level_option
@seed_option
@json_option
@packed(PairedOptions)
def paired(table: HandedTable, options: PairedOptions, as_json: bool) -> None:
    """Two columns of the same raters: paired tests, effect sizes, equivalence.

    With --rater the means of each rater's rows are one pair; without it, a table in which a rater's column
    repeats is refused.

    \b
    Examples:
      evenhand analyse paired totals.csv --columns eai,phi4
      evenhand analyse paired totals.csv --columns eai,phi4 --bounds -40,40
      evenhand analyse paired by_topic.csv --columns eai,phi4 --rater rater
    """
    from analysis.tables.groups import paired_by
    from analysis.tables.repeated_raters import Repeats

    names = listed_names(options.columns)
    if len(names) != 2:
        raise AnalysisError(
            f"Found the columns {options.columns!r}, expected two names such as eai,phi4; a name that "
            "holds a comma stands in double quotes: '\"Smith, Anna\",phi4'."
        )
    blocks = paired_by(
        table.frame(options.rater),
        (names[0], names[1]),
        repeats=Repeats(options.rater, rows_independent=options.rows_independent),
        bounds=_parse_bounds(options.bounds),
        level=options.level,
        seed=options.seed,
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
def groups(table: HandedTable, planned: TwoGroupTest, level: float, as_json: bool) -> None:
    """Two groups from published n, mean and SD (columns group, n, mean, sd).

    \b
    Examples:
      evenhand analyse groups published.csv --planned student
    """
    from analysis.tables.groups import groups_of

    show(groups_of(table.frame(), planned=planned, level=level), "groups", table.file, as_json)


@analyse.command()
@with_table
@click.option("--value", required=True, help="Column with the values.")
@click.option("--by", help="Column whose values get a table each.")
@rater_option
@weight_option
@rows_independent_option
@points_option
@level_option
@json_option
@packed(FrequencyOptions)
def frequencies(table: HandedTable, options: FrequencyOptions, as_json: bool) -> None:
    """Frequency tables: frequency, percentage, cumulative percentage, unused points as 0.

    With --rater the intervals know that one rater gave several answers; without it, a table in which a
    rater's column repeats is refused.

    \b
    Examples:
      evenhand analyse frequencies long.csv --value y --by model --points 1-5 --rater rater
      evenhand analyse frequencies counts.csv --value value --by item --points 1-5 --weight frequency
    """
    from analysis.tables.frequencies import frequencies_by
    from analysis.tables.reading import parse_points
    from analysis.tables.repeated_raters import Repeats

    blocks = frequencies_by(
        table.frame(options.by, options.rater),
        options.value,
        parse_points(options.points),
        by=options.by,
        repeats=Repeats(options.rater, options.weight, options.rows_independent),
        level=options.level,
    )
    show(blocks, "frequencies", table.file, as_json)


@dataclass(frozen=True)
class EaiOptions:
    """The options of ``analyse eai``."""

    value: str | None
    item: str | None
    system: str | None
    rater: str | None
    prompt: str | None
    weight: str | None
    group: tuple[str, ...]
    points: str


@analyse.command()
@with_table
@click.option("--value", help="Column with the answers; default: value, y, rating or score.")
@click.option("--item", help="Column with the item; default: item or question.")
@click.option("--system", help="Column with the system; default: system or model.")
@click.option("--rater", help="Column with the rater; default: rater or participant.")
@click.option("--prompt", help="Column with the prompt or topic; default: so called.")
@click.option(
    "--weight",
    help="Column with how many answers a row stands for; default: frequency, count or n.",
)
@click.option(
    "--group", multiple=True, help="Column with groups of raters; may be given several times."
)
@click.option(
    "--points",
    default="1-5",
    show_default=True,
    help="All points of the scale, used or not: 1-5, or 0,1,2.",
)
@json_option
@packed(EaiOptions)
def eai(table: HandedTable, options: EaiOptions, as_json: bool) -> None:
    """The tables of the EAI paper: frequencies by item, mean totals, totals by group.

    FILE has a row per rating (rater, topic, system, item, value) or a row per value with its count. A total
    adds all answers of a rater to a system; a rater with a gap has none. Groups get Student's p, as in the
    paper, and Welch's beside it.

    \b
    Examples:
      evenhand analyse eai ratings.csv --group major --group gender
      evenhand analyse eai counts.csv --weight frequency
    """
    from analysis.tables.papers_layout import PaperColumns, papers_layout
    from analysis.tables.reading import parse_points

    columns = PaperColumns(
        options.value,
        options.item,
        options.system,
        options.rater,
        options.prompt,
        options.weight,
        options.group,
    )
    blocks = papers_layout(table.frame(options.rater), columns, parse_points(options.points))
    show(blocks, "eai", table.file, as_json)


@analyse.command()
@with_table
@with_roles(
    unit="who answered, or about what",
    rater="who answered, or, without --by, the item",
    by="the item",
    raters="items",
)
@scales_option
@averaged_option
@level_option
@json_option
def reliability(
    table: HandedTable,
    roles: Roles,
    points: tuple[str, ...],
    averaged: bool,
    level: float,
    as_json: bool,
) -> None:
    """Reliability of a scale: one row per person, one column per item.

    A column of persons or of numbers of rows is refused until --unit or --raters (the items) says what it
    is. In a long table --by names the items, and one rater's answers about one unit are a person's.

    \b
    Examples:
      evenhand analyse reliability scale.csv --points 1-5
      evenhand analyse reliability scale.csv --points 1-5 --unit person
      evenhand analyse reliability long.csv --points 1-5 --unit response --rater rater --by item --value y
    """
    from analysis.tables.rating_columns import Nouns
    from analysis.tables.rating_table import rating_tables
    from analysis.tables.reliability import item_roles, reliability_by

    scales = _scales(points, averaged)
    nouns = Nouns("person", "item", "answers", points=scales.otherwise or (), averaged=averaged)
    tables = rating_tables(table.frame(roles.unit, roles.rater, roles.by), item_roles(roles), nouns)
    blocks = reliability_by(tables, scales, averaged=averaged, level=level)
    show(blocks, "reliability", table.file, as_json)


@dataclass(frozen=True)
class MixedOptions:
    """The options of ``analyse mixed``."""

    value: str
    effect: str
    reference: str | None
    rater: str
    prompt: str
    points: str | None
    profile: bool
    level: float


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
@packed(MixedOptions)
def mixed(table: HandedTable, options: MixedOptions, as_json: bool) -> None:
    """Mixed, ordinal and marginal models of repeated ratings; one row per rating.

    One row for each rater, prompt and compared system; a repeated row is refused. lmer_response and
    clmm_response, with a random intercept of each response, speak to other prompts and responses;
    they need five prompts that several systems answered. The others speak to these very responses.

    \b
    Examples:
      evenhand analyse mixed long.csv --value y --effect model --reference Phi4 \\
        --rater rater --prompt topic
      evenhand analyse mixed long.csv --value y --effect model --rater rater --prompt topic --profile
    """
    from analysis.rating_models.ratings import RatingColumns
    from analysis.tables.mixed import mixed_of
    from analysis.tables.reading import parse_points

    blocks = mixed_of(
        table.frame(options.effect, options.rater, options.prompt),
        RatingColumns(options.value, options.effect, options.rater, options.prompt),
        reference=options.reference,
        points=parse_points(options.points) if options.points else None,
        level=options.level,
        profile=options.profile,
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
@packed(TextOptions)
def texts(table: HandedTable, options: TextOptions, as_json: bool) -> None:
    """Automatic measures of texts: ROUGE, length, readability, speed; CSV or JSON Lines.

    Columns named completion_tokens, latency_s, first_token_s and peak_memory_bytes give tokens, speed
    and memory. Intervals draw prompts again; a difference needs the same prompts for both systems.

    \b
    Examples:
      evenhand analyse texts dialogues.csv --response reply --reference human --by model
      evenhand analyse texts dialogues.jsonl --response reply --reference human --by model \\
        --prompt dialogue --against base --json
    """
    from analysis.tables.texts import TextColumns, texts_of

    blocks = texts_of(
        table.frame(options.by, options.prompt),
        TextColumns(options.response, options.by, options.reference, options.prompt),
        against=options.against,
        language=options.language,
        level=options.level,
        seed=options.seed,
    )
    show(blocks, "texts", table.file, as_json)


@analyse.command()
@with_table
@with_roles(rater="the annotator", raters="annotators")
@click.option(
    "--reference",
    help="Column (of a long table: annotator) with the reference; default: 'reference' where there is one.",
)
@click.option(
    "--labels", help="All labels that could be given: joy,fear,anger; default: those that occur."
)
@level_option
@seed_option
@json_option
def emotion(
    table: HandedTable,
    roles: Roles,
    reference: str | None,
    labels: str | None,
    level: float,
    seed: int,
    as_json: bool,
) -> None:
    """Emotion annotation: accuracy, precision, recall, F1 by class, macro averages, kappa.

    One row per unit, a column per annotator, and one with the reference; or a long table with a row per
    label. Without a reference every annotator is scored against every earlier one. Columns called item,
    id, unit, text, prompt, response or reply are not annotators; any other column that does not look like
    one, such as names of dialogues, is refused until --unit or --raters says what it is.

    \b
    Examples:
      evenhand analyse emotion labels.csv
      evenhand analyse emotion labels.csv --unit dialogue_id --reference gold --labels joy,fear,anger
      evenhand analyse emotion long.csv --unit dialogue --rater annotator --value label --reference gold
    """
    from analysis.tables.annotation import emotion_by

    named = listed_names(labels or "")
    blocks = emotion_by(
        table.frame(roles.unit, roles.rater, roles.by),
        roles,
        reference=reference,
        labels=named,
        level=level,
        seed=seed,
    )
    show(blocks, "emotion", table.file, as_json)
