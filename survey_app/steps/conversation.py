"""The way from the Streamlit pages to the chat page, which is a document of its own."""

from __future__ import annotations

import html

import streamlit as st

from survey_app.steps.rating import notice_late_tap
from survey_app.visit import Visit


def act(visit: Visit) -> Visit:
    """Nothing is saved here; a tap of a second tab is noticed."""
    notice_late_tap(visit)
    return visit


def draw(visit: Visit) -> None:
    """Send the browser on; its script follows the mark at once."""
    words = visit.words
    with st.container(key="reading"):
        st.html(
            f'<h1 class="evenhand-title" tabindex="-1" data-evenhand-page="conversation" '
            f'data-evenhand-chat="1">{html.escape(words("chat.next"))}</h1>'
            f'<p class="evenhand-text"><a href="/chat" target="_self">'
            f"{html.escape(words('chat.go_there'))}</a></p>"
        )
