"""Files and folders that are whole or not there at all.

Everything that evenhand writes for a person is written beside its place and takes the place when it is
complete, so that a full disk leaves what was there before and nothing half-written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from study.errors import WritingError

# Ratings, answers about people and links are for the account that runs the study alone.
OWNER_ONLY = 0o600
FOR_ALL = 0o644

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
# What is wrong with files and disks; other errors of the system are nobody's file.
OF_FILES = (*NO_ROOM, *_NOT_ALLOWED, errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = OWNER_ONLY) -> Iterator[Path]:
    """Gives the path to write to; when the block ends, what is there takes the place of ``path``.

    A file that is there already keeps its content until then. A device or pipe (``/dev/stdout``) is
    written directly.

    Raises
    ------
    WritingError
        When it cannot be written; then nothing of it is left.
    """
    place = Path(os.path.realpath(path))  # a link stays a link, and its target is replaced
    if place.exists() and not place.is_file() and not place.is_dir():
        with _told(path):
            yield place
        return
    part = place.with_name(f".evenhand-{secrets.token_hex(4)}{place.suffix[:16]}")
    with _told(path):
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        try:
            yield part
            _flush(part)
            part.replace(place)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_whole(path: Path, content: str | bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write a file whole, text as UTF-8 with its line ends as they are.

    Raises
    ------
    WritingError
        As ``whole_file``.
    """
    plain = content.encode() if isinstance(content, str) else content
    with whole_file(path, mode=mode) as part, part.open("wb") as file:
        file.write(plain)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Gives a new folder to write into; when the block ends, it takes the place of ``path``.

    Only its owner may look into it. A folder that is there already is replaced.

    Raises
    ------
    WritingError
        When something in it cannot be written; then nothing of it is left.
    """
    part = path.with_name(f".evenhand-{secrets.token_hex(4)}")
    with _told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.mkdir(mode=0o700)
            yield part
            if path.is_dir():
                shutil.rmtree(path)
            part.replace(path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _flush(part: Path) -> None:
    # Some file systems tell of a full disk only here.
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in OF_FILES:
            raise
        raise WritingError(why_not_written(path, error)) from None


def why_not_written(path: Path | str, error: OSError) -> str:
    """One sentence: what could not be written, why, and what to do."""
    place, said = Path(path), error.strerror or str(error)
    if error.errno in NO_ROOM:
        return (
            f"There is no room for {place} ({said}), so it was not written and what was there before "
            "stays as it was. Make room on the disk, then run the command again."
        )
    if error.errno == errno.EISDIR:
        return f"{place} is a folder. Name a file in it."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return (
            f"There is no folder {place.parent} for {place.name}. Make it, or name another place."
        )
    return (
        f"{place} was not written ({said}). Name a place where you may write, or have the rights "
        "changed."
    )
