"""Options about a table that a user hands to a command: its file, how it is read, and who rated what.

Who rated what stands in the columns of a long table, or in those of a wide one that count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import warn
from study.table_file.names import listed_names

if TYPE_CHECKING:
    from analysis.tables.rating_table import Roles

sheet_option = click.option(
    "--sheet", metavar="NAME", help="Sheet of an .xlsx file, where several have content."
)


def with_table(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take FILE and the options of its reading, and hand them in as ``table``."""

    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @click.option(
        "--missing",
        metavar="WORDS",
        multiple=True,
        help="Words that stand for a missing value: NA,-99. Without it only empty cells are missing.",
    )
    @click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        default=".",
        show_default=True,
        help="Mark before decimals.",
    )
    @sheet_option
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        file: Path,
        missing: tuple[str, ...],
        decimal: str,
        sheet: str | None,
        **kwargs: Any,
    ) -> Any:
        from analysis.tables.handed import HandedTable

        words = tuple(word for given in missing for word in listed_names(given))
        table = HandedTable(file, words, decimal, sheet, tell=warn)
        return command(*args, table=table, **kwargs)

    return wrapped


rater_option = click.option(
    "--rater",
    help="Column with who gave the rating: intervals and tests go by rater, not by row.",
)
weight_option = click.option(
    "--weight", help="Column with how many ratings a row stands for, whole numbers."
)
rows_independent_option = click.option(
    "--rows-independent",
    is_flag=True,
    help="Every row is a unit of its own, although a column looks like a rater's.",
)


def with_roles(
    *,
    unit: str = "what was rated",
    rater: str = "who rated it",
    by: str = "what gets a table for each of its values",
    raters: str = "raters",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Take --unit, --rater, --value, --by and --raters, and hand them in as ``roles``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--unit",
            "told_unit",
            metavar="COLUMN",
            help=f"Column with {unit}; several with commas: prompt,system.",
        )
        @click.option(
            "--rater", "told_rater", metavar="COLUMN", help=f"Long table: column with {rater}."
        )
        @click.option("--value", metavar="COLUMN", help="Long table: column with the rating.")
        @click.option("--by", "told_by", metavar="COLUMN", help=f"Long table: column with {by}.")
        @click.option(
            "--raters",
            "told_raters",
            metavar="NAMES",
            help=f"The {raters} that count: anna,ben; default: all.",
        )
        @functools.wraps(command)
        def wrapped(
            *args: Any,
            told_unit: str | None,
            told_rater: str | None,
            value: str | None,
            told_by: str | None,
            told_raters: str | None,
            **kwargs: Any,
        ) -> Any:
            from analysis.tables.rating_table import Roles, several

            roles: Roles = Roles(told_unit, told_rater, value, told_by, several(told_raters))
            return command(*args, roles=roles, **kwargs)

        return wrapped

    return decorate
