"""Options that say who rated what: the columns of a long table, or those of a wide one that count."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from analysis.tables.rating_table import Roles

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
