"""A protocol file's YAML tree, which remembers from which file and line each node came."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from study.errors import ProtocolError

Location = tuple[str | int, ...]

# An alias that is used again and again makes a short file a huge tree; no protocol comes near these.
_MOST_NODES = 200_000
_MOST_LEVELS = 40


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a protocol file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, {self.field}: {self.message}"


def protocol_error(problems: Sequence[Problem]) -> ProtocolError:
    """All problems as one error, in the order of the file."""
    ordered = sorted(set(problems), key=lambda p: (p.file, p.line, p.field))
    number = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    return ProtocolError(
        "\n".join([f"The protocol has {number}:", *(f"  {problem}" for problem in ordered)])
    )


def read_text(path: Path) -> str:
    """Text of a file that a person wrote, or a ProtocolError that says what to do."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProtocolError(
            f"There is no protocol file {path}. Give the path of a YAML file, or make a study "
            f"folder with `evenhand init DIR --protocol NAME` (`evenhand protocols` lists the names)."
        ) from None
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"{path.name} is not UTF-8 text (byte {error.start}). Save it as UTF-8 in your editor."
        ) from None
    except OSError as error:
        raise ProtocolError(
            f"{path} cannot be read ({error.strerror}). Give the path of a YAML file that you may read."
        ) from None


def yaml_writer() -> YAML:
    """YAML that keeps comments and the order of fields."""
    yaml = YAML(typ="rt")
    yaml.width = 100
    return yaml


class Document:
    """A YAML tree with its includes put in.

    Raises
    ------
    ProtocolError
        When the text is not YAML, is not a mapping, or includes what is not there.
    """

    def __init__(self, text: str, name: str, folder: Path | None) -> None:
        self.name = name
        self._files: dict[int, str] = {}
        self._seen: set[int] = set()
        self.root = _read(text, name)
        self._include(self.root, (name,), folder)

    def _include(self, node: Any, files: tuple[str, ...], folder: Path | None) -> None:
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        for key, child in _children(node):
            if isinstance(child, CommentedMap) and list(child) == ["include"]:
                node[key] = self._included(str(child["include"]), child, files, folder)
            elif isinstance(child, CommentedMap | CommentedSeq):
                self._include(child, files, folder)

    def _included(
        self, relative: str, child: CommentedMap, files: tuple[str, ...], folder: Path | None
    ) -> Any:
        where = (files[-1], _line(child, "include", 1), "include")
        path = (folder / relative) if folder else None
        if path is None or not path.is_file():
            raise protocol_error([Problem(*where, f"there is no file {relative!r} beside it")])
        if relative in files:
            raise protocol_error([Problem(*where, f"{relative!r} includes itself")])
        root = _read(read_text(path), relative)
        content = root["content"] if list(root) == ["content"] else root
        # Only containers have an identity: two equal numbers may be one object.
        if not isinstance(content, CommentedMap | CommentedSeq):
            raise protocol_error(
                [Problem(relative, 1, "content", f"found {content!r}, expected fields or a list")]
            )
        self._files[id(content)] = relative
        self._include(content, (*files, relative), path.parent)
        return content

    def plain(self) -> Any:
        """The tree as plain dicts, lists and values."""
        budget = iter(range(_MOST_NODES))
        try:
            return _plain(self.root, budget, _MOST_LEVELS)
        except (StopIteration, RecursionError):
            raise protocol_error(
                [
                    Problem(
                        self.name,
                        1,
                        "file",
                        f"the file unfolds to more than {_MOST_NODES} values or {_MOST_LEVELS} levels, "
                        "or contains itself; check the anchors (&name) and aliases (*name)",
                    )
                ]
            ) from None

    def dump(self) -> str:
        """The tree as YAML text, without includes."""
        stream = io.StringIO()
        yaml_writer().dump(self.root, stream)
        return stream.getvalue()

    def problem(self, where: Location, message: str) -> Problem:
        """A problem at a place in the tree; a missing field is reported at its parent."""
        node: Any = self.root
        file, line = self.name, 1
        for part in where:
            if not _has(node, part):
                break
            line, node = _line(node, part, line), node[part]
            if id(node) in self._files:
                file, line = self._files[id(node)], 1
        return Problem(file, line, _dotted(where), message)


def _read(text: str, name: str) -> CommentedMap:
    try:
        root = yaml_writer().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join((error.problem or "not valid YAML").split())
        raise protocol_error(
            [Problem(name, line, "YAML", f"{what}. Check indentation, colons and quotes.")]
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        # A character that YAML forbids, an impossible date, or thousands of nested brackets.
        what = "nested too deep" if isinstance(error, RecursionError) else str(error).split("\n")[0]
        raise protocol_error([Problem(name, 1, "YAML", f"not valid YAML ({what}).")]) from None
    if isinstance(root, CommentedMap):
        return root
    found = "an empty file" if root is None else "a list" if isinstance(root, list) else "a value"
    raise protocol_error(
        [Problem(name, 1, "file", f"found {found}, expected fields such as 'id: my-study'")]
    )


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, CommentedSeq):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, CommentedMap) and part in node


def _line(node: CommentedMap | CommentedSeq, key: Any, otherwise: int) -> int:
    try:
        place = node.lc.key(key) if isinstance(node, CommentedMap) else node.lc.item(key)
    except (KeyError, TypeError):
        place = None
    # A key that a merge (<<) brought has no line of its own.
    return otherwise if place is None else int(place[0]) + 1


def _children(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, CommentedMap):
        yield from list(node.items())
    elif isinstance(node, CommentedSeq):
        yield from enumerate(list(node))


def _plain(node: Any, budget: Iterator[int], levels: int) -> Any:
    next(budget)
    if not levels:
        raise RecursionError
    if isinstance(node, CommentedMap):
        plain = {}
        for key, value in node.items():
            plain[str(key)] = _plain(value, budget, levels - 1)
        return plain
    if isinstance(node, CommentedSeq):
        # A loop and not a comprehension: StopIteration has to come through.
        values = []
        for value in node:
            values.append(_plain(value, budget, levels - 1))
        return values
    return _value(node)


def _value(node: Any) -> Any:
    if isinstance(node, TaggedScalar):
        return str(node.value)
    for kind in (bool, str, int, float):
        if isinstance(node, kind):
            return kind(node)
    return node


def _dotted(where: Location) -> str:
    text = ""
    for part in where:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "file"
