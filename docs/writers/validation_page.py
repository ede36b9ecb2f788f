"""Write docs/validation.md from the table of oracles that the tests use."""

from __future__ import annotations

import importlib.util
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


def main() -> None:
    """Write the page from the test modules that hold oracles."""
    text = load("test_analysis_oracles").validation_table()
    text += "\n" + load("test_analysis_models_of_ratings").validation_chapter()
    text += "\n" + load("test_analysis_profile_intervals").validation_chapter()
    PAGE.write_text(with_summary(text), encoding="utf-8")


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
