"""The way from the Streamlit pages to the chat page, which is a document of its own."""

from __future__ import annotations

import html

import streamlit as st

from survey_app.steps.page import Page
from survey_app.visit import Visit


class ConversationPage(Page):
    """Sends the browser on."""

    def act(self) -> Visit:
        """Nothing is saved here; a tap of a second tab is noticed."""
        self.notice_late_tap()
        return self.visit

    def draw(self) -> None:
        """Send the browser on; its script follows the mark at once."""
        with st.container(key="reading"):
            st.html(
                f'<h1 class="evenhand-title" tabindex="-1" data-evenhand-page="conversation" '
                f'data-evenhand-chat="1">{html.escape(self.words("chat.next"))}</h1>'
                f'<p class="evenhand-text"><a href="/chat" target="_self">'
                f"{html.escape(self.words('chat.go_there'))}</a></p>"
            )
