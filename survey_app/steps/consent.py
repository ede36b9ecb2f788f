"""Consent: the text of the protocol, and two buttons. Declining is asked once more, then final."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from study import participation
from survey_app import languages
from survey_app.drawing import elements
from survey_app.drawing.safe_text import to_label
from survey_app.visit import Visit, pressed

# Not in the database: a reload shows the information again, and nothing is decided.
_ASKED = "asked whether declining is meant"


@dataclass(frozen=True)
class _Keys:
    """Keys of the page's buttons, which are other ones for every rater."""

    agree: str
    decline: str
    confirm: str
    back: str


def _keys(visit: Visit) -> _Keys:
    rater = visit.place.rater.id
    return _Keys(f"agree-{rater}", f"decline-{rater}", f"declined-{rater}", f"undecided-{rater}")


def act(visit: Visit) -> Visit:
    """Save what this session's buttons say, before anything is drawn."""
    keys = _keys(visit)
    if pressed(keys.agree):
        participation.consent(visit.study, visit.place.rater)
        return visit.moved()
    if pressed(keys.confirm):
        participation.decline(visit.study, visit.place.rater)
        return visit.moved()
    if pressed(keys.decline):
        st.session_state[_ASKED] = True
    elif pressed(keys.back):
        st.session_state[_ASKED] = False
    return visit


def draw(visit: Visit) -> None:
    """Draw the page."""
    with st.container(key="reading"):
        if st.session_state.get(_ASKED):
            _draw_question(visit)
        else:
            _draw_information(visit)


def _draw_information(visit: Visit) -> None:
    consent, keys = visit.study.protocol.consent, _keys(visit)
    elements.heading(consent.title, "consent")
    languages.offer_others(visit)
    elements.text(consent.text)
    elements.remark(visit.words("consent.code", code=visit.place.rater.code))
    agrees = st.button(to_label(consent.agree), key=keys.agree, type="primary", width="stretch")
    declines = st.button(to_label(consent.decline), key=keys.decline, width="stretch")
    if agrees:
        participation.consent(visit.study, visit.place.rater)
        st.rerun()
    if declines:
        st.session_state[_ASKED] = True
        st.rerun()


def _draw_question(visit: Visit) -> None:
    words, keys = visit.words, _keys(visit)
    elements.heading(words("consent.sure"), "decline")
    elements.text(words("consent.sure_text"))
    back = st.button(
        to_label(words("consent.back")), key=keys.back, type="primary", width="stretch"
    )
    confirms = st.button(to_label(words("consent.confirm")), key=keys.confirm, width="stretch")
    if back:
        st.session_state[_ASKED] = False
        st.rerun()
    if confirms:
        participation.decline(visit.study, visit.place.rater)
        st.rerun()
