"""Rating and revision: the response to be rated or, when the rater goes back, one that is rated.

Which one it is stands in the page's address, so that a reload shows it again; whether this rater may
change it is asked of the database on every run.
"""

from __future__ import annotations

import streamlit as st

from study import drafts, participation
from study.entities import Answer, BlindedAssignment
from study.errors import StoreError
from study.store.ratings import items_in_order
from study.store.revisions import RatedAssignment, rated_assignment
from survey_app.drawing import elements, opening, transcript
from survey_app.drawing.rating_card import Card
from survey_app.steps import going_back
from survey_app.steps import rating as rating_page
from survey_app.visit import Visit, pressed

_SHOWN = "rated response shown"


def _asked(visit: Visit) -> RatedAssignment | None:
    """The rated response that the address asks for; None without one that may be changed."""
    position = going_back.wanted_position(visit)
    if position is None:
        return None
    return rated_assignment(visit.study, visit.place.rater, position)


def _card(visit: Visit, assignment: BlindedAssignment) -> Card:
    order = items_in_order(visit.study, assignment.id)
    name = f"r{assignment.id}"
    return Card(name, visit.study.protocol, visit.words, order, assignment.response_texts)


def act(visit: Visit) -> Visit:
    """Save the answers that this session knows, before anything is drawn."""
    rated = _asked(visit)
    if rated is None:
        return rating_page.act(visit)
    card = _card(visit, rated.assignment)
    answers = card.known_answers()
    if pressed(card.button) and not card.open_items(answers):
        _save(visit, rated, answers)
    return visit


def _save(visit: Visit, rated: RatedAssignment, answers: dict[str, Answer]) -> None:
    assignment = rated.assignment
    participation.revise(visit.study, visit.place.rater, assignment.id, answers)
    going_back.go_to(visit, assignment.position + 1)


def draw(visit: Visit, *, not_saved: bool = False) -> None:
    """Draw the rated response that is asked for, or else the one to be rated.

    ``not_saved`` when the database did not take the answers: it is not asked for anything then.
    """
    rated = st.session_state.get(_SHOWN) if not_saved else _asked(visit)
    st.session_state[_SHOWN] = rated
    if rated is None:
        rating_page.draw(visit, not_saved=not_saved)
    else:
        _draw_rated(visit, rated, not_saved)


def _draw_rated(visit: Visit, rated: RatedAssignment, not_saved: bool) -> None:
    assignment, words = rated.assignment, visit.words
    card = _card(visit, assignment)
    page = drafts.page_of_revision(assignment.id, rated.revision)
    opening.open_page(visit, page, card.held_for(rated.answers))
    with st.container(key="progress"):
        place = {"position": assignment.position, "total": assignment.total}
        kind = "rating.comparison" if card.compares else "rating.progress"
        kind = kind if rated.conversation is None else "chat.progress"
        rating_page.show_progress(visit, words(kind, **place), page)
    elements.note(words("rating.again"))
    with st.container(key=card.layout):
        with st.container(key="texts"):
            if rated.conversation is not None:
                transcript.show(words, assignment, rated.conversation)
            else:
                title = words("rating.response", label=assignment.label)
                card.show_texts(assignment.prompt_text, title)
        with st.container(key="questions"):
            others = {1: words("rating.no_change")}
            if assignment.position > 1:
                others[-1] = words("rating.back")
            submission = card.ask(words("rating.save_again"), others)
    if not_saved:
        with submission.summary:
            elements.note(words("failure.not_saved"), "warning")
        return
    if submission.step is not None:
        going_back.go_to(visit, assignment.position + submission.step)
        st.rerun()
    if not submission.clicked:
        return
    if card.open_items(submission.answers):
        card.mark_open(submission)
        return
    try:
        _save(visit, rated, dict(submission.answers))
    except StoreError:
        with submission.summary:
            elements.note(words("failure.not_saved"), "warning")
        return
    st.rerun()
