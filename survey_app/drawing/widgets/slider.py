"""A slider, which has no answer until it is touched."""

from __future__ import annotations

import streamlit as st

from study.entities import Answer, MissingReason
from study.protocol.items.slider import SliderItem
from survey_app.drawing import elements, opening, safe_text
from survey_app.drawing.widgets.widget import Widget


class SliderWidget(Widget[SliderItem]):
    """A slider between the scale's ends and, where it is offered, a box for "not applicable"."""

    @property
    def _box(self) -> str:
        return f"{self.key}.n"

    def draw(self) -> None:
        """Draw slider, ends and box."""
        low, high = self.scale.values[0], self.scale.values[-1]
        # One step below the scale means "not touched"; the style hides the thumb there, and the script
        # of the browser moves a thumb that was put there to the scale's own lowest value.
        with st.container(key=f"slider-{self.style}"):
            at = opening.number(self.key, low - 1, high)
            st.slider(self.label, low - 1, high, at, 1, key=self.key)
            elements.ends(*self.item.anchors(self.scale).values())
            if self.item.may_be_not_applicable:
                st.checkbox(
                    safe_text.to_label(self.words("card.not_applicable")),
                    key=self._box,
                    value=opening.ticked(self._box),
                )

    def known(self) -> Answer | None:
        """The place, or "not applicable" if the box is ticked."""
        if st.session_state.get(self._box):
            return Answer(missing=MissingReason.NOT_APPLICABLE)
        held = st.session_state.get(self.key)
        return None if held is None or int(held) < self.scale.values[0] else Answer(int(held))

    def holding(self, answer: Answer) -> dict[str, object]:
        """The place or the tick."""
        if answer.missing is MissingReason.NOT_APPLICABLE:
            return {self._box: True}
        return {} if answer.missing else {self.key: answer.value}


WIDGET = SliderWidget
