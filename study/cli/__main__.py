"""``python -m study.cli`` is ``evenhand``."""

from study.cli import main

main()
