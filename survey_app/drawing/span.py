"""Marking parts of a response: labels to choose from, and its sentences, which are tapped in the text.

What is marked is held by one widget that is not seen: an option for each sentence and label. The script
of the browser taps it when a sentence is tapped, so that drafts, lost connections and saving are those
of every other widget.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from study.protocol import Item
from study.protocol.spans import Span, read_spans, sentences, write_spans
from survey_app.drawing import elements, opening, safe_text
from survey_app.messages import Messages


def show_text(text: str, items: Sequence[tuple[Item, str]], words: Messages) -> str:
    """The response as HTML, its sentences to be tapped, under the labels of each item and its key."""
    pens = "".join(_pens(item, key, words, alone=len(items) == 1) for item, key in items)
    parts = safe_text.to_html_with_parts(text, sentences(text))
    first = html.escape(words("card.label_first"))
    return (
        f'<div class="evenhand-pens">{pens}<p class="evenhand-pen-first" role="status" '
        f'data-said="{first}"></p></div><div class="evenhand-marking" dir="auto">{parts}</div>'
    )


def _pens(item: Item, key: str, words: Messages, *, alone: bool) -> str:
    title = words("card.mark_as") if alone else item.text
    labels = "".join(
        f'<button type="button" class="evenhand-pen evenhand-ink-{number % 6}" aria-pressed="false" '
        f'data-evenhand-pen="{number}">{html.escape(label.label)}</button>'
        for number, label in enumerate(item.labels)
    )
    return (
        f'<div role="group" aria-label="{html.escape(item.text)}" data-evenhand-marks="{_marks(key)}">'
        f"<span>{html.escape(title)}</span>{labels}</div>"
    )


def _marks(key: str) -> str:
    return f"marks-{key.replace('.', '-')}"


def draw(item: Item, text: str, title: str, key: str, words: Messages) -> None:
    """Draw the question, what holds the marks, and "nothing to mark"."""
    with st.container(key=f"several-{key.replace('.', '-')}"):
        elements.question(title)
        elements.remark(words("card.mark_hint"))
        options = range(len(sentences(text)) * len(item.labels))
        with st.container(key=_marks(key)):
            st.pills(
                safe_text.to_label(item.text),
                options,
                selection_mode="multi",
                format_func=str,
                key=_held(key),
                label_visibility="collapsed",
                default=opening.chosen(_held(key), options),
            )
        st.checkbox(
            safe_text.to_label(words("card.nothing")),
            key=_nothing(key),
            value=opening.ticked(_nothing(key)),
        )


def _held(key: str) -> str:
    return f"{key}.m"


def _nothing(key: str) -> str:
    return f"{key}.n"


def marked(item: Item, text: str, key: str) -> list[Span]:
    """The parts that are marked, as this session knows them."""
    places, found = sentences(text), []
    for option in st.session_state.get(_held(key)) or ():
        sentence, label = divmod(int(option), len(item.labels))
        found.append(Span(*places[sentence], item.labels[label].id))
    return sorted(found)


def raw(item: Item, text: str, answer: str, key: str) -> dict[str, object]:
    """What the widgets hold for marked parts."""
    spans = read_spans(answer)
    if not spans:
        return {_nothing(key): True}
    ids, places = [label.id for label in item.labels], sentences(text)
    return {
        _held(key): sorted(
            places.index((span.start, span.end)) * len(ids) + ids.index(span.label)
            for span in spans
            if (span.start, span.end) in places
        )
    }


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
