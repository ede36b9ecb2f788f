"""The rating card: a message, the response to it, and the items. Practice and rating share it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from study.protocol import Item, Protocol, Scale
from survey_app import elements, safe_text
from survey_app.messages import Messages


@dataclass(frozen=True)
class Card:
    """The items as drawn for one response.

    Parameters
    ----------
    name : str
        Opaque and different for each response. It is part of every widget's key: with the same keys
        for two responses, the second tap of a double tap would answer the next response.
    """

    name: str
    protocol: Protocol
    words: Messages

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

    def known_answers(self) -> dict[str, int]:
        """Item id -> the point that this session knows, for those that have one."""
        values = {item.id: st.session_state.get(self.key(item)) for item in self.protocol.items}
        return {item: int(value) for item, value in values.items() if value is not None}

    def ask(self, button: str) -> Submission:
        """Draw the items and the button; gives what they hold."""
        answers: dict[str, int] = {}
        places: dict[str, Any] = {}
        with st.form(key=f"form-{self.name}", border=False, enter_to_submit=False):
            for item in self.protocol.items:
                answer = self._ask_item(item, self.protocol.scale_of(item.id))
                places[item.id] = st.empty()
                if answer is not None:
                    answers[item.id] = answer
            summary = st.empty()
            clicked = st.form_submit_button(
                safe_text.to_label(button), key=self.button, type="primary", width="stretch"
            )
        return Submission(clicked, answers, places, summary)

    def _ask_item(self, item: Item, scale: Scale) -> int | None:
        anchors = {point.value: point.label for point in scale.points}
        answer = st.segmented_control(
            safe_text.to_label(item.text),
            scale.values,
            format_func=lambda value: f"**{value}** {safe_text.to_label(anchors[value])}",
            key=self.key(item),
            width="stretch",
            # A tap on the chosen point must not take the answer away.
            required=True,
            bind="query-params",
        )
        return None if answer is None else int(answer)

    def mark_open(self, submission: Submission) -> None:
        """Say which items have no answer yet, at the items and at the button."""
        open_items = self.open_items(submission.answers)
        for item in open_items:
            with submission.places[item.id]:
                elements.open_mark(self.words("card.open_one"))
        with submission.summary:
            elements.note(self.words("card.open", number=len(open_items)), "warning")

    def open_items(self, answers: Mapping[str, int]) -> Sequence[Item]:
        """The items without an answer."""
        return [item for item in self.protocol.items if item.id not in answers]


@dataclass(frozen=True)
class Submission:
    """What a drawn card holds; ``places`` and ``summary`` are for sentences below the items."""

    clicked: bool
    answers: Mapping[str, int]
    places: Mapping[str, Any]
    summary: Any
