"""Demographics: the protocol's questions about the rater."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from study import participation
from study.protocol import DemographicField
from survey_app import elements
from survey_app.safe_text import to_label
from survey_app.visit import Visit, pressed

Answers = Mapping[str, str | int | None]


def _button(visit: Visit) -> str:
    return f"about-{visit.place.rater.id}"


def _key(visit: Visit, question: DemographicField) -> str:
    return f"about-{visit.place.rater.id}-{question.id}"


def act(visit: Visit) -> Visit:
    """Save the answers that this session knows, before anything is drawn."""
    if not pressed(_button(visit)):
        return visit
    questions = visit.study.protocol.demographics
    answers = {q.id: st.session_state.get(_key(visit, q)) for q in questions}
    return visit.moved() if _save(visit, answers) else visit


def _save(visit: Visit, answers: Answers) -> bool:
    if _open(visit, answers):
        return False
    participation.save_demographics(visit.study, visit.place.rater, answers)
    return True


def _open(visit: Visit, answers: Answers) -> list[DemographicField]:
    questions = visit.study.protocol.demographics
    return [q for q in questions if q.required and answers[q.id] is None]


def draw(visit: Visit) -> None:
    """Draw the page."""
    words, places = visit.words, {}
    answers: dict[str, str | int | None] = {}
    with st.container(key="reading"):
        elements.heading(words("demographics.title"), "about")
        elements.text(words("demographics.text"))
        with st.form(key=f"form-{_button(visit)}", border=False, enter_to_submit=False):
            for question in visit.study.protocol.demographics:
                answers[question.id] = _ask(visit, question)
                places[question.id] = st.empty()
            summary = st.empty()
            clicked = st.form_submit_button(
                to_label(words("demographics.submit")),
                key=_button(visit),
                type="primary",
                width="stretch",
            )
    if not clicked:
        return
    if _save(visit, answers):
        st.rerun()
    for question in _open(visit, answers):
        with places[question.id]:
            elements.open_mark(_wanted(visit, question))
    with summary:
        elements.note(words("demographics.open"), "warning")


def _ask(visit: Visit, question: DemographicField) -> str | int | None:
    label = to_label(
        question.question
        if question.required
        else visit.words("demographics.optional", question=question.question)
    )
    key = _key(visit, question)
    if question.kind == "choice":
        labels = {option.value: to_label(option.label) for option in question.options}
        chosen = st.radio(
            label,
            list(labels),
            format_func=labels.__getitem__,
            index=None,
            key=key,
            width="stretch",
        )
        return None if chosen is None else str(chosen)
    bounds: dict[str, Any] = {"min_value": question.minimum, "max_value": question.maximum}
    number = st.number_input(
        label, value=None, step=1, key=key, placeholder=_range(visit, question), **bounds
    )
    return None if number is None else int(number)


def _range(visit: Visit, question: DemographicField) -> str | None:
    if question.minimum is None or question.maximum is None:
        return None
    return visit.words("demographics.range", low=question.minimum, high=question.maximum)


def _wanted(visit: Visit, question: DemographicField) -> str:
    if question.kind == "integer" and question.minimum is not None and question.maximum is not None:
        return visit.words("demographics.open_number", low=question.minimum, high=question.maximum)
    return visit.words("demographics.open_one")
