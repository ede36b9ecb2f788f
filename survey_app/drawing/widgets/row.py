"""A row of numbers, one of which is chosen: points of a scale, or a few answers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.entities import Answer, MissingReason
from study.protocol import Item
from survey_app.drawing import opening, safe_text
from survey_app.drawing.widgets.widget import Widget

# An option like any other on the page; no value of a scale comes near it.
_NOT_APPLICABLE = -1_000_000


class RowWidget(Widget[Item]):
    """A row of buttons; of a scale's points each shows its number."""

    def labels(self) -> dict[int, str]:
        """What stands on each button, as Streamlit's Markdown."""
        labels = {
            value: safe_text.to_label(text) for value, text in self.item.anchors(self.scale).items()
        }
        if self.item.table == "points":
            # The number of a scale's point is on the page; that of an option is of no use to a rater.
            labels = {value: f"**{value}** {text}".rstrip() for value, text in labels.items()}
        return labels

    def options(self) -> dict[int, str]:
        """The labels and, where it is offered, "not applicable"."""
        if not self.item.may_be_not_applicable:
            return self.labels()
        return self.labels() | {
            _NOT_APPLICABLE: safe_text.to_label(self.words("card.not_applicable"))
        }

    def draw(self) -> None:
        """Draw the row."""
        options = self.options()
        arguments: dict[str, Any] = {
            "format_func": options.__getitem__,
            "key": self.key,
            "width": "stretch",
            # A tap on the chosen point must not take the answer away, unless it may be left open.
            "required": not self.item.optional,
            "default": opening.option(self.key, list(options)),
        }
        if not self.item.may_be_not_applicable:
            st.segmented_control(self.label, list(options), **arguments)
            return
        # "Not applicable" gets a line of its own: eight targets in a row are too small on a phone.
        with st.container(key=f"last-apart-{self.style}"):
            st.segmented_control(self.label, list(options), **arguments)

    def known(self) -> Answer | None:
        """The chosen value."""
        held = st.session_state.get(self.key)
        if held is None:
            return None
        if int(held) == _NOT_APPLICABLE:
            return Answer(missing=MissingReason.NOT_APPLICABLE)
        return Answer(int(held))

    def holding(self, answer: Answer) -> dict[str, object]:
        """The chosen value."""
        if answer.missing is MissingReason.NOT_APPLICABLE:
            return {self.key: _NOT_APPLICABLE}
        return {} if answer.missing else {self.key: answer.value}


WIDGET = RowWidget
