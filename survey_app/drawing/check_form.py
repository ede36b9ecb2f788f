"""A form of questions that are no study items: comprehension and attention checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from study.protocol import Item, Scale
from study.protocol.items.choice import ChoiceItem
from study.protocol.items.likert import LikertItem
from study.protocol.session import AttentionCheck, ComprehensionQuestion
from survey_app.drawing import elements
from survey_app.drawing.safe_text import to_label
from survey_app.drawing.widgets import widget_for
from survey_app.drawing.widgets.widget import Widget
from survey_app.messages import Messages


@dataclass(frozen=True)
class CheckForm:
    """Questions as drawn for one attempt.

    Parameters
    ----------
    name : str
        Opaque and different for each attempt; part of every widget's key.
    items : sequence of Item
        The questions in the form of items.
    scale : Scale
        Of items that are answered on one.
    """

    name: str
    items: Sequence[Item]
    scale: Scale
    words: Messages

    @property
    def button(self) -> str:
        """Key of the button."""
        return f"check-{self.name}"

    def _widget(self, item: Item) -> Widget[Any]:
        key = f"{self.name}.{self.items.index(item) + 1}"
        return widget_for(item, self.scale, (), key, self.words)

    def known_answers(self) -> dict[str, int]:
        """Question -> the answer that this session knows."""
        found = {item.id: self._widget(item).known() for item in self.items}
        return {name: a.number for name, a in found.items() if a and a.number is not None}

    def ask(self, button: str) -> dict[str, int] | None:
        """Draw the questions and the button; gives the answers when all are there and it was tapped."""
        places = {}
        with st.form(key=f"form-{self.name}", border=False, enter_to_submit=False):
            for item in self.items:
                self._widget(item).draw()
                places[item.id] = st.empty()
            clicked = st.form_submit_button(
                to_label(button), key=self.button, type="primary", width="stretch"
            )
        answers = self.known_answers()
        if not clicked:
            return None
        for item in self.items:
            if item.id not in answers:
                with places[item.id]:
                    elements.open_mark(self.words("card.open_one"))
        return answers if len(answers) == len(self.items) else None


def question_item(question: ComprehensionQuestion) -> Item:
    """A question about the instructions in the form of an item."""
    return ChoiceItem(
        id=question.id,
        label=question.id,
        text=question.text,
        kind="choice",
        options=question.options,
    )


def check_item(check: AttentionCheck) -> Item:
    """An attention check in the form of an item."""
    return LikertItem(id=check.id, label=check.id, text=check.text)
