"""Reads a protocol file and says, by file, line and field, what is wrong with it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from study.errors import ProtocolError
from study.protocol.schema import Protocol

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a protocol file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, {self.field}: {self.message}"


def load_protocol(path: Path) -> Protocol:
    """Read and check a protocol file.

    Raises
    ------
    ProtocolError
        With one line per problem: file, line, field and what was expected.
    """
    return parse_protocol(read_text(path), path.name, folder=path.parent)


def parse_protocol(text: str, name: str, *, folder: Path | None = None) -> Protocol:
    """Check a protocol given as YAML text; ``name`` is the file's name in messages.

    ``folder`` is where ``include`` paths start; without it, includes are refused.
    """
    document = _Document(text, name, folder)
    try:
        protocol = Protocol.model_validate(document.plain())
    except ValidationError as error:
        found = [(tuple(part["loc"]), dict(part)) for part in error.errors()]
        problems = [
            document.problem(where, _expectation(part))
            for where, part in found
            if not _follows_from_another(where, part, found)
        ]
        raise _protocol_error(problems) from None
    problems = [document.problem(where, what) for where, what in _contradictions(protocol)]
    if problems:
        raise _protocol_error(problems)
    return protocol


def resolve_includes(path: Path) -> str:
    """The protocol's YAML text with every ``include`` replaced by what it names."""
    document = _Document(read_text(path), path.name, path.parent)
    stream = io.StringIO()
    _yaml().dump(document.root, stream)
    return stream.getvalue()


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


def _protocol_error(problems: Sequence[Problem]) -> ProtocolError:
    ordered = sorted(set(problems), key=lambda p: (p.file, p.line, p.field))
    head = (
        "The protocol has 1 problem"
        if len(ordered) == 1
        else (f"The protocol has {len(ordered)} problems")
    )
    return ProtocolError("\n".join([f"{head}:", *(f"  {problem}" for problem in ordered)]))


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 100
    return yaml


class _Document:
    """A YAML tree that remembers from which file and line each node came."""

    def __init__(self, text: str, name: str, folder: Path | None) -> None:
        self.name = name
        self._files: dict[int, str] = {}
        self.root = self._read(text, name)
        self._include(self.root, folder)

    def _read(self, text: str, name: str) -> CommentedMap:
        try:
            root = _yaml().load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            what = " ".join((error.problem or "not valid YAML").split())
            raise _protocol_error(
                [Problem(name, line, "YAML", f"{what}. Check indentation, colons and quotes.")]
            ) from None
        if not isinstance(root, CommentedMap):
            raise _protocol_error(
                [Problem(name, 1, "file", "expected fields such as 'id: my-study', found none")]
            )
        return root

    def _include(self, node: Any, folder: Path | None) -> None:
        for key, child in _children(node):
            if isinstance(child, CommentedMap) and list(child) == ["include"]:
                node[key] = child = self._included(str(child["include"]), child, folder)
            elif isinstance(child, CommentedMap | CommentedSeq):
                self._include(child, folder)

    def _included(self, relative: str, child: CommentedMap, folder: Path | None) -> Any:
        line = child.lc.line + 1
        path = (folder / relative) if folder else None
        if path is None or not path.is_file():
            raise _protocol_error(
                [Problem(self.name, line, "include", f"there is no file {relative!r} beside it")]
            )
        root = self._read(read_text(path), relative)
        content = root["content"] if list(root) == ["content"] else root
        self._files[id(content)] = relative
        return content

    def plain(self) -> Any:
        return _plain(self.root)

    def problem(self, where: Location, message: str) -> Problem:
        """A problem at a place in the tree; a missing field is reported at its parent."""
        node: Any = self.root
        file, line = self.name, 1
        for part in where:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
                node = node[part]
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
                node = node[part]
            else:
                break
            if id(node) in self._files:
                file, line = self._files[id(node)], 1
        return Problem(file, line, _dotted(where), message)


def _children(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, CommentedMap):
        yield from list(node.items())
    elif isinstance(node, CommentedSeq):
        yield from enumerate(list(node))


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, str):
        return str(node)
    return node


def _dotted(where: Location) -> str:
    text = ""
    for part in where:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "file"


def _follows_from_another(
    where: Location, error: dict[str, Any], found: list[tuple[Location, dict[str, Any]]]
) -> bool:
    """Whether a list seems too short only because entries of it were refused."""
    return error["type"] == "too_short" and any(
        len(other) > len(where) and other[: len(where)] == where for other, _ in found
    )


def _expectation(error: dict[str, Any]) -> str:
    """pydantic's finding in the words of a person who edits a YAML file."""
    kind, value = error["type"], error.get("input")
    if kind == "missing":
        return "this field is missing; add it"
    if kind == "extra_forbidden":
        return "there is no such field in schema version 1; check the spelling or remove it"
    if kind == "literal_error":
        return f"found {value!r}, expected {error['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        return (
            f"found {value!r}, expected text of the form {error['ctx']['pattern']} (lower case "
            f"letters, digits, '-', '_' and '.' for an id)"
        )
    if isinstance(value, dict | list | tuple):
        return str(error["msg"][0].lower() + error["msg"][1:])
    return f"found {value!r}, expected: {error['msg'].removeprefix('Input ')}"


def _contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """What each block alone cannot see: double ids and references to nothing."""
    yield from _double_ids(protocol)
    yield from _unknown_references(protocol)
    for i, instrument in enumerate(protocol.instruments):
        values = instrument.scale.values
        if list(values) != sorted(set(values)):
            yield (
                ("instruments", i, "scale", "points"),
                f"found the values {list(values)}, expected each once, lowest first",
            )
    for i, question in enumerate(protocol.demographics):
        if question.kind == "choice" and len(question.options) < 2:
            yield (
                ("demographics", i, "options"),
                f"question {question.id!r} is a choice and needs at least two options",
            )
    for i, system in enumerate(protocol.systems):
        if system.backend != "scripted" and not system.model:
            yield (
                ("systems", i, "model"),
                f"system {system.id!r} uses the backend {system.backend!r}, which needs a model",
            )
        if system.backend == "openai" and not system.endpoint.startswith(("http://", "https://")):
            yield (
                ("systems", i, "endpoint"),
                f"found {system.endpoint!r}, expected an address such as http://127.0.0.1:8000/v1",
            )


def _double_ids(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    lists: dict[str, Sequence[Any]] = {
        "topics": protocol.topics,
        "prompts": protocol.prompts,
        "systems": protocol.systems,
        "groups": protocol.groups,
        "demographics": protocol.demographics,
        "instruments": protocol.instruments,
    }
    for name, entries in lists.items():
        for i in _repeated([entry.id for entry in entries]):
            yield (
                (name, i, "id"),
                f"the id {entries[i].id!r} is used twice in {name}; ids must differ",
            )
    places = [
        (i, j, item.id)
        for i, instrument in enumerate(protocol.instruments)
        for j, item in enumerate(instrument.items)
    ]
    for k in _repeated([item_id for _, _, item_id in places]):
        i, j, item_id = places[k]
        yield (
            ("instruments", i, "items", j, "id"),
            f"the item {item_id!r} is declared twice; every item of the study needs an id of its own",
        )


def _repeated(ids: Iterable[str]) -> list[int]:
    seen: Counter[str] = Counter()
    repeated = []
    for i, entry in enumerate(ids):
        seen[entry] += 1
        if seen[entry] > 1:
            repeated.append(i)
    return repeated


def _unknown_references(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    topics = {topic.id for topic in protocol.topics}
    for i, prompt in enumerate(protocol.prompts):
        if prompt.topic not in topics:
            yield ("prompts", i, "topic"), _unknown("topic", prompt.topic, topics)
    systems = {system.id for system in protocol.systems}
    primary = protocol.analysis.primary
    for name in ("system", "against"):
        if getattr(primary, name) not in systems:
            yield (
                ("analysis", "primary", name),
                _unknown("system", getattr(primary, name), systems),
            )
    if primary.system == primary.against:
        yield (
            ("analysis", "primary", "against"),
            f"found {primary.against!r} on both sides, expected two different systems",
        )
    choices = {q.id for q in protocol.demographics if q.kind == "choice"}
    for i, test in enumerate(protocol.analysis.subgroups):
        if test.by not in choices:
            yield (
                ("analysis", "subgroups", i, "by"),
                _unknown("demographic question of kind choice", test.by, choices),
            )


def _unknown(noun: str, value: str, known: Iterable[str]) -> str:
    names = ", ".join(sorted(known)) or "none is declared"
    return f"there is no {noun} {value!r}; declared: {names}"
