"""The demo model that comes with the package; see README.md beside this file."""

from __future__ import annotations

from pathlib import Path

from study.errors import ModelError

FOLDER = Path(__file__).parent


def shipped_path(name: str) -> Path:
    """Path of a shipped model: ``demo-base``, ``demo-tuned`` (folders) or ``demo-tuned.pte``.

    Raises
    ------
    ModelError
        When nothing of that name is shipped.
    """
    path = FOLDER / name
    if Path(name).name != name or not name.startswith("demo-") or not path.exists():
        known = sorted(p.name for p in FOLDER.glob("demo-*") if p.suffix in ("", ".pte"))
        raise ModelError(
            f"There is no shipped model {name!r}; expected one of: {', '.join(known) or 'none'}."
        )
    return path
