"""Which units a figure rests on, and a word where the figures of one table rest on different ones.

Where answers are missing, some methods take for every two columns the rows that have both, others only
the rows that have all. Side by side their figures differ by sample as well as by method.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.results import Estimate

PAIRWISE = "pairwise: for every two columns the rows that have both"
LISTWISE = "listwise: only the rows that have all columns"
_MOST_NAMED = 4


def different_samples(estimates: Sequence[Estimate]) -> tuple[str, ...]:
    """A sentence for each unit of inference whose estimates have different n; none where all agree.

    Parameters
    ----------
    estimates : sequence of Estimate
        Undefined ones are left out. ``sample`` in their details says how the rows were chosen, where a
        method chooses.

    Examples
    --------
    >>> different_samples([Estimate("a", 1.0, n=9, unit="person"), Estimate("b", 1.0, n=7, unit="person")])
    ('Different samples in this table: n = 9 (person) for a; n = 7 (person) for b.',)
    """
    said = []
    for unit in dict.fromkeys(e.unit for e in estimates):
        found: dict[tuple[int, str], list[str]] = {}
        for e in estimates:
            if e.unit == unit and e.estimate is not None:
                found.setdefault(
                    (
                        e.n,
                        str(
                            getattr(e.details, "sample", "")
                            or getattr(getattr(e.details, "of", None), "sample", "")
                        ),
                    ),
                    [],
                ).append(e.statistic)
        if len({n for n, _ in found}) < 2:
            continue
        parts = [
            f"n = {n} ({unit}{', ' if how else ''}{how}) for {_named(names)}"
            for (n, how), names in found.items()
        ]
        said.append(f"Different samples in this table: {'; '.join(parts)}.")
    return tuple(said)


def _named(names: Sequence[str]) -> str:
    several = list(dict.fromkeys(names))
    if len(several) <= _MOST_NAMED:
        return ", ".join(several)
    return f"{', '.join(several[:_MOST_NAMED])} and {len(several) - _MOST_NAMED} more"
