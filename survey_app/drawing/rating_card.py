"""The rating card: a message, the response to it, and the items. Practice and rating share it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from study.entities import Answer, MissingReason
from study.protocol import Item, Protocol
from study.protocol.items.ranking import place_letter
from survey_app.drawing import elements, safe_text
from survey_app.drawing.widgets import spans, widget_for
from survey_app.drawing.widgets.widget import Widget
from survey_app.messages import Messages


def button_key(name: str) -> str:
    """Key of the button of a card with this name."""
    return f"save-{name}"


@dataclass(frozen=True)
class Card:
    """The items as drawn for one response.

    Parameters
    ----------
    name : str
        Opaque and different for each response. It is part of every widget's key: with the same keys
        for two responses, the second tap of a double tap would answer the next response.
    order : sequence of Item
        The items as this rater sees them for this response.
    responses : sequence of str
        The texts on the page, by place.
    """

    name: str
    protocol: Protocol
    words: Messages
    order: Sequence[Item]
    responses: Sequence[str] = ("",)

    @property
    def button(self) -> str:
        """Key of the button."""
        return button_key(self.name)

    @cached_property
    def widgets(self) -> dict[str, Widget[Any]]:
        """Item id -> its widget, in the order on the page."""
        # By the item's place in the protocol, which the lock freezes and all languages share, and not by its
        # place on the page: in a rater's random order, no item can come to another one's draft. Nor by its
        # id, which is the coordinator's word: a key is seen by the browser.
        numbers = {item.id: number for number, item in enumerate(self.protocol.items, start=1)}
        return {
            item.id: widget_for(
                item,
                self.protocol.scale_of(item.id),
                self.responses,
                f"{self.name[:10]}.{numbers[item.id]}",
                self.words,
            )
            for item in self.order
        }

    @property
    def compares(self) -> bool:
        """Whether several responses are on the page."""
        return len(self.responses) > 1

    @property
    def layout(self) -> str:
        """Key of the container of texts and questions, which the style knows."""
        return "comparing" if self.compares else "rating"

    def show_texts(self, prompt: str, title: str) -> None:
        """Show the message and the response, or the responses side by side under their letters."""
        titles = [title]
        region = "card.text_region"
        if self.compares:
            letters = (place_letter(i) for i in range(1, len(self.responses) + 1))
            titles = [self.words("rating.response", label=letter) for letter in letters]
            region = "card.texts_region"
        shown = "".join(
            f'<section class="evenhand-response"{self._part(title)}><h2>{html.escape(title)}</h2>'
            f"{self._shown(text)}</section>"
            for title, text in zip(titles, self.responses, strict=True)
        )
        if self.compares:
            shown = f'<div class="evenhand-beside">{shown}</div>'
        message = self.words("card.message")
        st.html(
            f'<div class="evenhand-texts"{elements.scrolling(self.words(region), self.words)}>'
            f'<section class="evenhand-prompt"{self._part(message)}><h2>{html.escape(message)}</h2>'
            f'<div dir="auto">{safe_text.to_html(prompt)}</div></section>{shown}</div>'
        )

    def _shown(self, text: str) -> str:
        """A response; where parts of it are to be marked, with its sentences to be tapped."""
        marking = [widget for widget in self.widgets.values() if widget.item.marks]
        pens = "".join(widget.pens(alone=len(marking) == 1) for widget in marking)
        if pens:
            return spans.show_text(text, pens, self.words)
        return f'<div dir="auto">{safe_text.to_html(text)}</div>'

    def _part(self, title: str) -> str:
        """Of several responses, each scrolls by itself, so that all of them stay in sight."""
        return elements.scrolling(title, self.words) if self.compares else ""

    def known_answers(self) -> dict[str, Answer]:
        """Item id -> the answer that this session knows; an optional item left open is skipped."""
        found: dict[str, Answer] = {}
        for name, widget in self.widgets.items():
            answer = widget.known()
            # Skipped is what the rater left open, not what this session has not heard of.
            if answer is None and widget.item.optional and widget.is_drawn() and not widget.begun():
                answer = Answer(missing=MissingReason.SKIPPED)
            if answer is not None:
                found[name] = answer
        return found

    def held_for(self, answers: Mapping[str, Answer]) -> dict[str, object]:
        """What the widgets hold for answers, by their keys."""
        held: dict[str, object] = {}
        for name, widget in self.widgets.items():
            if name in answers:
                held |= widget.holding(answers[name])
        return held

    def ask(self, button: str, steps: Mapping[int, str] | None = None) -> Submission:
        """Draw the items and the button; gives what they hold.

        ``steps`` are buttons below it that save nothing, by what they mean to the caller. They are
        in the form, so that a tap of theirs also sends what the widgets hold.
        """
        places: dict[str, Any] = {}
        # A form: outside of one, every tap would run the whole page on the server, and one that is made
        # while the line is cut would be lost. Enter would send a page that is half filled in.
        with st.form(key=f"form-{self.name}", border=False, enter_to_submit=False):
            for name, widget in self.widgets.items():
                widget.draw()
                places[name] = st.empty()
            summary = st.empty()
            clicked = st.form_submit_button(
                safe_text.to_label(button), key=self.button, type="primary", width="stretch"
            )
            tapped = [
                step
                for step, label in (steps or {}).items()
                if st.form_submit_button(
                    safe_text.to_label(label), key=f"go-{self.name}-{step}", width="stretch"
                )
            ]
        step = tapped[0] if tapped else None
        return Submission(clicked, self.known_answers(), places, summary, step)

    def mark_open(self, submission: Submission) -> None:
        """Say which items have no answer yet, at the items and at the button."""
        open_items = self.open_items(submission.answers)
        for item in open_items:
            with submission.places[item.id]:
                elements.open_mark(self.words(self.widgets[item.id].missing()))
        with submission.summary:
            elements.note(self.words("card.open", number=len(open_items)), "warning")

    def open_items(self, answers: Mapping[str, Answer]) -> Sequence[Item]:
        """The items without an answer."""
        return [item for item in self.order if item.id not in answers]


@dataclass(frozen=True)
class Submission:
    """What a drawn card holds; ``places`` and ``summary`` are for sentences below the items.

    ``step`` is which of the further buttons was tapped.
    """

    clicked: bool
    answers: Mapping[str, Answer]
    places: Mapping[str, Any]
    summary: Any
    step: int | None = None
