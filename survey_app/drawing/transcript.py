"""A conversation that is over, above the questions about it."""

from __future__ import annotations

import html

import streamlit as st

from study import conversation
from study.entities import BlindedAssignment, Conversation
from survey_app.drawing import elements, safe_text
from survey_app.messages import Messages


def show(words: Messages, assignment: BlindedAssignment, talk: Conversation) -> None:
    """Show all that was said, as text."""
    partner = words("chat.partner", label=assignment.label)
    turns = "".join(
        f'<li class="evenhand-turn evenhand-by-{turn.role}"><span>'
        f"{html.escape(words('chat.you') if turn.role == conversation.RATER else partner)}</span>"
        f'<div dir="auto">{safe_text.to_html(turn.text)}</div></li>'
        for turn in conversation.shown_turns(talk)
        if turn.text
    )
    st.html(
        f'<div class="evenhand-texts"{elements.scrolling(words("chat.yours"), words)}>'
        f'<section class="evenhand-response"><h2>{html.escape(words("chat.yours"))}</h2>'
        f'<ol class="evenhand-turns">{turns}</ol></section></div>'
    )
