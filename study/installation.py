"""How this evenhand was installed, and the command that adds a part to it.

evenhand is in no package registry, so a command such as ``pip install`` with its bare name would fail or,
worse, install what somebody else put there under that name.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "evenhand"
CONSTRAINTS_FILE = "constraints.txt"


def install_command(extra: str) -> str:
    """The command that installs the packages of one extra (``"models"``) into this very environment.

    For a clone: the clone again, with its constraints. For a wheel, an archive or a repository: the same
    one again. Where the origin is not known or not there any more: the packages themselves, by name.
    """
    pip = [sys.executable, "-m", "pip", "install"]
    try:
        distribution = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        return _from_folder(pip, Path(__file__).resolve().parent.parent, extra)
    origin = _origin(distribution)
    address = str(origin.get("url", ""))
    here = _local_path(address)
    if here is not None and here.is_dir():
        return _from_folder(pip, here, extra, editable=bool(_part(origin, "dir_info", "editable")))
    if here is not None and here.is_file():
        return shlex.join([*pip, f"{here}[{extra}]"])
    if (system := _part(origin, "vcs_info", "vcs")) and "://" in address:
        commit = _part(origin, "vcs_info", "commit_id")
        return shlex.join([*pip, f"{NAME}[{extra}] @ {system}+{address}@{commit}"])
    return shlex.join([*pip, *packages_of(extra)])


def packages_of(extra: str) -> list[str]:
    """The packages that an extra asks for, never evenhand itself; extras within it are followed."""
    wanted, seen, packages = [extra], set(), []
    while wanted:
        now = wanted.pop()
        seen.add(now)
        for line in metadata.requires(NAME) or []:
            requirement, _, marker = line.partition(";")
            if f"'{now}'" not in marker.replace('"', "'") or "extra" not in marker:
                continue
            own = re.match(rf"{NAME}\[([^\]]*)\]", requirement.strip())
            if own is None:
                packages.append(requirement.strip())
            else:
                wanted += {name.strip() for name in own[1].split(",")} - seen
    return sorted(set(packages))


def _from_folder(pip: list[str], folder: Path, extra: str, *, editable: bool = True) -> str:
    constraints = folder / CONSTRAINTS_FILE
    pinned = ["-c", str(constraints)] if constraints.is_file() else []
    return shlex.join([*pip, *pinned, *(["-e"] if editable else []), f"{folder}[{extra}]"])


def _origin(distribution: metadata.Distribution) -> dict[str, object]:
    """What pip noted of where it installed from (PEP 610); empty where it noted nothing."""
    try:
        noted = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        noted = {}
    return noted if isinstance(noted, dict) else {}


def _part(origin: dict[str, object], block: str, name: str) -> object:
    inner = origin.get(block)
    return inner.get(name) if isinstance(inner, dict) else None


def _local_path(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
