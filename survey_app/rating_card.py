"""The rating card: a message, the response to it, and the items. Practice and rating share it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from study.entities import MissingReason
from study.protocol import Answer, Item, Protocol
from survey_app import elements, item_widgets, safe_text
from survey_app.messages import Messages


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
    """

    name: str
    protocol: Protocol
    words: Messages
    order: Sequence[Item]

    @property
    def button(self) -> str:
        """Key of the button."""
        return f"save-{self.name}"

    def key(self, item: Item) -> str:
        """Key of an item's widget. It is seen in the address, where drafts are kept."""
        return f"{self.name[:10]}.{self.protocol.items.index(item) + 1}"

    def show_texts(self, prompt: str, response: str, title: str) -> None:
        """Show the message and the response."""
        st.html(
            f'<div class="evenhand-texts" tabindex="0" role="region" '
            f'aria-label="{html.escape(self.words("card.text_region"))}">'
            f'<section class="evenhand-prompt"><h2>{html.escape(self.words("card.message"))}</h2>'
            f'<div dir="auto">{safe_text.to_html(prompt)}</div></section>'
            f'<section class="evenhand-response"><h2>{html.escape(title)}</h2>'
            f'<div dir="auto">{safe_text.to_html(response)}</div></section></div>'
        )

    def known_answers(self) -> dict[str, Answer]:
        """Item id -> the answer that this session knows; an optional item left open is skipped."""
        return self._with_skipped(
            {
                item.id: item_widgets.known(item, self.protocol.scale_of(item.id), self.key(item))
                for item in self.order
            }
        )

    def _with_skipped(self, answers: Mapping[str, Answer | None]) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for item in self.order:
            answer = answers[item.id]
            if answer is None and item.optional:
                answer = MissingReason.SKIPPED
            if answer is not None:
                found[item.id] = answer
        return found

    def ask(self, button: str) -> Submission:
        """Draw the items and the button; gives what they hold."""
        answers: dict[str, Answer | None] = {}
        places: dict[str, Any] = {}
        with st.form(key=f"form-{self.name}", border=False, enter_to_submit=False):
            for item in self.order:
                scale = self.protocol.scale_of(item.id)
                answers[item.id] = item_widgets.draw(item, scale, self.key(item), self.words)
                places[item.id] = st.empty()
            summary = st.empty()
            clicked = st.form_submit_button(
                safe_text.to_label(button), key=self.button, type="primary", width="stretch"
            )
        return Submission(clicked, self._with_skipped(answers), places, summary)

    def mark_open(self, submission: Submission) -> None:
        """Say which items have no answer yet, at the items and at the button."""
        open_items = self.open_items(submission.answers)
        for item in open_items:
            with submission.places[item.id]:
                kind = "card.open_text" if item.kind == "text" else "card.open_one"
                elements.open_mark(self.words(kind))
        with submission.summary:
            elements.note(self.words("card.open", number=len(open_items)), "warning")

    def open_items(self, answers: Mapping[str, Answer]) -> Sequence[Item]:
        """The items without an answer."""
        return [item for item in self.order if item.id not in answers]


@dataclass(frozen=True)
class Submission:
    """What a drawn card holds; ``places`` and ``summary`` are for sentences below the items."""

    clicked: bool
    answers: Mapping[str, Answer]
    places: Mapping[str, Any]
    summary: Any
