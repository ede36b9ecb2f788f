"""A field for free text."""

from __future__ import annotations

from typing import ClassVar

import streamlit as st

from study.entities import Answer
from study.protocol.items.text import TextItem
from survey_app.drawing import elements, opening, safe_text
from survey_app.drawing.widgets.widget import Widget


class TextWidget(Widget[TextItem]):
    """A field of several lines."""

    height: ClassVar[int] = 120

    def draw(self) -> None:
        """Draw the field."""
        longest = self.item.longest
        with st.container(key=f"text-{self.style}"):
            # The blank placeholder tells the style whether something was typed.
            st.text_area(
                self.label,
                key=self.key,
                max_chars=longest,
                height=self.height,
                placeholder=" ",
                value=opening.text(self.key, longest),
            )
            elements.text_limit(longest, self.words)

    def known(self) -> Answer | None:
        """What was typed; None when blank."""
        held = st.session_state.get(self.key)
        typed = safe_text.printable(held).strip() if isinstance(held, str) else ""
        return Answer(typed) if typed else None

    def holding(self, answer: Answer) -> dict[str, object]:
        """The text."""
        return {} if answer.missing else {self.key: answer.value}

    def missing(self) -> str:
        """Nothing is typed."""
        return "card.open_text"


WIDGET = TextWidget
