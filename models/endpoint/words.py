"""What an endpoint itself says about a fault, whatever form it gives it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_SENTENCE = 300
LONGEST_READ = 2**14

# Where endpoints put their reason, the most telling first: OpenAI, vLLM and Azure (error.message),
# FastAPI (detail, also as a list), Ollama and TGI (error as text), problem+json (detail, title).
_PLACES = (
    "error", "detail", "message", "msg", "errors", "error_message", "error_description", "reason",
    "title", "description",
)  # fmt: skip
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]+>", re.IGNORECASE | re.DOTALL)
_DEEPEST = 6


def words_of_endpoint(body: bytes | str) -> str:
    """One line with the reason that an answer's body gives, or what kind of body it is.

    Parameters
    ----------
    body : bytes or str
        As it came; bytes that are no UTF-8 are replaced.
    """
    # More is never said; a search through megabytes of a broken page could take minutes.
    text = body[:LONGEST_READ].decode("utf-8", "replace") if isinstance(body, bytes) else body
    text = text[:LONGEST_READ].lstrip("\ufeff").strip()
    if not text:
        return "an empty answer"
    try:
        said = _from_json(json.loads(text), _DEEPEST)
    except (ValueError, RecursionError):
        if text.startswith("<"):
            return _line(f"an HTML page: {_from_html(text)}")
        return _line(text)
    return _line(said or text)


def _from_json(value: Any, deepest: int) -> str:
    if isinstance(value, str):
        return value
    if deepest == 0:
        return ""
    if isinstance(value, Mapping):
        for place in _PLACES:
            if said := _from_json(value.get(place), deepest - 1).strip():
                return _with_place(value, said)
        return ""
    if isinstance(value, Sequence):
        parts = [_from_json(entry, deepest - 1).strip() for entry in value[:5]]
        return "; ".join(part for part in parts if part)
    return ""


def _with_place(value: Mapping[str, Any], said: str) -> str:
    """FastAPI names the field beside the message: ``{"loc": ["body", "seed"], "msg": ...}``."""
    place = value.get("loc")
    if isinstance(place, list) and place:
        return f"{'.'.join(str(part) for part in place)}: {said}"
    return said


def _from_html(text: str) -> str:
    title = _TITLE.search(text)
    return html.unescape(title.group(1) if title else _TAGS.sub(" ", text))


def _line(text: str) -> str:
    """One line of characters that a terminal shows and does not obey."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST_SENTENCE])
    line = " ".join(shown.split())
    return line[:LONGEST_SENTENCE] or "no message"
