"""Breaks: a calm page between two responses; everything before it is saved."""

from __future__ import annotations

import math

import streamlit as st

from study import participation
from survey_app.drawing import elements
from survey_app.drawing.safe_text import to_label
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed


class BreakPage(Page):
    """The protocol's text and, once the break has lasted long enough, a button."""

    @property
    def _button(self) -> str:
        return f"rest-{self.rater.id[:8]}-{self.visit.place.rated}"

    def _end(self) -> bool:
        return participation.end_break(self.study, self.rater, self.visit.place.rated)

    def act(self) -> Visit:
        """End the break when its button was tapped, before anything is drawn."""
        self.notice_late_tap()
        return self.visit.moved() if pressed(self._button) and self._end() else self.visit

    def draw(self) -> None:
        """Draw the page."""
        breaks, rated = self.study.protocol.breaks, self.visit.place.rated
        if breaks is None:
            return
        with st.container(key="reading"):
            with st.container(key="progress"):
                left = participation.rest(self.study, self.rater, rated)
                # With its button it is another page for whoever has a finger on it.
                self.show_progress(breaks.title, f"break-{rated}{'-waiting' if left else ''}")
            elements.text(breaks.text)
            if left:
                _draw_time_left(self.visit)
                return
            tapped = st.button(
                to_label(self.words("break.submit")),
                key=self._button,
                type="primary",
                width="stretch",
            )
        if tapped and self._end():
            st.rerun()


@st.fragment(run_every=1)
def _draw_time_left(visit: Visit) -> None:
    """How long the break has to last; at its end the page is drawn with its button."""
    left = participation.rest(visit.study, visit.place.rater, visit.place.rated)
    if not left:
        st.rerun()
    elements.remark(visit.words("break.left", seconds=math.ceil(left)))
