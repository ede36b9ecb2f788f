"""Write docs/calibration.md from the JSON of ``evenhand bench calibration -o FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "calibration.md"

INTRODUCTION = """# Calibration of tests and intervals

Written by `python docs/writers/calibration_page.py FILE` from `evenhand bench calibration -o FILE`; do not
edit. Data of the study's shape are drawn again and again. A test at 5 % should reject a true null
hypothesis in 4.5 to 5.5 % of the draws, a 95 % interval should hold the true value in 93.5 to 96.5 %.
Each rate stands with its own Monte Carlo standard error: a rate within two of them of a bound is not
known to lie on either side.
"""

BROKEN = """
## Where assumptions do not hold

These rows show what happens when a method is used on data that it is not made for. They are the reason
why the report takes one total per rater, shows Welch beside Student, gives raters slopes of their own
and responses an effect of their own where it speaks of other prompts, and corrects the standard errors of
few clusters; and why bootstrap percentiles are expanded.
"""


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    lines = ["", "| method | data | quantity | rate | error | draws | undefined | within |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        lines.append(
            f"| {row['method']} | {row['data']} | {row['quantity']} | {100 * row['rate']:.2f} % | "
            f"{100 * row['standard_error']:.2f} | {row['runs']:,} | {row['undefined']} | "
            f"{'yes' if row['within'] else 'no'} |"
        )
    return "\n".join([*lines, ""])


def outside(rows: list[dict[str, Any]]) -> str:
    """What a reader must know about the methods outside their bounds, each with its number."""
    found = [row for row in rows if not row["within"]]
    if not found:
        return "\nEvery method is within its bounds.\n"
    sentences = [
        f"- **{row['method']}**: {row['quantity']} {100 * row['rate']:.2f} % "
        f"(aimed at {100 * row['low']:.1f} to {100 * row['high']:.1f} %)."
        for row in found
    ]
    return "\n".join(["", "Outside their bounds:", "", *sentences, ""])


def main(file: Path) -> None:
    """Write the page."""
    rows = json.loads(file.read_text(encoding="utf-8"))["calibration"]
    sound = [row for row in rows if row["assumptions_hold"]]
    broken = [row for row in rows if not row["assumptions_hold"]]
    PAGE.write_text(
        INTRODUCTION + outside(sound) + table(sound) + BROKEN + table(broken), encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
