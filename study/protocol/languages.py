"""A protocol in several languages: its texts are given as ``{en: ..., es: ...}``.

The choice is made on the file's tree before it is read as a protocol, so everything behind it works
with one language and never knows of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from study.protocol.block import Block, Shown
from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Location

# The same for everybody: what systems read and write, and what is computed.
_NAMES = frozenset({"id", "value", "group", "instrument", "kind", "topic"})
_AS_IT_IS = frozenset({"prompts", "systems", "judge", "analysis", "languages"})


def declared_languages(plain: Any) -> list[str]:
    """The languages of a file's tree, the protocol's own first; none for a file in one language."""
    codes = plain.get("languages")
    if not isinstance(codes, list) or not codes or not all(isinstance(c, str) for c in codes):
        return []
    first = plain.get("language", codes[0])
    return [first, *(code for code in codes if code != first)] if first in codes else list(codes)


def _is_by_language(node: Any, codes: Sequence[str]) -> bool:
    return (
        isinstance(node, dict)
        and any(key in codes for key in node)
        and all(len(key) == 2 and key.isalpha() and key.islower() for key in node)
        and all(isinstance(value, str) for value in node.values())
    )


def in_language(plain: Any, codes: Sequence[str], code: str) -> Any:
    """The tree with every text in one language; a missing one comes from the first language."""

    def chosen(node: Any) -> Any:
        if _is_by_language(node, codes):
            return node.get(code) or next((node[c] for c in codes if node.get(c)), "")
        if isinstance(node, dict):
            return {key: chosen(value) for key, value in node.items()}
        return [chosen(value) for value in node] if isinstance(node, list) else node

    first = {"language": codes[0]}
    return {**first, **{k: v if k in _AS_IT_IS else chosen(v) for k, v in plain.items()}}


def language_faults(protocol: Protocol, plain: Any) -> Iterator[tuple[Location, str]]:
    """Texts that are missing in a language, or given in one that is not declared."""
    codes = protocol.languages
    if not codes:
        return
    if len(set(codes)) < len(codes) or len(codes) < 2:
        yield ("languages",), f"found {', '.join(codes)}; expected two or more, each once"
    if protocol.language not in codes:
        yield (
            ("language",),
            f"found {protocol.language!r}, expected one of the languages: {', '.join(codes)}",
        )
    for key, section in plain.items():
        if key not in _AS_IT_IS:
            yield from _incomplete(section, (key,), codes)
    for place in _shown(protocol, ()):
        if isinstance(_at(plain, place), str):
            yield (
                place,
                "this text is there in one language only; give one for each of "
                f"{', '.join(codes)}: {{{codes[0]}: ..., {codes[-1]}: ...}}",
            )


def _incomplete(node: Any, place: Location, codes: Sequence[str]) -> Iterator[tuple[Location, str]]:
    if _is_by_language(node, codes):
        if place[-1] in _NAMES:
            yield place, "a name in the data is the same in every language; write it once"
        for code in codes:
            if not node.get(code, "").strip():
                yield place, f"the text in {code!r} is missing; add it"
        for code in node:
            if code not in codes:
                yield (
                    place,
                    f"the language {code!r} is not declared; add it to languages or remove the text",
                )
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _incomplete(value, (*place, key), codes)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _incomplete(value, (*place, i), codes)


def _shown(block: Block, place: Location) -> Iterator[Location]:
    """Where the texts are that raters read."""
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        if isinstance(value, str):
            if value and any(isinstance(mark, Shown) for mark in field.metadata):
                yield (*place, name)
        elif isinstance(value, Block):
            yield from _shown(value, (*place, name))
        elif isinstance(value, tuple):
            for i, entry in enumerate(value):
                if isinstance(entry, Block):
                    yield from _shown(entry, (*place, name, i))


def _at(node: Any, place: Location) -> Any:
    for part in place:
        found = isinstance(node, dict) and part in node
        found = found or (isinstance(node, list) and isinstance(part, int) and part < len(node))
        if not found:
            return None
        node = node[part]
    return node
