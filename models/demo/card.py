"""Refreshes the tables of the demo model's card: ``python -m models.demo.card``."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

from models.offline.export import file_sha256
from models.shipped import FOLDER


def shipped_files(folder: Path = FOLDER) -> list[Path]:
    """Every shipped model file, the card and code left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and path != folder / "README.md"
        and "__pycache__" not in path.parts
    ]


def file_table(folder: Path = FOLDER) -> str:
    """Markdown table of names, sizes and SHA-256 hashes."""
    lines = ["| file | bytes | SHA-256 |", "|---|---:|---|"]
    for path in shipped_files(folder):
        name = path.relative_to(folder).as_posix()
        lines.append(f"| `{name}` | {path.stat().st_size:,} | `{file_sha256(path)}` |")
    total = sum(path.stat().st_size for path in shipped_files(folder))
    return "\n".join([*lines, f"| together | {total:,} | |"])


def loss_table(folder: Path = FOLDER) -> str:
    """Markdown table of the held-out losses that the training recorded."""
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    lines = ["| model | held-out replies | nats per reply token |", "|---|---|---:|"]
    for model, losses in record["held_out_loss_nats_per_reply_token"].items():
        lines += [f"| {model} | {style} | {loss:.3f} |" for style, loss in losses.items()]
    return "\n".join(lines)


def variant_table(folder: Path = FOLDER) -> str:
    """Markdown table of the training variants' held-out losses."""
    record = json.loads((folder / "variants.json").read_text(encoding="utf-8"))
    lines = [
        "| model | held-out replies | steps | seconds | loss | loss as 8da4w | difference |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in record["rows"]:
        loss, quantized = row["loss"], row["quantized_loss"]
        trained = f"{row['steps']} | {row['seconds']}" if row["steps"] else " | "
        lines.append(
            f"| {row['variant']} | {row['held_out']} | {trained} | {loss:.4f} | {quantized:.4f} "
            f"| {quantized - loss:+.4f} |"
        )
    return "\n".join(lines)


def refresh_card(folder: Path = FOLDER) -> None:
    """Write the tables between the card's ``<!-- NAME -->`` and ``<!-- end NAME -->`` marks."""
    tables = {
        "files": file_table(folder),
        "losses": loss_table(folder),
        "variants": variant_table(folder),
    }
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)",
            partial(_between, table),
            text,
            flags=re.DOTALL,
        )
    card.write_text(text, encoding="utf-8")


def _between(table: str, found: re.Match[str]) -> str:
    return f"{found.group(1)}{table}\n{found.group(2)}"


if __name__ == "__main__":
    refresh_card()
