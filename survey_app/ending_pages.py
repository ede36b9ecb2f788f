"""Endings: thanks and debriefing, or the words for those who decline."""

from __future__ import annotations

import streamlit as st

from study.store.raters import progress
from survey_app import elements
from survey_app.rating_page import notice_late_tap, show_already_answered
from survey_app.visit import Visit


def act(visit: Visit) -> Visit:
    """Nothing is left to save; a tap of a second tab is noticed."""
    notice_late_tap(visit)
    return visit


def draw_finished(visit: Visit) -> None:
    """Draw the last page."""
    debriefing, words = visit.study.protocol.debriefing, visit.words
    _, total, _ = progress(visit.study)[visit.place.rater.id]
    with st.container(key="reading"):
        show_already_answered(visit)
        elements.heading(debriefing.title, "finished")
        elements.note(words("finished.saved", total=total))
        elements.text(debriefing.text)
        elements.text(words("finished.code", code=visit.place.rater.code))
        elements.remark(words("finished.close"))


def draw_declined(visit: Visit) -> None:
    """Draw the page for those who declined."""
    consent = visit.study.protocol.consent
    with st.container(key="reading"):
        elements.heading(consent.title, "declined")
        elements.text(consent.declined)
