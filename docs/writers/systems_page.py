"""Writes the tables of docs/systems.md from the dialogue's table.

Run it after a change of models/dialogue/dialogue.toml: python docs/writers/systems_page.py
"""

from __future__ import annotations

import re
from pathlib import Path

from models.dialogue.danger_measures import HeldOut, measure_held_out
from models.dialogue.state_table import ANSWERS, CARRIED, state_table

PAGE = Path(__file__).parents[1] / "systems.md"


def moves_table() -> str:
    """One row for each state, one column for each thing that a message can carry."""
    table = state_table()
    columns = (*CARRIED, *ANSWERS)
    lines = ["| state | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for state, meaning in table.states.items():
        cells = [
            f"→ {move.next}: {', '.join(move.choose)}" if move else ""
            for move in (table.moves[state].get(carried) for carried in columns)
        ]
        lines.append(f"| **{state}**: {meaning} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def techniques_table() -> str:
    """One row for each technique: its first sentence and the instruction."""
    lines = ["| technique | says, first of its sentences | tells the generator |", "|---|---|---|"]
    for technique in state_table().techniques.values():
        says = technique.says[0] if technique.says else "the fixed reply"
        told = technique.instruction or "nothing: it is not asked"
        lines.append(f"| {technique.id} | {says} | {told} |")
    return "\n".join(lines)


def danger_table() -> str:
    """One row for each category and language of the held-out half, with Wilson's interval."""
    lines = [
        "| held-out sentences | n | read rightly | share | 95 % interval |",
        "|---|---:|---:|---:|---|",
    ]
    for row in measure_held_out():
        lines.append(_danger_row(row))
    return "\n".join(lines)


def _danger_row(row: HeldOut) -> str:
    low, high = row.interval
    return f"| {row.title} | {row.n} | {row.right} | {row.share:.3f} | {low:.3f} to {high:.3f} |"


def page_text(present: str) -> str:
    """The page with its tables as they should be; the text around them is kept."""
    tables = {"moves": moves_table(), "techniques": techniques_table(), "danger": danger_table()}
    for name, table in tables.items():
        mark = f"<!-- {name}: written by docs/writers/systems_page.py -->\n"
        start, _, rest = present.partition(mark)
        after = re.search(r"^###? ", rest, re.MULTILINE)
        present = f"{start}{mark}\n{table}\n\n{rest[after.start() :] if after else ''}"
    return present


if __name__ == "__main__":
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
