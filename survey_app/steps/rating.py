"""Rating: one response a page, its items, and a mark of what is saved.

What was answered is known from the database alone. The mark "saved" counts committed responses, so
it cannot be shown for an answer that could be lost.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence

import streamlit as st

from study import participation
from study.entities import Answer, BlindedAssignment
from study.errors import RatingError, StoreError
from study.store.ratings import items_in_order, mark_shown
from survey_app.drawing import elements, opening, transcript
from survey_app.drawing.rating_card import Card
from survey_app.steps import going_back
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


def _card(visit: Visit, assignment_id: str, responses: Sequence[str] = ("",)) -> Card:
    order = items_in_order(visit.study, assignment_id)
    return Card(assignment_id, visit.study.protocol, visit.words, order, responses)


def _present_card(visit: Visit) -> Card:
    assignment = _assignment(visit)
    return _card(visit, assignment.id, assignment.response_texts)


def act(visit: Visit) -> Visit:
    """Save the answers that this session knows, before anything is drawn."""
    card = _present_card(visit)
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
    # First: where the session is written to, Streamlit stops this run if a second tap came meanwhile,
    # and the next run must know that this session saved these answers.
    here_before = st.session_state.get(_SAVED_HERE) == assignment.id
    st.session_state[_SAVED_HERE] = assignment.id
    saved = participation.submit(visit.study, visit.place.rater, assignment.id, answers)
    if not saved and not here_before:
        st.session_state[_ALREADY] = True


def draw(visit: Visit, *, not_saved: bool = False) -> None:
    """Draw the page; ``not_saved`` when the database did not take the answers."""
    assignment = _assignment(visit)
    card = _present_card(visit)
    st.session_state[_DRAWN] = assignment.id
    opening.open_page(visit, assignment.id)
    with st.container(key="progress"):
        place = {"position": assignment.position, "total": assignment.total}
        kind = "rating.comparison" if card.compares else "rating.progress"
        kind = kind if visit.place.conversation is None else "chat.progress"
        show_progress(visit, visit.words(kind, **place), assignment.id)
    show_already_answered(visit)
    with st.container(key=card.layout):
        with st.container(key="texts"):
            if visit.place.conversation is not None:
                transcript.show(visit.words, assignment, visit.place.conversation)
            else:
                title = visit.words("rating.response", label=assignment.label)
                card.show_texts(assignment.prompt_text, title)
        with st.container(key="questions"):
            steps = {-1: visit.words("rating.back")} if going_back.may_go_back(visit) else {}
            submission = card.ask(visit.words("rating.submit"), steps)
    _note_time(visit, assignment)
    if not_saved:
        with submission.summary:
            elements.note(visit.words("failure.not_saved"), "warning")
    elif submission.step is not None:
        going_back.go_to(visit, assignment.position - 1)
        st.rerun()
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


def show_progress(visit: Visit, title: str, mark: str) -> None:
    """The page's heading and how many responses are saved; ``mark`` as in ``elements.heading``."""
    if visit.place.assignment is None:
        return
    done, total = visit.place.rated, visit.place.assignment.total
    saved = visit.words("rating.saved", done=done, total=total)
    tick = '<span aria-hidden="true">✓</span> ' if done else ""
    st.html(
        f'<div class="evenhand-progress"><h1 class="evenhand-title" tabindex="-1" '
        f'data-evenhand-page="{html.escape(mark)}">{html.escape(title)}</h1>'
        f'<p class="evenhand-saved" role="status">{tick}{html.escape(saved)}</p></div>'
        f'<progress class="evenhand-bar" value="{done}" max="{total}" '
        f'aria-label="{html.escape(saved)}"></progress>'
    )
