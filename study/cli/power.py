"""The command power: raters, prompts and overlap that a study needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import json_option, print_json, say
from study.errors import AnalysisError

if TYPE_CHECKING:
    from analysis.contrasts.power import PowerAnalysis


class _Number(click.FloatRange):
    """A range of numbers; nan and infinity, which pass every comparison of click, lie in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"found {value}, expected a finite number such as 0.5.", param, ctx)
        return number


def _not_zero(_: click.Context, param: click.Parameter, value: float) -> float:
    if value == 0:
        raise click.BadParameter(
            "found 0, expected another number: no study is large enough to find nothing. Give the "
            "smallest one that would matter."
        )
    return value


@contextmanager
def _said_of(**options: str) -> Iterator[None]:
    """Let an error of the statistics, "name: value; ...", name the option that the user gave."""
    try:
        yield
    except AnalysisError as error:
        name, colon, rest = str(error).partition(":")
        raise AnalysisError(f"{options.get(name, name)}{colon}{rest}") from None


_share = _Number(0, 1, min_open=True, max_open=True)
power_option = click.option(
    "--power", "wanted", default=0.8, show_default=True, type=_share, help="Power asked for."
)
alpha_option = click.option(
    "--alpha", default=0.05, show_default=True, type=_share, help="Two-sided level of the test."
)


@click.group()
def power() -> None:
    """How many raters, prompts and raters per response a study needs, before it is locked.

    \b
    Examples:
      evenhand power raters --effect 0.5
      evenhand power prompts --difference 0.3 --sd-slope 0.4 --sd-error 0.9 --raters 36
      evenhand power overlap --icc 0.4
      evenhand power kappa --kappa 0.6 --against 0.4
    """


@power.command()
@click.option(
    "--effect",
    required=True,
    type=_Number(),
    callback=_not_zero,
    help="d_z of the paired design, d of groups.",
)
@click.option(
    "--design",
    type=click.Choice(["paired", "groups"]),
    default="paired",
    show_default=True,
    help="paired: every rater rates both systems; groups: two groups of raters.",
)
@click.option("--n", type=click.IntRange(min=2), help="Power of this many raters (of each group).")
@power_option
@alpha_option
@json_option
def raters(
    effect: float, design: str, n: int | None, wanted: float, alpha: float, as_json: bool
) -> None:
    """Raters for a t test of totals, or the power that a number of raters has.

    \b
    Examples:
      evenhand power raters --effect 0.5
      evenhand power raters --effect 0.5 --n 36
      evenhand power raters --effect 0.8 --design groups --power 0.9 --json
    """
    from analysis.contrasts import power as of

    paired = design == "paired"
    with _said_of(effect="--effect", n="--n"):
        if n is not None:
            found = (
                of.paired_t_power(n, effect, alpha=alpha)
                if paired
                else of.two_sample_t_power(n, n, effect, alpha=alpha)
            )
        elif paired:
            found = of.paired_t_n(effect, power=wanted, alpha=alpha)
        else:
            found = of.two_sample_t_n(effect, power=wanted, alpha=alpha)
    who = "raters, each rating both systems" if paired else "raters in each of two groups"
    _show(found, who, as_json)


def _show(found: PowerAnalysis, who: str, as_json: bool) -> None:
    whole = math.ceil(found.n - 1e-9)
    if as_json:
        print_json({**asdict(found), "n_rounded_up": whole})
        return
    say(
        f"{whole} {who}: power {found.power:.3f} for an effect of {found.effect:g} at {found.alpha:g}."
    )


@power.command()
@click.option(
    "--difference",
    required=True,
    type=_Number(),
    callback=_not_zero,
    help="Between the systems, in points.",
)
@click.option(
    "--sd-slope",
    required=True,
    type=_Number(0),
    help="How raters differ in it, in points; 0 for not.",
)
@click.option(
    "--sd-error", required=True, type=_Number(0, min_open=True), help="Of one rating, in points."
)
@click.option("--raters", "n", required=True, type=click.IntRange(min=2), help="Raters planned.")
@power_option
@alpha_option
@json_option
def prompts(
    difference: float,
    sd_slope: float,
    sd_error: float,
    n: int,
    wanted: float,
    alpha: float,
    as_json: bool,
) -> None:
    """Prompts that each rater must rate for both systems.

    The two standard deviations stand in the report of a pilot: a mixed model with random slopes.

    \b
    Examples:
      evenhand power prompts --difference 0.3 --sd-slope 0.4 --sd-error 0.9 --raters 36
    """
    from analysis.contrasts.design_power import prompts_needed

    if wanted <= alpha:
        raise AnalysisError(
            f"Found --power {wanted:g} and --alpha {alpha:g}, expected a power above alpha: even with no "
            "difference a test rejects that often. Raise --power."
        )
    with _said_of(raters="--raters", n="--raters", difference="--difference"):
        found = prompts_needed(difference, sd_slope, sd_error, n, power=wanted, alpha=alpha)
    whole = math.ceil(found.prompts - 1e-9)
    if as_json:
        print_json({**asdict(found), "prompts_rounded_up": whole})
        return
    say(
        f"{whole} prompts, rated by {n} raters for both systems: power {wanted:g} for a difference of "
        f"{difference:g} points at {alpha:g}."
    )


@power.command()
@click.option("--icc", required=True, type=_share, help="Reliability of one rater, ICC(2,1).")
@click.option(
    "--reliability", default=0.8, show_default=True, type=_share, help="That their mean shall have."
)
@json_option
def overlap(icc: float, reliability: float, as_json: bool) -> None:
    """Raters who must rate the same response, so that their mean is reliable.

    \b
    Examples:
      evenhand power overlap --icc 0.4 --reliability 0.8
    """
    from analysis.contrasts.design_power import raters_per_response

    found = raters_per_response(icc, reliability=reliability)
    whole = math.ceil(found.raters - 1e-9)
    if as_json:
        print_json({**asdict(found), "raters_rounded_up": whole})
        return
    say(f"{whole} raters per response: their mean has a reliability of at least {reliability:g}.")


@power.command()
@click.option(
    "--kappa", "expected", required=True, type=_Number(-1, 1), help="Cohen's kappa expected."
)
@click.option(
    "--against", required=True, type=_Number(-1, 1), help="Kappa that is to be ruled out."
)
@click.option(
    "--share",
    default="0.5",
    show_default=True,
    help="How often each rater gives the first of two categories; 'a,b' for two raters.",
)
@power_option
@alpha_option
@json_option
def kappa(
    expected: float, against: float, share: str, wanted: float, alpha: float, as_json: bool
) -> None:
    """Responses that two raters must both rate, to tell one kappa from another (two categories).

    \b
    Examples:
      evenhand power kappa --kappa 0.6 --against 0.4 --share 0.3
    """
    from analysis.contrasts.power import cohen_kappa_n

    one, two = _shares(share)
    if expected == against:
        raise AnalysisError(
            f"Found {expected:g} for --kappa and for --against, expected two different kappas. Give "
            "with --against the kappa that the study shall rule out."
        )
    try:
        found = cohen_kappa_n(
            one, two, expected, against, alpha=alpha, power=wanted, two_sided=True
        )
    except AnalysisError:
        # Everything else was checked: no cross-table with these margins has one of these kappas.
        raise AnalysisError(
            f"Raters with the shares {one:g} and {two:g} (--share) cannot have a kappa of "
            f"{expected:g} (--kappa) as well as one of {against:g} (--against). Give kappas nearer to 0, or "
            "shares nearer to each other."
        ) from None
    whole = math.ceil(found.n - 1e-9)
    if as_json:
        print_json({**asdict(found), "n_rounded_up": whole})
        return
    say(
        f"{whole} responses rated by both raters: power {wanted:g} to tell a kappa of "
        f"{expected:g} from {against:g} at {alpha:g}."
    )


def _shares(text: str) -> tuple[float, float]:
    parts = str(text).split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(0 < number < 1 for number in numbers):
        raise AnalysisError(
            f"Found --share {text}, expected one or two numbers between 0 and 1. Give them as "
            "--share 0.3 or --share 0.3,0.4."
        )
    return numbers[0], numbers[-1]
