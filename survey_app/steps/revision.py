"""Revision: a response that is rated, when the rater goes back to it.

Which one it is stands in the page's address, so that a reload shows it again; whether this rater may
change it is asked of the database on every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from study import drafts, participation
from study.entities import Answer
from study.store.revisions import RatedAssignment, rated_assignment
from survey_app.drawing import elements
from survey_app.steps import going_back
from survey_app.steps.rating import RatingPage
from survey_app.steps.response import ResponsePage, Shown
from survey_app.visit import Visit, pressed

_SHOWN = "rated response shown"


def rating_or_revision(visit: Visit) -> ResponsePage:
    """The rated response that the address asks for and that may be changed, or the one to be rated."""
    position = going_back.wanted_position(visit)
    rated = position and rated_assignment(visit.study, visit.place.rater, position)
    st.session_state[_SHOWN] = rated
    return RevisionPage(visit, rated=rated) if rated else RatingPage(visit)


def page_not_saved(visit: Visit) -> ResponsePage:
    """What ``rating_or_revision`` gave last, when the database cannot be asked."""
    rated: RatedAssignment | None = st.session_state.get(_SHOWN)
    if rated is None:
        return RatingPage(visit, not_saved=True)
    return RevisionPage(visit, not_saved=True, rated=rated)


@dataclass(frozen=True, kw_only=True)
class RevisionPage(ResponsePage):
    """A rated response, with the answers that are saved."""

    rated: RatedAssignment

    @cached_property
    def shown(self) -> Shown:
        """Page and card have other names than when the response was rated, the page after every change."""
        assignment = self.rated.assignment
        back = {-1: self.words("rating.back")} if assignment.position > 1 else {}
        return Shown(
            assignment,
            self.rated.conversation,
            page=drafts.page_of_revision(assignment.id, self.rated.revision),
            card=f"r{assignment.id}",
            saved=self.rated.answers,
            submit=self.words("rating.save_again"),
            steps={1: self.words("rating.no_change"), **back},
        )

    def act(self) -> Visit:
        """Save the answers that this session knows, before anything is drawn."""
        answers = self.card.known_answers()
        if pressed(self.card.button) and not self.card.open_items(answers):
            self.save(answers)
        return self.visit

    def save(self, answers: Mapping[str, Answer]) -> None:
        """Save what is changed and go on to the next response."""
        participation.revise(self.study, self.rater, self.assignment.id, answers)
        going_back.go_to(self.visit, self.assignment.position + 1)

    def say(self) -> None:
        """Say that the answers are saved already."""
        elements.note(self.words("rating.again"))
