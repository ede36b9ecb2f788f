"""Consent: the text of the protocol, and two buttons. Declining is a proper ending."""

from __future__ import annotations

import streamlit as st

from study import participation
from survey_app import elements, languages
from survey_app.safe_text import to_label
from survey_app.visit import Visit, pressed


def _keys(visit: Visit) -> tuple[str, str]:
    return f"agree-{visit.place.rater.id}", f"decline-{visit.place.rater.id}"


def act(visit: Visit) -> Visit:
    """Save what this session's buttons say, before anything is drawn."""
    agree, decline = _keys(visit)
    return _save(visit, agrees=pressed(agree), declines=pressed(decline))


def _save(visit: Visit, *, agrees: bool, declines: bool) -> Visit:
    if agrees:
        participation.consent(visit.study, visit.place.rater)
    elif declines:
        participation.decline(visit.study, visit.place.rater)
    else:
        return visit
    return visit.moved()


def draw(visit: Visit) -> None:
    """Draw the page."""
    consent = visit.study.protocol.consent
    agree, decline = _keys(visit)
    with st.container(key="reading"):
        elements.heading(consent.title, "consent")
        languages.offer_others(visit)
        elements.text(consent.text)
        elements.remark(visit.words("consent.code", code=visit.place.rater.code))
        agrees = st.button(to_label(consent.agree), key=agree, type="primary", width="stretch")
        declines = st.button(to_label(consent.decline), key=decline, width="stretch")
    if agrees or declines:
        _save(visit, agrees=agrees, declines=declines)
        st.rerun()
