"""Reads a protocol file and says, by file, line and field, what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.protocol.contradictions.protocol import contradictions
from study.protocol.items import KINDS
from study.protocol.languages import declared_languages, in_language, language_faults
from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Document, Location, Problem, protocol_error, read_text

__all__ = ["Problem", "load_protocol", "parse_protocol", "read_text", "resolve_includes"]


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
    document = Document(text, name, folder)
    plain = document.plain()
    codes = declared_languages(plain)
    try:
        protocol = Protocol.model_validate(in_language(plain, codes, codes[0]) if codes else plain)
    except ValidationError as error:
        found = [_of_item(tuple(part["loc"]), dict(part)) for part in error.errors()]
        problems = [
            document.problem(where, _expectation(part))
            for where, part in found
            if not _follows_from_another(where, part, found)
        ]
        raise protocol_error(problems) from None
    found_faults = [*contradictions(protocol), *language_faults(protocol, plain)]
    if found_faults:
        raise protocol_error([document.problem(where, what) for where, what in found_faults])
    for code in codes[1:]:
        other = Protocol.model_validate({**in_language(plain, codes, code), "language": code})
        protocol.add_language(code, other)
    return protocol


def resolve_includes(path: Path) -> str:
    """The protocol's YAML text with every ``include`` replaced by what it names."""
    return Document(read_text(path), path.name, path.parent).dump()


def _follows_from_another(
    where: Location, error: dict[str, Any], found: list[tuple[Location, dict[str, Any]]]
) -> bool:
    """Whether a list seems too short only because entries of it were refused."""
    return error["type"] == "too_short" and any(
        len(other) > len(where) and other[: len(where)] == where for other, _ in found
    )


def _of_item(where: Location, error: dict[str, Any]) -> tuple[Location, dict[str, Any]]:
    """A finding as if there were no kinds: pydantic names an item's kind on the way to its fields."""
    if where[:1] != ("instruments",) or where[2:3] != ("items",):
        return where, error
    if error["type"] == "union_tag_invalid":
        quoted = [repr(kind) for kind in KINDS]
        expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        found = {"type": "literal_error", "input": error["input"]["kind"]}
        return (*where, "kind"), {**found, "ctx": {"expected": expected}}
    return (*where[:4], *where[5:]), error


# pydantic's names of forms, in the words of YAML.
_FORMS = {
    "tuple_type": "a list, each entry after '- '",
    "model_type": "fields, each as 'name: value'",
    "model_attributes_type": "fields, each as 'name: value'",
    "dict_type": "fields, each as 'name: value'",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


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
    if kind == "string_too_short":
        return "found an empty text, expected at least one character"
    if value is None and kind.endswith("_type"):
        return f"the field is empty; expected {_FORMS.get(kind, 'a value')}"
    if kind == "string_type" and not isinstance(value, dict | list):
        return f'found {value!r}, expected text; put it in quotes: "{value}"'
    expected = str(error["msg"]).replace("Input should be", "expected").replace("String", "text")
    expected = expected[0].lower() + expected[1:]
    if kind in _FORMS:
        expected = f"expected {_FORMS[kind]}"
    if isinstance(value, dict | list | tuple):
        return f"found {'a list' if isinstance(value, list) else 'fields'}; {expected}"
    return f"found {'nothing' if value is None else repr(value)}, {expected}"
