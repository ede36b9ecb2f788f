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
class Shown:
    """What such a page shows and offers.

    Parameters
    ----------
    assignment : BlindedAssignment
        What is rated.
    conversation : Conversation or None
        What was said, in a study of conversations.
    page : str
        Name of the page in ``study.drafts``.
    card : str
        Name of the card, from which its widgets have their keys.
    saved : mapping
        Item id -> the answer that is saved.
    submit : str
        What stands on the button that saves.
    steps : mapping
        Further buttons: how many responses on or back -> what stands on it.
    """

    assignment: BlindedAssignment
    conversation: Conversation | None
    page: str
    card: str
    saved: Mapping[str, Answer]
    submit: str
    steps: Mapping[int, str]


@dataclass(frozen=True)
class ResponsePage(Page):
    """What is rated on the left, the items on the right.

    ``not_saved`` when the database did not take the answers: it is not asked for anything then.
    """

    not_saved: bool = False

    @property
    @abstractmethod
    def shown(self) -> Shown:
        """What the page shows and offers."""

    @property
    def assignment(self) -> BlindedAssignment:
        """What is rated."""
        return self.shown.assignment

    @abstractmethod
    def save(self, answers: Mapping[str, Answer]) -> None:
        """Save the answers."""

    @abstractmethod
    def say(self) -> None:
        """Say what there is to say above the response."""

    def notice_shown(self) -> None:
        """Note what there is to note once the response is on the page."""

    @cached_property
    def card(self) -> Card:
        """The response with its items, in the order of this rater."""
        assignment = self.assignment
        order = items_in_order(self.study, assignment.id)
        texts = assignment.response_texts
        return Card(self.shown.card, self.study.protocol, self.words, order, texts)

    def draw(self) -> None:
        """Draw the page."""
        self._draw_heading()
        self.say()
        with st.container(key=self.card.layout):
            with st.container(key="texts"):
                self._draw_texts()
            with st.container(key="questions"):
                submission = self.card.ask(self.shown.submit, self.shown.steps)
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

    def _draw_heading(self) -> None:
        page = self.shown.page
        opening.open_page(self.visit, page, self.card.held_for(self.shown.saved))
        with st.container(key="progress"):
            place = {"position": self.assignment.position, "total": self.assignment.total}
            kind = "rating.comparison" if self.card.compares else "rating.progress"
            kind = kind if self.shown.conversation is None else "chat.progress"
            self.show_progress(self.words(kind, **place), page)

    def _draw_texts(self) -> None:
        talk = self.shown.conversation
        if talk is not None:
            transcript.show(self.words, self.assignment, talk)
        else:
            title = self.words("rating.response", label=self.assignment.label)
            self.card.show_texts(self.assignment.prompt_text, title)
