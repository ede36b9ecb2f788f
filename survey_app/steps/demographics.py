"""Demographics: the protocol's questions about the rater."""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

from study import participation
from study.protocol import DemographicField
from survey_app.drawing import elements, opening
from survey_app.drawing.safe_text import to_label
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed

Answers = Mapping[str, str | int | None]


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


class DemographicsPage(Page):
    """The questions in one form."""

    @property
    def _button(self) -> str:
        return f"about-{self.rater.id}"

    def _key(self, question: DemographicField) -> str:
        return f"about-{self.rater.id}-{question.id}"

    def act(self) -> Visit:
        """Save the answers that this session knows, before anything is drawn."""
        if not pressed(self._button):
            return self.visit
        questions = self.study.protocol.demographics
        answers = {q.id: _answer(q, st.session_state.get(self._key(q))) for q in questions}
        return self.visit.moved() if self._save(answers) else self.visit

    def _save(self, answers: Answers) -> bool:
        if self._open(answers):
            return False
        participation.save_demographics(self.study, self.rater, answers)
        return True

    def _open(self, answers: Answers) -> list[DemographicField]:
        questions = self.study.protocol.demographics
        return [q for q in questions if answers[q.id] is None and (q.required or self._typed(q))]

    def _typed(self, question: DemographicField) -> str:
        """What stands in the field of a number; blank for the other kinds."""
        raw = st.session_state.get(self._key(question))
        return raw.strip() if question.kind == "integer" and isinstance(raw, str) else ""

    def draw(self) -> None:
        """Draw the page."""
        words, places = self.words, {}
        answers: dict[str, str | int | None] = {}
        with st.container(key="reading"):
            elements.heading(words("demographics.title"), opening.open_here(self.visit))
            elements.text(words("demographics.text"))
            with st.form(key=f"form-{self._button}", border=False, enter_to_submit=False):
                for question in self.study.protocol.demographics:
                    answers[question.id] = self._ask(question)
                    places[question.id] = st.empty()
                summary = st.empty()
                clicked = st.form_submit_button(
                    to_label(words("demographics.submit")),
                    key=self._button,
                    type="primary",
                    width="stretch",
                )
        if not clicked:
            return
        if self._save(answers):
            st.rerun()
        for question in self._open(answers):
            with places[question.id]:
                elements.open_mark(self._wanted(question))
        with summary:
            elements.note(words("demographics.open"), "warning")

    def _ask(self, question: DemographicField) -> str | int | None:
        label = to_label(
            question.question
            if question.required
            else self.words("demographics.optional", question=question.question)
        )
        key = self._key(question)
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
            raw = st.text_input(
                label, opening.text(key, _LONGEST_DRAFT), key=key, autocomplete="off"
            )
            elements.number_hint(
                self._expected(question), question.minimum, question.maximum, self.words
            )
        return _answer(question, raw)

    def _expected(self, question: DemographicField) -> str:
        """Which numbers a field takes."""
        low, high = question.minimum, question.maximum
        if low is not None and high is not None:
            return self.words("demographics.range", low=low, high=high)
        if low is not None:
            return self.words("demographics.from", low=low)
        return (
            self.words("demographics.to", high=high)
            if high is not None
            else self.words("demographics.whole")
        )

    def _wanted(self, question: DemographicField) -> str:
        """What is said beside a field without an answer that can be taken."""
        if question.kind == "choice":
            return self.words("demographics.open_one")
        expected, typed = self._expected(question), self._typed(question)
        if typed:
            return self.words("demographics.unfit", value=typed[:_LONGEST_QUOTE], expected=expected)
        return self.words("demographics.open_number", expected=expected)
