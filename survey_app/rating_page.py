"""Rating: one response a page, its items, and a mark of what is saved.

What was answered is known from the database alone. The mark "saved" counts committed responses, so
it cannot be shown for an answer that could be lost.
"""

from __future__ import annotations

import html
import logging

import streamlit as st

from study import participation
from study.entities import BlindedAssignment
from study.errors import RatingError, StoreError
from study.protocol import Answer
from study.store.ratings import items_in_order, mark_shown
from survey_app import elements
from survey_app.rating_card import Card
from survey_app.visit import Visit, pressed

_log = logging.getLogger("survey_app")

_DRAWN = "drawn"
_TIMED = "time noted"
_SAVED_HERE = "saved here"
_ALREADY = "already answered"


def _assignment(visit: Visit) -> BlindedAssignment:
    if visit.place.assignment is None:
        raise RatingError("There is no response to rate at this place.")
    return visit.place.assignment


def _card(visit: Visit, assignment_id: str) -> Card:
    order = items_in_order(visit.study, assignment_id)
    return Card(assignment_id, visit.study.protocol, visit.words, order)


def act(visit: Visit) -> Visit:
    """Save the answers that this session knows, before anything is drawn."""
    card = _card(visit, _assignment(visit).id)
    notice_late_tap(visit)
    if not pressed(card.button) or card.open_items(card.known_answers()):
        return visit
    _save(visit, card.known_answers())
    return visit.moved()


def notice_late_tap(visit: Visit) -> None:
    """Remember to say so when the tapped button belongs to a response that is answered already.

    That happens with a second tab. The second tap of a double tap is passed over in silence.
    """
    drawn = st.session_state.get(_DRAWN)
    present = visit.place.assignment
    if drawn is None or (present is not None and drawn == present.id):
        return
    if pressed(_card(visit, drawn).button) and st.session_state.get(_SAVED_HERE) != drawn:
        st.session_state[_ALREADY] = True


def _save(visit: Visit, answers: dict[str, Answer]) -> None:
    assignment = _assignment(visit)
    if participation.submit(visit.study, visit.place.rater, assignment.id, answers):
        st.session_state[_SAVED_HERE] = assignment.id
    else:
        st.session_state[_ALREADY] = True


def draw(visit: Visit, *, not_saved: bool = False) -> None:
    """Draw the page; ``not_saved`` when the database did not take the answers."""
    assignment = _assignment(visit)
    card = _card(visit, assignment.id)
    st.session_state[_DRAWN] = assignment.id
    with st.container(key="progress"):
        _show_progress(visit, assignment)
    show_already_answered(visit)
    with st.container(key="rating"):
        with st.container(key="texts"):
            title = visit.words("rating.response", label=assignment.label)
            card.show_texts(assignment.prompt_text, assignment.response_text, title)
        with st.container(key="questions"):
            submission = card.ask(visit.words("rating.submit"))
    _note_time(visit, assignment)
    if not_saved:
        with submission.summary:
            elements.note(visit.words("failure.not_saved"), "warning")
    elif submission.clicked:
        if card.open_items(submission.answers):
            card.mark_open(submission)
            return
        try:
            _save(visit, dict(submission.answers))
        except StoreError:
            with submission.summary:
                elements.note(visit.words("failure.not_saved"), "warning")
            return
        st.rerun()


def _note_time(visit: Visit, assignment: BlindedAssignment) -> None:
    """Note when the response was first on the page: after it is drawn, so that nobody waits."""
    if st.session_state.get(_TIMED) == assignment.id:
        return
    try:
        mark_shown(visit.study, assignment.id)
    except StoreError as error:
        # The next run tries again; the rater can go on rating.
        _log.error("%s", error)
        return
    st.session_state[_TIMED] = assignment.id


def show_already_answered(visit: Visit) -> None:
    """Say, once, that a response had been answered before."""
    if st.session_state.pop(_ALREADY, False):
        elements.note(visit.words("rating.already"))


def _show_progress(visit: Visit, assignment: BlindedAssignment) -> None:
    words, done, total = visit.words, assignment.position - 1, assignment.total
    title = words("rating.progress", position=assignment.position, total=total)
    saved = words("rating.saved", done=done, total=total)
    tick = '<span aria-hidden="true">✓</span> ' if done else ""
    st.html(
        f'<div class="evenhand-progress"><h1 class="evenhand-title" tabindex="-1" '
        f'data-evenhand-page="{html.escape(assignment.id)}">{html.escape(title)}</h1>'
        f'<p class="evenhand-saved" role="status">{tick}{html.escape(saved)}</p></div>'
        f'<progress class="evenhand-bar" value="{done}" max="{total}" '
        f'aria-label="{html.escape(saved)}"></progress>'
    )
