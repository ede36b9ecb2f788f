"""A form of questions that are no study items: comprehension and attention checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from study.protocol import Item, Scale
from study.protocol.session import AttentionCheck, ComprehensionQuestion
from survey_app.drawing import elements
from survey_app.drawing import items as item_widgets
from survey_app.drawing.safe_text import to_label
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

    def _key(self, item: Item) -> str:
        return f"{self.name}.{self.items.index(item) + 1}"

    def _asked(self, item: Item) -> item_widgets.Question:
        return item_widgets.Question(item, self.scale, ())

    def known_answers(self) -> dict[str, int]:
        """Question -> the answer that this session knows."""
        found = {i.id: item_widgets.known(self._asked(i), self._key(i)) for i in self.items}
        return {name: value for name, value in found.items() if isinstance(value, int)}

    def ask(self, button: str) -> dict[str, int] | None:
        """Draw the questions and the button; gives the answers when all are there and it was tapped."""
        places = {}
        with st.form(key=f"form-{self.name}", border=False, enter_to_submit=False):
            for item in self.items:
                item_widgets.draw(self._asked(item), self._key(item), self.words)
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
    return Item(
        id=question.id,
        label=question.id,
        text=question.text,
        kind="choice",
        options=question.options,
    )


def check_item(check: AttentionCheck) -> Item:
    """An attention check in the form of an item."""
    return Item(id=check.id, label=check.id, text=check.text)
