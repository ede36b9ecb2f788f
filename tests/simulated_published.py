"""Published tables drawn at random from simulated answers: consistent ones, and ones with one number changed.

Everything printed is computed from single answers by numpy and scipy, not by the code that audits.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
from scipy import stats

from study.table_file import Table

Rng = np.random.Generator


@dataclass(frozen=True)
class Made:
    """A table as rows of text, with the cells in which an error can be planted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[tuple[int, int], ...]

    def table(self) -> Table:
        """As the reader gives it."""
        rows = tuple(tuple(cell or None for cell in row) for row in self.rows)
        lines = tuple(range(2, len(rows) + 2))
        return Table("t.csv", self.columns, rows, lines, "line", "commas", ".", ())

    def csv(self) -> str:
        """As a file."""
        text = io.StringIO()
        csv.writer(text).writerows([self.columns, *self.rows])
        return text.getvalue()


def rounded(value: float, decimals: int, mode: str = ROUND_HALF_UP, *, drop: bool = False) -> str:
    """A number as printed; ``drop`` as a spreadsheet does, without zeros at the end."""
    exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), mode)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if drop and "." in text else text


def answers(rng: Rng, n: int, points: int) -> np.ndarray:
    """Answers of n people on 1 to ``points``."""
    return rng.choice(np.arange(1, points + 1), size=n, p=rng.dirichlet(np.full(points, 2.0)))


def frequencies(rng: Rng) -> Made:
    """Items with frequency, percentage and cumulated percentage, unused points left out or not."""
    points, n = int(rng.choice([5, 7])), int(rng.integers(20, 400))
    decimals, drop = int(rng.choice([1, 2])), bool(rng.random() < 0.5)
    mode = str(rng.choice([ROUND_HALF_UP, ROUND_HALF_EVEN]))
    rows: list[tuple[str, ...]] = []
    for item in range(int(rng.integers(2, 8))):
        own = n if rng.random() < 0.7 else int(n - rng.integers(0, 5))
        counts = np.bincount(answers(rng, own, points), minlength=points + 1)[1:]
        cumulated = np.cumsum(counts)
        for point in range(points):
            if counts[point] == 0:
                continue
            shares = (100 * counts[point] / own, 100 * cumulated[point] / own)
            percents = (rounded(share, decimals, mode, drop=drop) for share in shares)
            rows.append((f"Item {item + 1}", str(point + 1), str(counts[point]), *percents))
    columns = ("item", "value", "frequency", "percent", "cumulative_percent")
    return Made(columns, tuple(rows), tuple((r, c) for r in range(len(rows)) for c in (2, 3, 4)))


def wide(rng: Rng) -> Made:
    """A row an item: n, ``count (percent)`` of each point, mean and standard deviation."""
    points, n = int(rng.choice([5, 7])), int(rng.integers(20, 300))
    rows = []
    for item in range(int(rng.integers(2, 7))):
        own = int(n - rng.integers(0, 4))
        given = answers(rng, own, points)
        counts = np.bincount(given, minlength=points + 1)[1:]
        cells = [f"{c} ({rounded(100 * c / own, 1)}%)" for c in counts]
        mean, sd = rounded(given.mean(), 2), rounded(given.std(ddof=1), 2)
        rows.append((f"Item {item + 1}", str(own), *cells, mean, sd))
    columns = ("Item", "n", *(str(p + 1) for p in range(points)), "M", "SD")
    last = len(columns)
    return Made(
        columns, tuple(rows), tuple((r, c) for r in range(len(rows)) for c in (1, *range(2, last)))
    )


def groups(rng: Rng) -> Made:
    """Totals of two groups by outcome: n, mean, SD, p by Student's or Welch's test."""
    a, b = int(rng.integers(8, 40)), int(rng.integers(8, 40))
    b += a == b
    welch = bool(rng.random() < 0.5)
    rows: list[tuple[str, ...]] = []
    for outcome in ("System one total", "System two total"):
        while True:
            one = rng.normal(300, 40, a).round()
            two = rng.normal(300 - rng.uniform(0, 30), 50, b).round()
            p = float(stats.ttest_ind(one, two, equal_var=not welch).pvalue)
            # Near 1, and below .001, p tells little of what it was computed from.
            if 0.002 < p < 0.5:
                break
        for name, group in (("STEM", one), ("Non-STEM", two)):
            mean, sd = rounded(group.mean(), 2), rounded(group.std(ddof=1), 2)
            rows.append((outcome, name, str(group.size), mean, sd, rounded(p, 3)))
    columns = ("outcome", "group", "n", "mean", "sd", "p")
    return Made(columns, tuple(rows), tuple((r, c) for r in range(4) for c in (3, 4)))


def splits(rng: Rng) -> Made:
    """One total, everybody split in two ways: by gender and by field."""
    n = int(rng.integers(24, 60))
    total = rng.normal(300, 45, n).round()
    rows = []
    for names in (("male", "female"), ("STEM", "Non-STEM")):
        first = rng.permutation(n) < rng.integers(6, n - 6)
        for name, group in zip(names, (total[first], total[~first]), strict=True):
            mean, sd = rounded(group.mean(), 2), rounded(group.std(ddof=1), 2)
            rows.append((names[0], "EAI total", name, str(group.size), mean, sd))
    columns = ("table", "outcome", "group", "n", "mean", "sd")
    return Made(columns, tuple(rows), tuple((r, c) for r in range(4) for c in (4, 5)))


def shares(rng: Rng) -> Made:
    """Count, n and percentage by item; n differs between items."""
    rows = []
    for item in range(int(rng.integers(3, 9))):
        n = int(rng.integers(15, 150))
        count = int(rng.integers(1, n))
        rows.append((f"Item {item + 1}", str(count), str(n), rounded(100 * count / n, 1) + "%"))
    columns = ("item", "frequency", "n", "percent")
    return Made(columns, tuple(rows), tuple((r, c) for r in range(len(rows)) for c in (1, 2, 3)))


def overall(rng: Rng) -> Made:
    """Scores of systems by criterion, and their average."""
    rows = []
    for system in range(int(rng.integers(3, 6))):
        scores = rng.uniform(60, 98, 4)
        mean = rounded(scores.mean(), 2)
        rows.append((f"System {system + 1}", *(rounded(s, 2) for s in scores), mean))
    columns = ("system", "empathy", "advice", "flow", "safety", "average")
    return Made(columns, tuple(rows), tuple((r, c) for r in range(len(rows)) for c in range(1, 6)))


FORMS = (frequencies, wide, groups, splits, shares, overall)


def planted(rng: Rng, made: Made) -> tuple[Made, int, int]:
    """The table with one number changed above rounding; its row and column."""
    row, column = made.numbers[int(rng.integers(len(made.numbers)))]
    rows = [list(cells) for cells in made.rows]
    text = rows[row][column]
    head, mark, tail = text.partition(" (")
    if mark and rng.random() < 0.5:
        share = tail.rstrip("%)")
        rows[row][column] = f"{head} ({_changed(rng, share, made.columns[column])}%)"
    else:
        sign = "%" if head.endswith("%") else ""
        rows[row][column] = (
            _changed(rng, head.rstrip("%"), made.columns[column]) + sign + mark + tail
        )
    return Made(made.columns, tuple(map(tuple, rows)), made.numbers), row, column


def _changed(rng: Rng, text: str, column: str) -> str:
    decimals = len(text.partition(".")[2])
    sign = 1 if rng.random() < 0.5 or float(text) < 12 else -1
    if decimals == 0 and "percent" not in column:
        return str(int(text) + sign * int(rng.integers(2, 9)))
    if float(text) > 100 or (column == "sd" and float(text) > 10):
        # Of totals: a fifth of a spread at least, or no p changes.
        return rounded(float(text) + sign * rng.uniform(9, 25), decimals)
    least = 0.25 if column in ("M", "SD") else 0.6
    return rounded(float(text) + sign * rng.uniform(least, 5 * least), max(decimals, 1))
