"""The register of rules: a new one is a function here and a row in docs/audit.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analysis.audit.findings import Finding
from analysis.audit.printed import Rounding
from analysis.audit.records import Published
from analysis.audit.rules.frequency import frequency_findings, order_findings, spread_findings
from analysis.audit.rules.grim import (
    error_findings,
    grim_findings,
    grimmer_findings,
    scale_findings,
)
from analysis.audit.rules.group import squares_findings, weighted_findings
from analysis.audit.rules.kappa import kappa_findings
from analysis.audit.rules.share import parts_findings, share_findings, top_two_findings
from analysis.audit.rules.t_test import p_findings
from analysis.audit.rules.total import total_findings
from analysis.audit.sheet import Told

Check = Callable[[Published, Told, Rounding], Iterator[Finding]]

# What a finding's rule is called on the terminal and in the page, by its key in JSON.
RULES = {
    "counts": "counts add up to n",
    "percentage": "percentage = count / n",
    "cumulative": "cumulative percentage, from counts",
    "no-count": "a count gives the percentage",
    "labels": "options in order, each once",
    "mean": "mean, spread, median against frequencies",
    "top-two": "share of the top two points",
    "grim": "GRIM: whole answers give the mean",
    "grimmer": "GRIMMER: whole answers give the spread",
    "scale": "within the scale and the limits",
    "weighted-means": "weighted means of groups against the whole",
    "sums-of-squares": "total sum of squares of splits",
    "p-value": "p, t, F, d from n, mean and SD",
    "overall": "overall = mean or sum of its parts",
    "kappa": "kappa weighted by value",
}


@dataclass(frozen=True)
class Rule:
    """A check, and whether numbers cut off instead of rounded can explain what it finds."""

    check: Check
    rounds: bool = True


CHECKS = (
    Rule(order_findings, rounds=False),
    Rule(frequency_findings),
    Rule(spread_findings),
    Rule(total_findings),
    Rule(share_findings),
    Rule(top_two_findings),
    Rule(parts_findings),
    Rule(scale_findings),
    Rule(grim_findings),
    Rule(grimmer_findings),
    Rule(error_findings),
    Rule(weighted_findings),
    Rule(squares_findings),
    Rule(p_findings),
    Rule(kappa_findings),
)
