"""Comprehension: questions about the instructions, which stand above them from the second attempt."""

from __future__ import annotations

from functools import cached_property

import streamlit as st

from study import session_checks
from survey_app.drawing import elements, opening
from survey_app.drawing.check_form import CheckForm, question_item
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed


class ComprehensionPage(Page):
    """One attempt at all questions."""

    @cached_property
    def _form(self) -> CheckForm:
        items = [question_item(question) for question in session_checks.questions(self.study)]
        name = f"q{self.rater.id[:8]}{self.visit.place.attempt}"
        return CheckForm(name, items, self.study.protocol.instruments[0].scale, self.words)

    def act(self) -> Visit:
        """Save the answers that this session knows, before anything is drawn."""
        answers = self._form.known_answers()
        if not pressed(self._form.button) or len(answers) < len(self._form.items):
            return self.visit
        self._save(answers)
        return self.visit.moved()

    def _save(self, answers: dict[str, int]) -> None:
        attempt = self.visit.place.attempt
        session_checks.answer_comprehension(self.study, self.rater, attempt, answers)

    def draw(self) -> None:
        """Draw the page."""
        words, attempt = self.words, self.visit.place.attempt
        instructions = self.study.protocol.instructions
        with st.container(key="reading"):
            elements.heading(words("comprehension.title"), opening.open_here(self.visit))
            if attempt > 1:
                left = session_checks.attempts_allowed(self.study) - attempt + 1
                elements.note(words("comprehension.again", number=left), "warning")
                elements.subheading(instructions.title)
                elements.text(instructions.text)
                elements.subheading(words("comprehension.questions"))
            else:
                elements.text(words("comprehension.text"))
            answers = self._form.ask(words("comprehension.submit"))
        if answers is not None:
            self._save(answers)
            st.rerun()
