"""Attention: one item between two responses that says which point to choose."""

from __future__ import annotations

import streamlit as st

from study import session_checks
from study.errors import RatingError
from study.protocol.session import AttentionCheck
from survey_app.drawing import opening
from survey_app.drawing.check_form import CheckForm, check_item
from survey_app.steps.rating import notice_late_tap, show_already_answered, show_progress
from survey_app.visit import Visit, pressed


def _check(visit: Visit) -> AttentionCheck:
    if visit.place.check is None:
        raise RatingError("There is no question in between at this place.")
    return visit.place.check


def _form(visit: Visit) -> CheckForm:
    check, protocol = _check(visit), visit.study.protocol
    checks = protocol.checks.attention if protocol.checks else ()
    # The number and not the id: a key is seen by the browser.
    name = f"c{visit.place.rater.id[:8]}{checks.index(check) + 1}"
    return CheckForm(name, [check_item(check)], protocol.scale_of_check(check), visit.words)


def act(visit: Visit) -> Visit:
    """Save the answer that this session knows, before anything is drawn."""
    form = _form(visit)
    notice_late_tap(visit)
    answers = form.known_answers()
    if not pressed(form.button) or not answers:
        return visit
    _save(visit, answers)
    return visit.moved()


def _save(visit: Visit, answers: dict[str, int]) -> None:
    check = _check(visit)
    session_checks.answer_attention(visit.study, visit.place.rater, check, answers[check.id])


def draw(visit: Visit) -> None:
    """Draw the page."""
    words, form = visit.words, _form(visit)
    with st.container(key="progress"):
        show_progress(visit, words("attention.title"), opening.open_here(visit))
    show_already_answered(visit)
    with st.container(key="questions"):
        answers = form.ask(words("rating.submit"))
    if answers is not None:
        _save(visit, answers)
        st.rerun()
