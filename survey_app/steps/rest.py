"""Breaks: a calm page between two responses; everything before it is saved."""

from __future__ import annotations

import math

import streamlit as st

from study import participation
from survey_app.drawing import elements
from survey_app.drawing.safe_text import to_label
from survey_app.steps.rating import notice_late_tap, show_progress
from survey_app.visit import Visit, pressed


def _button(visit: Visit) -> str:
    return f"rest-{visit.place.rater.id[:8]}-{visit.place.rated}"


def act(visit: Visit) -> Visit:
    """End the break when its button was tapped, before anything is drawn."""
    notice_late_tap(visit)
    place = visit.place
    if pressed(_button(visit)) and participation.end_break(visit.study, place.rater, place.rated):
        return visit.moved()
    return visit


def draw(visit: Visit) -> None:
    """Draw the page."""
    breaks, place = visit.study.protocol.breaks, visit.place
    if breaks is None:
        return
    with st.container(key="reading"):
        with st.container(key="progress"):
            left = participation.rest(visit.study, place.rater, place.rated)
            # With its button it is another page for whoever has a finger on it.
            waiting = "-waiting" if left else ""
            show_progress(visit, breaks.title, f"break-{place.rated}{waiting}")
        elements.text(breaks.text)
        if left:
            _draw_time_left(visit)
            return
        tapped = st.button(
            to_label(visit.words("break.submit")),
            key=_button(visit),
            type="primary",
            width="stretch",
        )
    if tapped and participation.end_break(visit.study, place.rater, place.rated):
        st.rerun()


@st.fragment(run_every=1)
def _draw_time_left(visit: Visit) -> None:
    """How long the break has to last; at its end the page is drawn with its button."""
    left = participation.rest(visit.study, visit.place.rater, visit.place.rated)
    if not left:
        st.rerun()
    elements.remark(visit.words("break.left", seconds=math.ceil(left)))
