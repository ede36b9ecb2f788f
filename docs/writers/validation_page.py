"""Write docs/validation.md from the table of oracles that the tests use."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).parents[2] / "tests"
PAGE = Path(__file__).parents[1] / "validation.md"
SUMMARY = "## In ten lines\n"
# Line of the summary -> the page's chapters that it stands for, and why some numbers differ by more.
LINES = {
    "Two raters: kappas and their errors": (("Two raters",), ""),
    "Several raters: kappas, marginal tests, Kendall's W": (("Several raters",), ""),
    "Krippendorff's alpha": (("Krippendorff's alpha",), ""),
    "Chance-corrected coefficients with gaps, all weights": (
        ("Chance-corrected coefficients with missing ratings",),
        "R prints five decimals, limits three",
    ),
    "Intraclass correlations": (
        ("Intraclass correlation (psych)", "Intraclass correlation (irr)"),
        "R stops an iteration",
    ),
    "Two groups: t, rank tests, effect sizes": (("Two independent groups",), ""),
    "Paired contrast": (("Paired contrast",), "R draws at random"),
    "Reliability: alpha, items, omega": (
        ("Cronbach's alpha", "Items of the scale", "McDonald's omega"),
        "R prints five decimals",
    ),
    "Multiplicity and power": (("Multiplicity", "Power"), ""),
    "Models of ratings": (
        ("Models of ratings", "Profile-likelihood intervals"),
        "R stops an iteration",
    ),
}
# Of R's number. What differs by less differs by rounding, and that by processor.
ROUNDING = 1e-12
MOST_DIGITS = 10
STABLE_DIGITS = (
    "Our numbers are printed as far as they agree with R's, at most ten digits, and differences as the\n"
    "power of ten that they do not exceed: what follows is where a search stopped, and changes with the\n"
    "processor. Differences below 1e-12 of a number are rounding, and stand as 0.\n\n"
)


def main() -> None:
    """Write the page from the test modules that hold oracles."""
    text = load("test_analysis_oracles").validation_table()
    text += "\n" + load("test_analysis_models_of_ratings").validation_chapter()
    text += "\n" + load("test_analysis_profile_intervals").validation_chapter()
    text = re.sub(r"^\| .* \|$", lambda line: stable(line[0]), text, flags=re.MULTILINE)
    text = text.replace("## ", STABLE_DIGITS + "## ", 1)
    PAGE.write_text(with_summary(text), encoding="utf-8")


def stable(row: str) -> str:
    """A row of a chapter's table with the digits that every processor gives.

    Examples
    --------
    >>> stable("| omega_ml | scale | lavaan | 0.9148143075 | 0.9148141762 | 1.3e-07 |")
    '| omega_ml | scale | lavaan | 0.9148143075 | 0.914814 | 1e-06 |'
    >>> stable("| p_value | scale | psych | 0.02948340337 | 0.02948340337 | 8e-17 |")
    '| p_value | scale | psych | 0.02948340337 | 0.02948340337 | 0e+00 |'
    """
    *named, theirs, ours, apart = row.removesuffix(" |").split(" | ")
    try:
        number, difference = float(ours), float(apart)
    except ValueError:
        return row
    if difference <= ROUNDING * abs(float(theirs)):
        power = 0.0
    else:
        place = math.ceil(math.log10(difference))
        power = 10.0**place
        digits = math.floor(math.log10(abs(number) or 1.0)) - place + 1
        ours = f"{number:.{min(max(digits, 1), MOST_DIGITS)}g}"
    return " | ".join([*named, theirs, ours, f"{power:.0e}"]) + " |"


def with_summary(text: str) -> str:
    """The page with its summary by chapter anew, counted from the page's own rows."""
    head, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    chapters = [part for part in parts if not part.startswith(SUMMARY)]
    rows = {c.split("\n", 1)[0].removeprefix("## "): _rows(c) for c in chapters}
    lines = [
        SUMMARY,
        "| chapter | numbers | within 1e-6 | farthest | because | against |",
        "|---|---:|---:|---:|---|---|",
    ]
    for line, (names, because) in LINES.items():
        own = [row for name in names for row in rows.pop(name)]
        apart = [float(row[-1]) for row in own]
        close = sum(difference <= 1e-6 for difference in apart)
        packages = {re.split(r"::| ", row[2].removeprefix("two one-sided "))[0] for row in own}
        against = ", ".join(sorted(packages))
        lines.append(
            f"| {line} | {len(own)} | {close} | {max(apart):.0e} | {because or '–'} | {against} |"
        )
    if rows:
        raise SystemExit(f"no line of the summary stands for the chapters {', '.join(rows)}")
    return head + "\n".join(lines) + "\n\n" + "".join(chapters)


def _rows(chapter: str) -> list[list[str]]:
    """Cells of a chapter's table: statistic, data, oracle, R's number, ours, difference."""
    lines = [line for line in chapter.splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[1:]]
    return [[cell.strip() for cell in row] for row in cells]


def load(name: str) -> ModuleType:
    """A test module, by its file's name."""
    path = TESTS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
