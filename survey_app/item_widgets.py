"""One widget for each kind of item, and the answer that it holds.

Plain widgets only: they keep the answers over a lost connection and put a draft into the address.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import streamlit as st

from study.entities import MissingReason
from study.protocol import Answer, Item, Scale
from study.protocol.item_kinds import LONGEST_TEXT, anchors
from survey_app import elements, safe_text
from survey_app.messages import Messages

# An option like any other on the page; no value of a scale comes near it.
_NOT_APPLICABLE = -1_000_000
_YES_NO_UNSURE = {1: "card.yes", 0: "card.no", 2: "card.unsure"}


def draw(item: Item, scale: Scale, key: str, words: Messages) -> Answer | None:
    """Draw an item's widget; gives its answer, None while there is none."""
    title = item.text if not item.optional else words("card.optional", question=item.text)
    label = safe_text.to_label(title)
    if item.kind == "text":
        # The blank placeholder tells the style whether something was typed.
        st.text_area(
            label,
            key=key,
            max_chars=LONGEST_TEXT,
            height=120,
            placeholder=" ",
            bind="query-params",
        )
    elif item.kind == "slider":
        _slider(item, scale, label, key, words)
    elif item.kind == "choice":
        _list(item, scale, label, key, words)
    else:
        _row(item, scale, label, key, words)
    return known(item, scale, key)


def known(item: Item, scale: Scale, key: str) -> Answer | None:
    """The answer that this session knows under a widget's key."""
    raw = st.session_state.get(key)
    if item.kind == "text":
        return _plain_text(raw) if isinstance(raw, str) else None
    if item.kind == "slider":
        if st.session_state.get(_box(key)):
            return MissingReason.NOT_APPLICABLE
        return None if raw is None or int(raw) < scale.values[0] else int(raw)
    if raw is None:
        return None
    return MissingReason.NOT_APPLICABLE if int(raw) == _NOT_APPLICABLE else int(raw)


def _plain_text(raw: str) -> str | None:
    """What was typed without control characters, which a database may refuse; None when blank."""
    kept = "".join(c for c in raw if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    return kept.strip() or None


def _labels(item: Item, scale: Scale, words: Messages) -> dict[int, str]:
    labels = anchors(item, scale)
    if item.kind == "yes-no-unsure":
        labels = {value: words(_YES_NO_UNSURE[value]) for value in labels}
    plain = {value: safe_text.to_label(text) for value, text in labels.items()}
    if item.kind in ("likert", "semantic-differential"):
        # The number of a scale's point is on the page; that of an option is of no use to a rater.
        plain = {value: f"**{value}** {text}".rstrip() for value, text in plain.items()}
    if item.may_be_not_applicable:
        plain[_NOT_APPLICABLE] = safe_text.to_label(words("card.not_applicable"))
    return plain


def _row(item: Item, scale: Scale, label: str, key: str, words: Messages) -> None:
    labels = _labels(item, scale, words)
    arguments: dict[str, Any] = {
        "format_func": labels.__getitem__,
        "key": key,
        "width": "stretch",
        # A tap on the chosen point must not take the answer away, unless it may be left open.
        "required": not item.optional,
        "bind": "query-params",
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
        index=None,
        format_func=labels.__getitem__,
        key=key,
        width="stretch",
        bind="query-params",
    )


def _slider(item: Item, scale: Scale, label: str, key: str, words: Messages) -> None:
    low, high = scale.values[0], scale.values[-1]
    # One step below the scale means "not touched"; the style hides the thumb there, and the script
    # of the browser moves a thumb that was put there to the scale's own lowest value.
    with st.container(key=f"slider-{key.replace('.', '-')}"):
        st.slider(label, low - 1, high, low - 1, 1, key=key, bind="query-params")
        elements.ends(*anchors(item, scale).values())
        if item.may_be_not_applicable:
            st.checkbox(
                safe_text.to_label(words("card.not_applicable")),
                key=_box(key),
                bind="query-params",
            )


def _box(key: str) -> str:
    return f"{key}.n"
