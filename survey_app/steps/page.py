"""One page for each step of a rater: what its buttons did, and how it is drawn.

A page is made anew on every run of Streamlit's script; what it knows, it reads from the database or from
the widgets that the session holds.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from dataclasses import dataclass

import streamlit as st

from study.entities import Rater
from study.store.study import Study
from survey_app.drawing import elements
from survey_app.drawing.rating_card import button_key
from survey_app.messages import Messages
from survey_app.visit import Visit, pressed

_DRAWN = "drawn"
_SAVED_HERE = "saved here"
_ALREADY = "already answered"


@dataclass(frozen=True)
class Page(ABC):
    """The page of a step."""

    visit: Visit

    @property
    def study(self) -> Study:
        """The study, in the rater's language."""
        return self.visit.study

    @property
    def words(self) -> Messages:
        """The sentences of the rater's language."""
        return self.visit.words

    @property
    def rater(self) -> Rater:
        """Who sees the page."""
        return self.visit.place.rater

    # Nothing is saved from a widget's callback: after a restart of the server, or a tablet's long sleep, the
    # session is a new one that has drawn no button, and Streamlit drops the callback of the first tap in
    # silence. The widgets' values do come with it: ``act`` looks at them, and ``draw`` at what the button
    # gives back.
    def act(self) -> Visit:
        """Save what this session's widgets say, before anything is drawn; gives where the rater is then."""
        return self.visit

    @abstractmethod
    def draw(self) -> None:
        """Draw the page; what its buttons say is saved here if it was not before."""

    def notice_drawn(self, assignment_id: str) -> None:
        """Remember which response this session shows."""
        st.session_state[_DRAWN] = assignment_id

    def notice_late_tap(self) -> None:
        """Remember to say so when the tapped button belongs to a response that is answered already.

        That happens with a second tab. The second tap of a double tap is passed over in silence.
        """
        drawn, present = st.session_state.get(_DRAWN), self.visit.place.assignment
        if drawn is None or (present is not None and drawn == present.id):
            return
        if pressed(button_key(drawn)) and st.session_state.get(_SAVED_HERE) != drawn:
            st.session_state[_ALREADY] = True

    def notice_saving(self, assignment_id: str) -> bool:
        """Remember that this session saves these answers; gives whether it did so before."""
        before: bool = st.session_state.get(_SAVED_HERE) == assignment_id
        st.session_state[_SAVED_HERE] = assignment_id
        return before

    def notice_saved_before(self) -> None:
        """Remember that the answers were not saved because others had been saved before."""
        st.session_state[_ALREADY] = True

    def show_already_answered(self) -> None:
        """Say, once, that a response had been answered before."""
        if st.session_state.pop(_ALREADY, False):
            elements.note(self.words("rating.already"))

    def show_progress(self, title: str, mark: str) -> None:
        """The heading and how many responses are saved; ``mark`` as in ``elements.heading``."""
        place = self.visit.place
        if place.assignment is None:
            return
        done, total = place.rated, place.assignment.total
        saved = self.words("rating.saved", done=done, total=total)
        tick = '<span aria-hidden="true">✓</span> ' if done else ""
        st.html(
            f'<div class="evenhand-progress"><h1 class="evenhand-title" tabindex="-1" '
            f'data-evenhand-page="{html.escape(mark)}">{html.escape(title)}</h1>'
            f'<p class="evenhand-saved" role="status">{tick}{html.escape(saved)}</p></div>'
            f'<progress class="evenhand-bar" value="{done}" max="{total}" '
            f'aria-label="{html.escape(saved)}"></progress>'
        )
