"""The command line: wires the rooms together."""

from __future__ import annotations

import sys

from study.cli.group import run


def main() -> None:
    """Entry point of the console script ``evenhand``."""
    sys.exit(run(sys.argv[1:]))
