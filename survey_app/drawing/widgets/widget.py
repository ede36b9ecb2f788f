"""What every widget does: draw an item, say which answer it holds, and hold an answer again.

Plain widgets only: they keep the answers over a lost connection, and the browser's script can read
them for the draft.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

from study.entities import Answer
from study.protocol import Item, Scale
from survey_app.drawing import safe_text
from survey_app.messages import Messages

I = TypeVar("I", bound=Item)  # noqa: E741 (an item)


@dataclass(frozen=True)
class Widget(ABC, Generic[I]):
    """An item as it stands on a page.

    Parameters
    ----------
    item : Item
    scale : Scale
        That of its instrument.
    responses : sequence of str
        The texts on the page, by place.
    key : str
        Name of Streamlit's widget, or beginning of the names of several. It is seen by the browser.
    words : Messages
    """

    item: I
    scale: Scale
    responses: Sequence[str]
    key: str
    words: Messages

    @property
    def title(self) -> str:
        """What is asked."""
        if self.item.optional:
            return self.words("card.optional", question=self.item.text)
        return self.item.text

    @property
    def label(self) -> str:
        """What is asked, as the label of one of Streamlit's widgets."""
        return safe_text.to_label(self.title)

    @property
    def style(self) -> str:
        """The key as it may stand in the name of a style."""
        return self.key.replace(".", "-")

    @abstractmethod
    def draw(self) -> None:
        """Draw it."""

    @abstractmethod
    def known(self) -> Answer | None:
        """The answer that this session knows; None while there is none."""

    @abstractmethod
    def holding(self, answer: Answer) -> dict[str, object]:
        """What Streamlit's widgets hold for an answer, by their keys."""

    @property
    def drawn_key(self) -> str:
        """A key that this session knows once the widget is drawn."""
        return self.key

    def is_drawn(self) -> bool:
        """Whether this session knows the widget; what it does not know may hold something."""
        return self.drawn_key in st.session_state

    def begun(self) -> bool:
        """Whether it holds something that is no whole answer yet."""
        return False

    def missing(self) -> str:
        """Which sentence says what is missing while there is no answer."""
        return "card.open_one"

    def pens(self, *, alone: bool) -> str:
        """HTML of what the response is marked with, above it; blank where it is not marked.

        ``alone`` when no other item of the page marks it.
        """
        return ""
