"""Writes docs/protocol.md's tables and protocols/protocol.schema.json from the schema.

Run it after a change of study/protocol/schema.py: python docs/writers/protocol_page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from study.protocol import Protocol
from study.protocol.items import KINDS, Item

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
SCHEMA = ROOT / "protocols" / "protocol.schema.json"
START = "<!-- fields: written by docs/writers/protocol_page.py -->\n"


def schema_text() -> str:
    """The JSON Schema of protocol files, for editors.

    Any block may be given as ``{include: FILE}``; an editor that follows the schema to the letter
    would mark that, so lists and blocks at the top level accept it here.
    """
    schema = Protocol.model_json_schema()
    include = {
        "type": "object",
        "properties": {"include": {"type": "string", "description": "A file beside this one."}},
        "required": ["include"],
        "additionalProperties": False,
    }
    for name, field in schema["properties"].items():
        if "$ref" in field or field.get("type") == "array":
            kept = {key: field.pop(key) for key in list(field) if key not in ("title", "default")}
            description = kept.pop("description", "")
            field.update({"description": description, "anyOf": [kept, include]})
            schema["properties"][name] = field
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


def field_tables() -> str:
    """One table for each block of the protocol, the whole file first."""
    schema = schema_of_tables()
    blocks = {"Protocol": schema, **_in_order_of_use(schema)}
    return "\n".join(_table(name, block) for name, block in blocks.items())


def schema_of_tables() -> dict[str, Any]:
    """The schema with one block ``Item`` in place of one for each kind, for the tables of the page."""
    schema = Protocol.model_json_schema()
    found = schema["$defs"]["Instrument"]["properties"]["items"]["items"]
    names = [found["discriminator"]["mapping"][kind].rpartition("/")[2] for kind in KINDS]
    schema["$defs"]["Item"] = _of_all_kinds([schema["$defs"].pop(name) for name in names])
    found.clear()
    found["$ref"] = "#/$defs/Item"
    return schema


def _of_all_kinds(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields that all kinds have and, after the kind, those of some, which say whose they are."""
    common = [
        name for name in blocks[0]["properties"] if all(name in b["properties"] for b in blocks)
    ]
    fields: dict[str, Any] = {}
    for name in common:
        fields[name] = dict(blocks[0]["properties"][name])
        if name == "kind":
            said = [
                f"{block['properties']['kind']['const']}: {block['properties']['kind']['description']}"
                for block in blocks
            ]
            fields["kind"] = {
                "enum": list(KINDS),
                "default": "likert",
                "description": " ".join(said),
            }
            fields |= _own_fields(blocks, common)
    return {"description": Item.__doc__, "properties": fields, "required": blocks[0]["required"]}


def _own_fields(blocks: list[dict[str, Any]], common: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in dict.fromkeys(name for block in blocks for name in block["properties"]):
        if name not in common:
            whose = [block["properties"] for block in blocks if name in block["properties"]]
            kinds = ", ".join(of["kind"]["const"] for of in whose)
            fields[name] = {
                **whose[0][name],
                "description": f"{kinds}: {whose[0][name]['description']}",
            }
    return fields


def _in_order_of_use(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(block: dict[str, Any]) -> None:
        for field in block["properties"].values():
            for name in _references(field):
                if name not in found:
                    found[name] = schema["$defs"][name]
                    visit(schema["$defs"][name])

    visit(schema)
    return found


def _references(field: dict[str, Any]) -> list[str]:
    places = [field, field.get("items", {}), *field.get("anyOf", [])]
    return [place["$ref"].rpartition("/")[2] for place in places if "$ref" in place]


def _table(name: str, block: dict[str, Any]) -> str:
    lines = [
        f"### {name}",
        "",
        block["description"].split("\n")[0],
        "",
        "| field | form | default | what it says |",
        "|---|---|---|---|",
    ]
    required = block.get("required", [])
    for field, spec in block["properties"].items():
        default = "required" if field in required else _default(spec.get("default"))
        cells = (f"`{field}`", _form(spec), default, spec.get("description", ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _default(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "none"
    return "see the block" if isinstance(value, dict) else f"`{value}`"


def _form(spec: dict[str, Any]) -> str:
    references = _references(spec)
    if references:
        links = ", ".join(f"[{name}](#{name.lower()})" for name in references)
        return f"list of {links}" if spec.get("type") == "array" else links
    if "enum" in spec:
        return " or ".join(f"`{value}`" for value in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if {"type": "object"}.items() <= spec.get("anyOf", [{}])[-1].items():
        return f"{_form(spec['anyOf'][0])}, or one for each language"
    if "anyOf" in spec:
        return " or ".join(_form(part) for part in spec["anyOf"] if part.get("type") != "null")
    if spec.get("type") == "array":
        return "list of text"
    if spec.get("type") == "string":
        return f"`{spec['pattern']}`" if "pattern" in spec else "text"
    return {"integer": "whole number", "number": "number", "boolean": "yes or no"}[
        spec["type"]
    ] + _range(spec)


def _range(spec: dict[str, Any]) -> str:
    parts = []
    for key, words in (("minimum", "from"), ("exclusiveMinimum", "above")):
        if key in spec:
            parts.append(f"{words} {spec[key]}")
    for key, words in (("maximum", "to"), ("exclusiveMaximum", "below")):
        if key in spec:
            parts.append(f"{words} {spec[key]}")
    return f", {' '.join(parts)}" if parts else ""


def page_text(present: str) -> str:
    """The page with its tables as they should be; the text before them is kept."""
    return present.partition(START)[0] + START + "\n" + field_tables()


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
