"""Attention: one item between two responses that says which point to choose."""

from __future__ import annotations

from functools import cached_property

import streamlit as st

from study import session_checks
from study.errors import RatingError
from study.protocol.session import AttentionCheck
from survey_app.drawing import opening
from survey_app.drawing.check_form import CheckForm, check_item
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed


class AttentionPage(Page):
    """The check that is due."""

    @property
    def _check(self) -> AttentionCheck:
        if self.visit.place.check is None:
            raise RatingError("There is no question in between at this place.")
        return self.visit.place.check

    @cached_property
    def _form(self) -> CheckForm:
        check, protocol = self._check, self.study.protocol
        checks = protocol.checks.attention if protocol.checks else ()
        # The number and not the id: a key is seen by the browser.
        name = f"c{self.rater.id[:8]}{checks.index(check) + 1}"
        return CheckForm(name, [check_item(check)], protocol.scale_of_check(check), self.words)

    def act(self) -> Visit:
        """Save the answer that this session knows, before anything is drawn."""
        self.notice_late_tap()
        answers = self._form.known_answers()
        if not pressed(self._form.button) or not answers:
            return self.visit
        self._save(answers)
        return self.visit.moved()

    def _save(self, answers: dict[str, int]) -> None:
        check = self._check
        session_checks.answer_attention(self.study, self.rater, check, answers[check.id])

    def draw(self) -> None:
        """Draw the page."""
        with st.container(key="progress"):
            self.show_progress(self.words("attention.title"), opening.open_here(self.visit))
        self.show_already_answered()
        with st.container(key="questions"):
            answers = self._form.ask(self.words("rating.submit"))
        if answers is not None:
            self._save(answers)
            st.rerun()
