"""Rating: one response a page, its items, and a mark of what is saved.

What was answered is known from the database alone. The mark "saved" counts committed responses, so
it cannot be shown for an answer that could be lost.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from study import participation
from study.entities import Answer
from study.errors import RatingError, StoreError
from study.store.ratings import mark_shown
from survey_app.steps import going_back
from survey_app.steps.response import ResponsePage, Shown
from survey_app.visit import Visit, pressed

_log = logging.getLogger("survey_app")

_TIMED = "time noted"


@dataclass(frozen=True)
class RatingPage(ResponsePage):
    """The response that this rater rates next."""

    @cached_property
    def shown(self) -> Shown:
        """The first response that is not rated; back leads to the one before."""
        assignment, talk = self.visit.place.assignment, self.visit.place.conversation
        if assignment is None:
            raise RatingError("There is no response to rate at this place.")
        steps = {-1: self.words("rating.back")} if going_back.may_go_back(self.visit) else {}
        name, submit = assignment.id, self.words("rating.submit")
        return Shown(assignment, talk, page=name, card=name, saved={}, submit=submit, steps=steps)

    def act(self) -> Visit:
        """Save the answers that this session knows, before anything is drawn."""
        self.notice_late_tap()
        answers = self.card.known_answers()
        if not pressed(self.card.button) or self.card.open_items(answers):
            return self.visit
        self.save(answers)
        return self.visit.moved()

    def save(self, answers: Mapping[str, Answer]) -> None:
        """Save the answers, once."""
        # First: where the session is written to, Streamlit stops this run if a second tap came meanwhile,
        # and the next run must know that this session saved these answers.
        here_before = self.notice_saving(self.assignment.id)
        saved = participation.submit(self.study, self.rater, self.assignment.id, answers)
        if not saved and not here_before:
            self.notice_saved_before()

    def draw(self) -> None:
        """Draw the page."""
        self.notice_drawn(self.assignment.id)
        super().draw()

    def say(self) -> None:
        """Say if the response had been answered before."""
        self.show_already_answered()

    def notice_shown(self) -> None:
        """Note when the response was first on the page: after it is drawn, so that nobody waits."""
        if st.session_state.get(_TIMED) == self.assignment.id:
            return
        try:
            mark_shown(self.study, self.assignment.id)
        except StoreError as error:
            # The next run tries again; the rater can go on rating.
            _log.error("%s", error)
            return
        st.session_state[_TIMED] = self.assignment.id
