"""The choice of a language, before anything else is read."""

from __future__ import annotations

import streamlit as st

from survey_app import languages
from survey_app.drawing import elements
from survey_app.messages import load_messages
from survey_app.steps.page import Page


class LanguagePage(Page):
    """Nothing is saved here: the links lead to the server itself."""

    def draw(self) -> None:
        """Draw the page: its heading and its links are in every language of the study."""
        codes = self.study.protocol.languages
        with st.container(key="reading"):
            titles = [load_messages(code)("page.choose_language") for code in codes]
            elements.heading(" · ".join(titles), "language")
            languages.offer(codes, "evenhand-languages", "evenhand-leave")
