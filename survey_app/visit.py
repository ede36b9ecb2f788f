"""A visit: what one run of the page works with. It is made anew from the database each time."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from study.participation import Place, find_place
from study.store.study import Study
from survey_app.messages import Messages


@dataclass(frozen=True)
class Visit:
    """One rater's place, with the study and the sentences of its language."""

    study: Study
    words: Messages
    token: str
    place: Place

    def moved(self) -> Visit:
        """The visit after something was saved: the place is read again."""
        return Visit(self.study, self.words, self.token, find_place(self.study, self.token))


def pressed(key: str) -> bool:
    """Whether a button, drawn by an earlier run of this session, caused this run.

    It does not see the first tap after a server restart: the new session has not drawn the button
    yet. So a page also looks at what the button returns once it is drawn.
    """
    return bool(st.session_state.get(key))
