"""Marking parts of a response: labels to choose from, and its sentences, which are tapped in the text.

What is marked is held by one widget that is not seen: an option for each sentence and label. The script
of the browser taps it when a sentence is tapped, so that drafts, lost connections and saving are those
of every other widget.
"""

from __future__ import annotations

import html

import streamlit as st

from study.entities import Answer
from study.protocol.items.spans import Span, SpansItem, read_spans, sentences, write_spans
from survey_app.drawing import elements, opening, safe_text
from survey_app.drawing.widgets.widget import Widget
from survey_app.messages import Messages


class SpansWidget(Widget[SpansItem]):
    """The labels above the response, its sentences, and what holds the marks."""

    @property
    def _response(self) -> str:
        return self.responses[0]

    @property
    def _marks(self) -> str:
        return f"marks-{self.style}"

    @property
    def _held(self) -> str:
        return f"{self.key}.m"

    @property
    def _nothing(self) -> str:
        return f"{self.key}.n"

    def pens(self, *, alone: bool) -> str:
        """The labels, from which one is taken in hand."""
        title = self.words("card.mark_as") if alone else self.item.text
        labels = "".join(
            f'<button type="button" class="evenhand-pen evenhand-ink-{number % 6}" '
            f'aria-pressed="false" data-evenhand-pen="{number}">{html.escape(label.label)}</button>'
            for number, label in enumerate(self.item.labels)
        )
        return (
            f'<div role="group" aria-label="{html.escape(self.item.text)}" '
            f'data-evenhand-marks="{self._marks}"><span>{html.escape(title)}</span>{labels}</div>'
        )

    def draw(self) -> None:
        """Draw the question, what holds the marks, and "nothing to mark"."""
        with st.container(key=f"several-{self.style}"):
            elements.question(self.title)
            elements.remark(self.words("card.mark_hint"))
            options = range(len(sentences(self._response)) * len(self.item.labels))
            with st.container(key=self._marks):
                st.pills(
                    safe_text.to_label(self.item.text),
                    options,
                    selection_mode="multi",
                    format_func=str,
                    key=self._held,
                    label_visibility="collapsed",
                    default=opening.chosen(self._held, options),
                )
            st.checkbox(
                safe_text.to_label(self.words("card.nothing")),
                key=self._nothing,
                value=opening.ticked(self._nothing),
            )

    def _marked(self) -> list[Span]:
        """The parts that are marked, as this session knows them."""
        places, found = sentences(self._response), []
        for option in st.session_state.get(self._held) or ():
            sentence, label = divmod(int(option), len(self.item.labels))
            found.append(Span(*places[sentence], self.item.labels[label].id))
        return sorted(found)

    def known(self) -> Answer | None:
        """The marked parts."""
        return None if self._lacks() else Answer(write_spans(self._marked()))

    def holding(self, answer: Answer) -> dict[str, object]:
        """The option of each marked part; the box where there was nothing to mark."""
        if answer.text is None:
            return {}
        spans = read_spans(answer.text)
        if not spans:
            return {self._nothing: True}
        ids, places = [label.id for label in self.item.labels], sentences(self._response)
        return {
            self._held: sorted(
                places.index((span.start, span.end)) * len(ids) + ids.index(span.label)
                for span in spans
                if (span.start, span.end) in places
            )
        }

    @property
    def drawn_key(self) -> str:
        """That of what holds the marks."""
        return self._held

    def begun(self) -> bool:
        """Whether anything was chosen."""
        return bool(self._marked() or st.session_state.get(self._nothing))

    def missing(self) -> str:
        """Nothing is marked, or something although there is nothing."""
        return self._lacks() or super().missing()

    def _lacks(self) -> str | None:
        found, nothing = bool(self._marked()), bool(st.session_state.get(self._nothing))
        if found == nothing:
            return "card.marked_and_nothing" if found else "card.open_spans"
        return None


def show_text(text: str, pens: str, words: Messages) -> str:
    """The response as HTML, its sentences to be tapped, under what it is marked with."""
    parts = safe_text.to_html_with_parts(text, sentences(text))
    first = html.escape(words("card.label_first"))
    return (
        f'<div class="evenhand-pens">{pens}<p class="evenhand-pen-first" role="status" '
        f'data-said="{first}"></p></div><div class="evenhand-marking" dir="auto">{parts}</div>'
    )


WIDGET = SpansWidget
