"""Instructions, with a practice response that is rated like the others and not kept."""

from __future__ import annotations

import streamlit as st

from study import participation
from survey_app import elements
from survey_app.rating_card import Card
from survey_app.visit import Visit, pressed


def _card(visit: Visit) -> Card:
    protocol = visit.study.protocol
    return Card(f"p{visit.place.rater.id}", protocol, visit.words, protocol.items)


def act(visit: Visit) -> Visit:
    """Go on when the practice response is rated, before anything is drawn."""
    card = _card(visit)
    if not pressed(card.button) or card.open_items(card.known_answers()):
        return visit
    participation.finish_practice(visit.study, visit.place.rater)
    return visit.moved()


def draw(visit: Visit) -> None:
    """Draw the page."""
    card, instructions = _card(visit), visit.study.protocol.instructions
    with st.container(key="reading"):
        elements.heading(instructions.title, "instructions")
        elements.text(instructions.text)
    with st.container(key="rating"):
        with st.container(key="texts"):
            elements.note(visit.words("practice.note"))
            card.show_texts(
                instructions.practice.prompt,
                instructions.practice.response,
                visit.words("card.response"),
            )
        with st.container(key="questions"):
            submission = card.ask(visit.words("practice.submit"))
    if not submission.clicked:
        return
    if card.open_items(submission.answers):
        card.mark_open(submission)
        return
    participation.finish_practice(visit.study, visit.place.rater)
    st.rerun()
