"""Instructions, with practice responses that are rated like the others and not kept."""

from __future__ import annotations

from functools import cached_property

import streamlit as st

from study import participation, session_checks
from survey_app.drawing import elements, opening
from survey_app.drawing.rating_card import Card
from survey_app.steps.page import Page
from survey_app.visit import Visit, pressed


class InstructionsPage(Page):
    """The instructions above one practice response."""

    @cached_property
    def _card(self) -> Card:
        protocol, number = self.study.protocol, self.visit.place.practice
        # The number comes first: only the beginning of a card's name is in the keys of its items.
        name = f"p{number}{self.rater.id}"
        example = protocol.instructions.practice[number - 1]
        return Card(name, protocol, self.words, protocol.items, example.responses)

    def act(self) -> Visit:
        """Go on when the practice response is rated, before anything is drawn."""
        if not pressed(self._card.button) or self._card.open_items(self._card.known_answers()):
            return self.visit
        self._finish()
        return self.visit.moved()

    def _finish(self) -> None:
        participation.finish_practice(self.study, self.rater, self.visit.place.practice)

    def draw(self) -> None:
        """Draw the page; the instructions stand above every practice response."""
        card, instructions, words = self._card, self.study.protocol.instructions, self.words
        number, total = self.visit.place.practice, len(instructions.practice)
        example = instructions.practice[number - 1]
        with st.container(key="reading"):
            elements.heading(instructions.title, opening.open_here(self.visit))
            elements.text(instructions.text)
        with st.container(key=card.layout):
            with st.container(key="texts"):
                elements.note(words("practice.note"))
                if self.study.protocol.design.shows == "conversation":
                    elements.remark(words("practice.conversation"))
                if total > 1:
                    elements.subheading(words("practice.number", number=number, total=total))
                card.show_texts(example.prompt, words("card.response"))
            with st.container(key="questions"):
                starts = number == total and not session_checks.questions(self.study)
                submission = card.ask(words("practice.submit" if starts else "practice.next"))
        if not submission.clicked:
            return
        if card.open_items(submission.answers):
            card.mark_open(submission)
            return
        self._finish()
        st.rerun()
