"""Instructions, with practice responses that are rated like the others and not kept."""

from __future__ import annotations

import streamlit as st

from study import participation, session_checks
from survey_app.drawing import elements, opening
from survey_app.drawing.rating_card import Card
from survey_app.visit import Visit, pressed


def _card(visit: Visit) -> Card:
    protocol = visit.study.protocol
    # The number comes first: only the beginning of a card's name is in the keys of its items.
    name = f"p{visit.place.practice}{visit.place.rater.id}"
    example = protocol.instructions.practice[visit.place.practice - 1]
    return Card(name, protocol, visit.words, protocol.items, example.responses)


def act(visit: Visit) -> Visit:
    """Go on when the practice response is rated, before anything is drawn."""
    card = _card(visit)
    if not pressed(card.button) or card.open_items(card.known_answers()):
        return visit
    participation.finish_practice(visit.study, visit.place.rater, visit.place.practice)
    return visit.moved()


def draw(visit: Visit) -> None:
    """Draw the page; the instructions stand above every practice response."""
    card, instructions, words = _card(visit), visit.study.protocol.instructions, visit.words
    number, total = visit.place.practice, len(instructions.practice)
    example = instructions.practice[number - 1]
    with st.container(key="reading"):
        elements.heading(instructions.title, opening.open_here(visit))
        elements.text(instructions.text)
    with st.container(key=card.layout):
        with st.container(key="texts"):
            elements.note(words("practice.note"))
            if visit.study.protocol.design.shows == "conversation":
                elements.remark(words("practice.conversation"))
            if total > 1:
                elements.subheading(words("practice.number", number=number, total=total))
            card.show_texts(example.prompt, words("card.response"))
        with st.container(key="questions"):
            submission = card.ask(words(_button_text(visit)))
    if not submission.clicked:
        return
    if card.open_items(submission.answers):
        card.mark_open(submission)
        return
    participation.finish_practice(visit.study, visit.place.rater, visit.place.practice)
    st.rerun()


def _button_text(visit: Visit) -> str:
    last = visit.place.practice == len(visit.study.protocol.instructions.practice)
    starts = last and not session_checks.questions(visit.study)
    return "practice.submit" if starts else "practice.next"
