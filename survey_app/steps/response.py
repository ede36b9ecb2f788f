"""A page on which one response, several or a conversation are rated: for the first time, or again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from study.entities import Answer, BlindedAssignment, Conversation
from study.errors import StoreError
from study.store.ratings import items_in_order
from survey_app.drawing import elements, opening, transcript
from survey_app.drawing.rating_card import Card, Submission
from survey_app.steps import going_back
from survey_app.steps.page import Page


@dataclass(frozen=True)
class ResponsePage(Page):
    """What is rated on the left, the items on the right.

    ``not_saved`` when the database did not take the answers: it is not asked for anything then.
    """

    not_saved: bool = False

    @property
    @abstractmethod
    def assignment(self) -> BlindedAssignment:
        """What is rated."""

    @property
    @abstractmethod
    def conversation(self) -> Conversation | None:
        """What was said, in a study of conversations."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the page in ``study.drafts``."""

    @property
    @abstractmethod
    def card_name(self) -> str:
        """Name of the card, from which its widgets have their keys."""

    @property
    def saved(self) -> Mapping[str, Answer]:
        """Item id -> the answer that is saved."""
        return {}

    @property
    @abstractmethod
    def steps(self) -> Mapping[int, str]:
        """Further buttons: how many responses on or back -> what stands on it."""

    @property
    @abstractmethod
    def submit(self) -> str:
        """What stands on the button that saves."""

    @abstractmethod
    def save(self, answers: Mapping[str, Answer]) -> None:
        """Save the answers."""

    @abstractmethod
    def say(self) -> None:
        """Say what there is to say above the response."""

    @cached_property
    def card(self) -> Card:
        """The response with its items, in the order of this rater."""
        assignment = self.assignment
        order = items_in_order(self.study, assignment.id)
        texts = assignment.response_texts
        return Card(self.card_name, self.study.protocol, self.words, order, texts)

    def draw(self) -> None:
        """Draw the page."""
        self._draw_heading()
        self.say()
        with st.container(key=self.card.layout):
            with st.container(key="texts"):
                self._draw_texts()
            with st.container(key="questions"):
                submission = self.card.ask(self.submit, self.steps)
        self.notice_shown()
        if self.not_saved:
            self._say_not_saved(submission)
            return
        if submission.step is not None:
            going_back.go_to(self.visit, self.assignment.position + submission.step)
            st.rerun()
        if not submission.clicked:
            return
        if self.card.open_items(submission.answers):
            self.card.mark_open(submission)
            return
        try:
            self.save(submission.answers)
        except StoreError:
            self._say_not_saved(submission)
            return
        st.rerun()

    def _say_not_saved(self, submission: Submission) -> None:
        with submission.summary:
            elements.note(self.words("failure.not_saved"), "warning")

    def notice_shown(self) -> None:
        """Note what there is to note once the response is on the page."""

    def _draw_heading(self) -> None:
        opening.open_page(self.visit, self.name, self.card.held_for(self.saved))
        with st.container(key="progress"):
            place = {"position": self.assignment.position, "total": self.assignment.total}
            kind = "rating.comparison" if self.card.compares else "rating.progress"
            kind = kind if self.conversation is None else "chat.progress"
            self.show_progress(self.words(kind, **place), self.name)

    def _draw_texts(self) -> None:
        if self.conversation is not None:
            transcript.show(self.words, self.assignment, self.conversation)
        else:
            title = self.words("rating.response", label=self.assignment.label)
            self.card.show_texts(self.assignment.prompt_text, title)
