"""Marking parts of a response: under each sentence the labels, and "nothing to mark"."""

from __future__ import annotations

import re

import streamlit as st

from study.protocol import Item
from study.protocol.spans import Span, read_spans, sentences, write_spans
from survey_app import elements, safe_text
from survey_app.messages import Messages


def draw(item: Item, text: str, title: str, key: str, words: Messages) -> None:
    """Draw a row of labels for each sentence of the response."""
    labels = [safe_text.to_label(label.label) for label in item.labels]
    with st.container(key=f"several-{key.replace('.', '-')}"):
        elements.question(title)
        elements.remark(words("card.mark_hint"))
        for number, (start, end) in enumerate(sentences(text), start=1):
            st.pills(
                _label(text[start:end]),
                range(len(labels)),
                selection_mode="multi",
                format_func=labels.__getitem__,
                key=f"{key}.{number}",
                bind="query-params",
            )
        st.checkbox(
            safe_text.to_label(words("card.nothing")), key=_nothing(key), bind="query-params"
        )


def _label(sentence: str) -> str:
    """A sentence as a widget's label, without the marks of bold text."""
    escaped = safe_text.to_label(sentence.replace("**", ""))
    # The number of a list's item: an invisible character keeps it from being read as a list, and
    # screen readers from reading a backslash.
    return re.sub(r"^(\d{1,2})\\", "\u2060\\g<1>", escaped)


def _nothing(key: str) -> str:
    return f"{key}.n"


def marked(item: Item, text: str, key: str) -> list[Span]:
    """The parts that are marked, as this session knows them."""
    return [
        Span(start, end, item.labels[int(index)].id)
        for number, (start, end) in enumerate(sentences(text), start=1)
        for index in st.session_state.get(f"{key}.{number}") or ()
    ]


def raw(item: Item, text: str, answer: str, key: str) -> dict[str, object]:
    """What the rows hold for marked parts."""
    spans = read_spans(answer)
    if not spans:
        return {_nothing(key): True}
    ids = [label.id for label in item.labels]
    rows: dict[str, object] = {}
    for number, (start, end) in enumerate(sentences(text), start=1):
        chosen = [ids.index(s.label) for s in spans if (s.start, s.end) == (start, end)]
        if chosen:
            rows[f"{key}.{number}"] = sorted(chosen)
    return rows


def known(item: Item, text: str, key: str) -> str | None:
    """The answer that this session knows, None while there is none."""
    return None if missing(item, text, key) else write_spans(marked(item, text, key))


def begun(item: Item, text: str, key: str) -> bool:
    """Whether anything was chosen."""
    return bool(marked(item, text, key) or st.session_state.get(_nothing(key)))


def missing(item: Item, text: str, key: str) -> str | None:
    """Which sentence says what is missing; None when nothing is."""
    found, nothing = bool(marked(item, text, key)), bool(st.session_state.get(_nothing(key)))
    if found == nothing:
        return "card.marked_and_nothing" if found else "card.open_spans"
    return None
