"""Comprehension: questions about the instructions, which stand above them from the second attempt."""

from __future__ import annotations

import streamlit as st

from study import session_checks
from survey_app.drawing import elements, opening
from survey_app.drawing.check_form import CheckForm, question_item
from survey_app.visit import Visit, pressed


def _form(visit: Visit) -> CheckForm:
    protocol, place = visit.study.protocol, visit.place
    items = [question_item(question) for question in session_checks.questions(visit.study)]
    name = f"q{place.rater.id[:8]}{place.attempt}"
    return CheckForm(name, items, protocol.instruments[0].scale, visit.words)


def act(visit: Visit) -> Visit:
    """Save the answers that this session knows, before anything is drawn."""
    form = _form(visit)
    answers = form.known_answers()
    if not pressed(form.button) or len(answers) < len(form.items):
        return visit
    _save(visit, answers)
    return visit.moved()


def _save(visit: Visit, answers: dict[str, int]) -> None:
    place = visit.place
    session_checks.answer_comprehension(visit.study, place.rater, place.attempt, answers)


def draw(visit: Visit) -> None:
    """Draw the page."""
    words, attempt = visit.words, visit.place.attempt
    instructions = visit.study.protocol.instructions
    with st.container(key="reading"):
        elements.heading(words("comprehension.title"), opening.open_here(visit))
        if attempt > 1:
            left = session_checks.attempts_allowed(visit.study) - attempt + 1
            elements.note(words("comprehension.again", number=left), "warning")
            elements.subheading(instructions.title)
            elements.text(instructions.text)
            elements.subheading(words("comprehension.questions"))
        else:
            elements.text(words("comprehension.text"))
        answers = _form(visit).ask(words("comprehension.submit"))
    if answers is not None:
        _save(visit, answers)
        st.rerun()
