"""Consent: the text of the protocol, and two buttons. Declining is asked once more, then final."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from study import participation
from survey_app import languages
from survey_app.drawing import elements
from survey_app.drawing.safe_text import to_label
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed

# Not in the database: a reload shows the information again, and nothing is decided.
_ASKED = "asked whether declining is meant"


class ConsentPage(Page):
    """The information or, after a tap on declining, the question whether that is meant."""

    def _key(self, button: str) -> str:
        # Another one for every rater.
        return f"{button}-{self.rater.id}"

    def act(self) -> Visit:
        """Save what this session's buttons say, before anything is drawn."""
        if pressed(self._key("agree")):
            participation.consent(self.study, self.rater)
            return self.visit.moved()
        if pressed(self._key("declined")):
            participation.decline(self.study, self.rater)
            return self.visit.moved()
        if pressed(self._key("decline")):
            st.session_state[_ASKED] = True
        elif pressed(self._key("undecided")):
            st.session_state[_ASKED] = False
        return self.visit

    def draw(self) -> None:
        """Draw the page."""
        with st.container(key="reading"):
            if st.session_state.get(_ASKED):
                self._draw_question()
            else:
                self._draw_information()

    def _button(self, button: str, text: str, *, first: bool = False) -> bool:
        kind: Literal["primary", "secondary"] = "primary" if first else "secondary"
        return st.button(to_label(text), key=self._key(button), type=kind, width="stretch")

    def _draw_information(self) -> None:
        consent = self.study.protocol.consent
        elements.heading(consent.title, "consent")
        languages.offer_others(self.visit)
        elements.text(consent.text)
        elements.remark(self.words("consent.code", code=self.rater.code))
        agrees = self._button("agree", consent.agree, first=True)
        declines = self._button("decline", consent.decline)
        if agrees:
            participation.consent(self.study, self.rater)
            st.rerun()
        if declines:
            st.session_state[_ASKED] = True
            st.rerun()

    def _draw_question(self) -> None:
        words = self.words
        elements.heading(words("consent.sure"), "decline")
        elements.text(words("consent.sure_text"))
        back = self._button("undecided", words("consent.back"), first=True)
        confirms = self._button("declined", words("consent.confirm"))
        if back:
            st.session_state[_ASKED] = False
            st.rerun()
        if confirms:
            participation.decline(self.study, self.rater)
            st.rerun()
