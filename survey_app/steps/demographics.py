"""Demographics: the protocol's questions about the rater."""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

from study import participation
from study.protocol import DemographicField
from survey_app.drawing import elements, opening
from survey_app.drawing.safe_text import to_label
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
    answers = {q.id: _answer(q, st.session_state.get(_key(visit, q))) for q in questions}
    return visit.moved() if _save(visit, answers) else visit


def _save(visit: Visit, answers: Answers) -> bool:
    if _open(visit, answers):
        return False
    participation.save_demographics(visit.study, visit.place.rater, answers)
    return True


def _open(visit: Visit, answers: Answers) -> list[DemographicField]:
    questions = visit.study.protocol.demographics
    return [q for q in questions if answers[q.id] is None and (q.required or _typed(visit, q))]


def _typed(visit: Visit, question: DemographicField) -> str:
    """What stands in the field of a number; blank for the other kinds."""
    raw = st.session_state.get(_key(visit, question))
    return raw.strip() if question.kind == "integer" and isinstance(raw, str) else ""


# Of what cannot be taken, on the page; a limit of the field itself would drop a long paste in silence.
_LONGEST_QUOTE = 40
_LONGEST_DRAFT = 1000

# Digits of any script; int() would also take 1_000.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d{1,18}\s*")


def _answer(question: DemographicField, raw: object) -> str | int | None:
    """The answer that a widget holds; None while there is none or it cannot be taken."""
    if question.kind == "choice":
        return None if raw is None else str(raw)
    if not isinstance(raw, str) or not _WHOLE_NUMBER.fullmatch(raw):
        return None
    number = int(raw)
    below = question.minimum is not None and number < question.minimum
    above = question.maximum is not None and number > question.maximum
    return None if below or above else number


def draw(visit: Visit) -> None:
    """Draw the page."""
    words, places = visit.words, {}
    answers: dict[str, str | int | None] = {}
    with st.container(key="reading"):
        elements.heading(words("demographics.title"), opening.open_here(visit))
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
            index=opening.place_of(key, list(labels)),
            key=key,
            width="stretch",
        )
        return None if chosen is None else str(chosen)
    # A field of text: a field of numbers drops what it does not know, in silence and in English.
    with st.container(key=f"number-{key}"):
        raw = st.text_input(label, opening.text(key, _LONGEST_DRAFT), key=key, autocomplete="off")
        elements.number_hint(
            _expected(visit, question), question.minimum, question.maximum, visit.words
        )
    return _answer(question, raw)


def _expected(visit: Visit, question: DemographicField) -> str:
    """Which numbers a field takes."""
    low, high = question.minimum, question.maximum
    if low is not None and high is not None:
        return visit.words("demographics.range", low=low, high=high)
    if low is not None:
        return visit.words("demographics.from", low=low)
    return (
        visit.words("demographics.to", high=high)
        if high is not None
        else visit.words("demographics.whole")
    )


def _wanted(visit: Visit, question: DemographicField) -> str:
    """What is said beside a field without an answer that can be taken."""
    if question.kind == "choice":
        return visit.words("demographics.open_one")
    expected, typed = _expected(visit, question), _typed(visit, question)
    if typed:
        return visit.words("demographics.unfit", value=typed[:_LONGEST_QUOTE], expected=expected)
    return visit.words("demographics.open_number", expected=expected)
