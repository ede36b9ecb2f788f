"""One widget for each kind of item, and the answer that it holds.

Plain widgets only: they keep the answers over a lost connection, and the browser's script can read
them for the draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from study.entities import MissingReason
from study.protocol import Answer, Item, Scale
from study.protocol.instruments import ReasonItem
from study.protocol.item_kinds import FIRST_BETTER, SECOND_BETTER, TIE, anchors, longest_text
from survey_app.drawing import elements, opening, safe_text
from survey_app.drawing import ranking as ranking_widget
from survey_app.drawing import span as span_widget
from survey_app.messages import Messages

# An option like any other on the page; no value of a scale comes near it.
_NOT_APPLICABLE = -1_000_000
_YES_NO_UNSURE = {1: "card.yes", 0: "card.no", 2: "card.unsure"}


@dataclass(frozen=True)
class Question:
    """An item with its scale and the responses on the page, by place."""

    item: Item
    scale: Scale
    responses: Sequence[str]


def draw(question: Question, key: str, words: Messages) -> Answer | None:
    """Draw an item's widget; gives its answer, None while there is none."""
    item, scale = question.item, question.scale
    title = _title(item, words)
    label = safe_text.to_label(title)
    if item.kind == "text":
        _text(item, label, key, words)
    elif item.kind == "ranking":
        ranking_widget.draw(item, len(question.responses), title, key, words)
    elif item.kind == "spans":
        span_widget.draw(item, question.responses[0], title, key, words)
    elif item.kind == "slider":
        _slider(item, scale, label, key, words)
    elif item.kind == "choice":
        _list(item, scale, label, key, words)
    else:
        _row(item, scale, label, key, words)
    return known(question, key)


def _title(item: Item, words: Messages) -> str:
    if isinstance(item, ReasonItem):
        return words("card.reason")
    return item.text if not item.optional else words("card.optional", question=item.text)


def known(question: Question, key: str) -> Answer | None:
    """The answer that this session knows under a widget's key."""
    item, scale = question.item, question.scale
    if item.kind == "ranking":
        return ranking_widget.known(item, len(question.responses), key)
    if item.kind == "spans":
        return span_widget.known(item, question.responses[0], key)
    held = st.session_state.get(key)
    if item.kind == "text":
        return _plain_text(held) if isinstance(held, str) else None
    if item.kind == "slider":
        if st.session_state.get(_box(key)):
            return MissingReason.NOT_APPLICABLE
        return None if held is None or int(held) < scale.values[0] else int(held)
    if held is None:
        return None
    return MissingReason.NOT_APPLICABLE if int(held) == _NOT_APPLICABLE else int(held)


def raw(question: Question, key: str, answer: Answer) -> dict[str, object]:
    """What an item's widgets hold for an answer, by their keys."""
    item = question.item
    if isinstance(answer, MissingReason):
        if answer is not MissingReason.NOT_APPLICABLE:
            return {}
        return {_box(key): True} if item.kind == "slider" else {key: _NOT_APPLICABLE}
    if item.kind == "ranking":
        return ranking_widget.raw(str(answer), key)
    if item.kind == "spans":
        return span_widget.raw(item, question.responses[0], str(answer), key)
    return {key: answer}


def is_drawn(question: Question, key: str) -> bool:
    """Whether this session knows an item's widgets; what it does not know may hold something."""
    parts = {"ranking": f"{key}.1", "spans": f"{key}.m"}
    return parts.get(question.item.kind, key) in st.session_state


def begun(question: Question, key: str) -> bool:
    """Whether an item of several widgets holds something that is no whole answer yet."""
    if question.item.kind == "ranking":
        return bool(ranking_widget.chosen(len(question.responses), key))
    if question.item.kind == "spans":
        return span_widget.begun(question.item, question.responses[0], key)
    return False


def missing(question: Question, key: str) -> str:
    """Which sentence says what is missing in an item without an answer."""
    item, responses = question.item, question.responses
    found = None
    if item.kind == "ranking":
        found = ranking_widget.missing(item, len(responses), key)
    if item.kind == "spans":
        found = span_widget.missing(item, responses[0], key)
    return found or ("card.open_text" if item.kind == "text" else "card.open_one")


def _plain_text(typed: str) -> str | None:
    """What was typed; None when blank."""
    return safe_text.printable(typed).strip() or None


def _labels(item: Item, scale: Scale, words: Messages) -> dict[int, str]:
    if item.kind == "pairwise":
        return _places(item, words)
    labels = anchors(item, scale)
    if item.kind == "yes-no-unsure":
        labels = {value: words(_YES_NO_UNSURE[value]) for value in labels}
    plain = {value: safe_text.to_label(text) for value, text in labels.items()}
    if item.kind in ("likert", "semantic-differential"):
        # The number of a scale's point is on the page; that of an option is of no use to a rater.
        plain = {value: f"**{value}** {text}".rstrip() for value, text in plain.items()}
    return plain | _not_applicable(item, words)


def _places(item: Item, words: Messages) -> dict[int, str]:
    """A, the tie and B, in the order of the responses on the page."""
    better = safe_text.to_label(words("card.better", letter="{letter}"))
    return {
        FIRST_BETTER: better.replace("{letter}", "**A**"),
        TIE: f"**=** {safe_text.to_label(words('card.tie'))}",
        SECOND_BETTER: better.replace("{letter}", "**B**"),
        **_not_applicable(item, words),
    }


def _not_applicable(item: Item, words: Messages) -> dict[int, str]:
    if not item.may_be_not_applicable:
        return {}
    return {_NOT_APPLICABLE: safe_text.to_label(words("card.not_applicable"))}


def _row(item: Item, scale: Scale, label: str, key: str, words: Messages) -> None:
    labels = _labels(item, scale, words)
    arguments: dict[str, Any] = {
        "format_func": labels.__getitem__,
        "key": key,
        "width": "stretch",
        # A tap on the chosen point must not take the answer away, unless it may be left open.
        "required": not item.optional,
        "default": opening.option(key, list(labels)),
    }
    if not item.may_be_not_applicable:
        st.segmented_control(label, list(labels), **arguments)
        return
    # "Not applicable" gets a line of its own: eight targets in a row are too small on a phone.
    with st.container(key=f"last-apart-{key.replace('.', '-')}"):
        st.segmented_control(label, list(labels), **arguments)


def _list(item: Item, scale: Scale, label: str, key: str, words: Messages) -> None:
    labels = _labels(item, scale, words)
    st.radio(
        label,
        list(labels),
        index=opening.place_of(key, list(labels)),
        format_func=labels.__getitem__,
        key=key,
        width="stretch",
    )


def _text(item: Item, label: str, key: str, words: Messages) -> None:
    with st.container(key=f"text-{key.replace('.', '-')}"):
        # The blank placeholder tells the style whether something was typed.
        st.text_area(
            label,
            key=key,
            max_chars=longest_text(item),
            height=80 if isinstance(item, ReasonItem) else 120,
            placeholder=" ",
            value=opening.text(key, longest_text(item)),
        )
        elements.text_limit(longest_text(item), words)


def _slider(item: Item, scale: Scale, label: str, key: str, words: Messages) -> None:
    low, high = scale.values[0], scale.values[-1]
    # One step below the scale means "not touched"; the style hides the thumb there, and the script
    # of the browser moves a thumb that was put there to the scale's own lowest value.
    with st.container(key=f"slider-{key.replace('.', '-')}"):
        at = opening.number(key, low - 1, high)
        st.slider(label, low - 1, high, at, 1, key=key)
        elements.ends(*anchors(item, scale).values())
        if item.may_be_not_applicable:
            st.checkbox(
                safe_text.to_label(words("card.not_applicable")),
                key=_box(key),
                value=opening.ticked(_box(key)),
            )


def _box(key: str) -> str:
    return f"{key}.n"
