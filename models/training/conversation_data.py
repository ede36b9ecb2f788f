"""Training conversations from files in Alpaca, ShareGPT and ESConv form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from study.errors import ModelError
from study.table_file.decoding import decode, read_bytes
from study.table_file.json_lines import json_objects

Form = Literal["alpaca", "sharegpt", "esconv"]
Message = dict[str, str]
Row = Mapping[str, Any]

_SHOWN_ERRORS = 5
_ROLES = {
    "human": "user",
    "user": "user",
    "seeker": "user",
    "usr": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "supporter": "assistant",
    "sys": "assistant",
    "system": "system",
}
# Names under which the data sets in use give the labels that a split keeps the shares of.
_LABELS = {
    "topic": ("topic", "problem_type", "category"),
    "emotion": ("emotion", "emotion_type"),
    "source": ("source",),
}


@dataclass(frozen=True)
class Conversation:
    """One conversation: messages with roles, its labels and where it was read.

    Attributes
    ----------
    messages : tuple of dict
        ``role`` (system, user, assistant) and ``content``; user and assistant take turns, the
        first of them is the user's and the last is the assistant's.
    labels : mapping
        topic, emotion and source, as far as the file gives them.
    """

    messages: tuple[Message, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ReadFile:
    """What was read from one file."""

    path: Path
    form: Form
    conversations: tuple[Conversation, ...]


class _RowError(Exception):
    """What is wrong with one row."""


def read_conversations(path: Path, form: Form | None = None) -> ReadFile:
    """Read a JSON array or JSON lines file of conversations.

    Parameters
    ----------
    path : Path
    form : {'alpaca', 'sharegpt', 'esconv'} or None
        None recognises it by the first row's fields.

    Raises
    ------
    ImportFileError
        With the line, when the file cannot be read or a line is no JSON object.
    ModelError
        With file and row, when one of its rows cannot be used.
    """
    rows = _read_rows(path)
    if not rows:
        raise ModelError(f"The data file {path} holds no conversation. Name another file.")
    chosen = form or recognise_form(rows[0][1], path)
    read: Callable[[Row], Iterable[Message]] = _READERS[chosen]
    conversations, wrong = [], []
    for number, row in rows:
        try:
            if not isinstance(row, Mapping):
                raise _RowError("is no JSON object")
            messages = _in_turns(read(row))
            conversations.append(Conversation(messages, _labels(row, path)))
        except _RowError as error:
            wrong.append(f"row {number} {error}")
    if wrong:
        more = f"; and {len(wrong) - _SHOWN_ERRORS} more" if len(wrong) > _SHOWN_ERRORS else ""
        raise ModelError(
            f"{len(wrong)} of {len(rows)} rows of {path} cannot be used as {chosen}: "
            f"{'; '.join(wrong[:_SHOWN_ERRORS])}{more}. Correct them, or name the form with --form."
        )
    return ReadFile(path, chosen, tuple(conversations))


def _read_rows(path: Path) -> list[tuple[int, Any]]:
    """Rows with their number from 1: of the array, or the line."""
    text = decode(read_bytes(path), path.name)
    if not text.lstrip().startswith("["):
        return list(json_objects(text, path.name))
    try:
        return list(enumerate(json.loads(text), start=1))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}). Correct the file.") from error


def recognise_form(row: Any, path: Path) -> Form:
    """The form of a file by the fields of its first row.

    Raises
    ------
    ModelError
        When it has none of the forms' fields.
    """
    if isinstance(row, Mapping):
        if "dialog" in row or "dialogue" in row:
            return "esconv"
        if "conversations" in row or "messages" in row:
            return "sharegpt"
        if "output" in row and ("instruction" in row or "input" in row):
            return "alpaca"
    found = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
    raise ModelError(
        f"The form of {path} is not recognised: its first row has {found}. Expected Alpaca "
        f"(instruction, input, output), ShareGPT (conversations) or ESConv (dialog). Correct the "
        f"file; --form takes {', '.join(get_args(Form))}."
    )


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _RowError(f"has {what} {value!r:.40}, expected text")
    return value.strip()


def _alpaca(row: Row) -> Iterable[Message]:
    if row.get("system"):
        yield {"role": "system", "content": _text(row["system"], "system")}
    for pair in row.get("history") or ():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise _RowError(f"has history {pair!r:.40}, expected pairs of message and reply")
        yield {"role": "user", "content": _text(pair[0], "history")}
        yield {"role": "assistant", "content": _text(pair[1], "history")}
    asked = (_text(row.get(name) or "", name) for name in ("instruction", "input"))
    yield {"role": "user", "content": "\n\n".join(part for part in asked if part)}
    yield {"role": "assistant", "content": _text(row.get("output"), "output")}


def _sharegpt(row: Row) -> Iterable[Message]:
    if row.get("system"):
        yield {"role": "system", "content": _text(row["system"], "system")}
    yield from _turns(row.get("conversations", row.get("messages")), "conversations", _ROLES)


def _esconv(row: Row) -> Iterable[Message]:
    # ESConv names the supporter "sys" in some editions: here no turn is a system message.
    roles = {name: role for name, role in _ROLES.items() if role != "system"}
    yield from _turns(
        row.get("dialog", row.get("dialogue")), "dialog", roles | {"system": "assistant"}
    )


_READERS: dict[Form, Callable[[Row], Iterable[Message]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "esconv": _esconv,
}


def _turns(turns: Any, what: str, roles: Mapping[str, str]) -> Iterable[Message]:
    if not isinstance(turns, Sequence) or isinstance(turns, str):
        raise _RowError(f"has no list {what}")
    for at, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping):
            raise _RowError(f"turn {at} is no JSON object")
        speaker = next((turn[n] for n in ("from", "role", "speaker") if n in turn), None)
        if str(speaker).lower() not in roles:
            raise _RowError(
                f"turn {at} is by {speaker!r}, expected one of {', '.join(sorted(roles))}"
            )
        spoken = next((turn[n] for n in ("value", "content", "text") if n in turn), None)
        yield {"role": roles[str(speaker).lower()], "content": _text(spoken, f"turn {at}")}


def _in_turns(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Turns in order: one speaker's neighbouring turns are joined, loose ends left out.

    A reply before the first message has nothing that it replies to, and a last message without a
    reply nothing to learn.
    """
    joined: list[Message] = []
    for message in messages:
        if not message["content"]:
            continue
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = {**message, "content": f"{joined[-1]['content']}\n{message['content']}"}
        elif message["role"] == "system" and joined:
            raise _RowError("has a system message that is not the first")
        else:
            joined.append(dict(message))
    at = 1 if joined and joined[0]["role"] == "system" else 0
    if len(joined) > at and joined[at]["role"] == "assistant":
        del joined[at]
    if joined and joined[-1]["role"] == "user":
        joined.pop()
    if len(joined) < at + 2:
        raise _RowError("has no message with a reply")
    return tuple(joined)


def _labels(row: Row, path: Path) -> dict[str, str]:
    labels = {"source": path.stem}
    for label, names in _LABELS.items():
        for name in names:
            if isinstance(row.get(name), str) and row[name].strip():
                labels[label] = row[name].strip()
                break
    return labels
