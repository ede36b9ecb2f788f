"""Drafts of a rater's pages: which page has one, and until when it is taken.

The browser hands them in while a page is filled in, and asks for nothing but that they be kept. Whether
the page is still open is decided in the transaction that keeps the draft, so that a late one can neither
change an answer nor stay behind one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from study import participation
from study.clock import now
from study.conversation import RATER
from study.entities import Rater
from study.participation import Place, Step
from study.store import drafts as stored
from study.store import raters, revisions
from study.store.study import Study, Transaction


@dataclass(frozen=True)
class Draft:
    """What the widgets of a page hold.

    Parameters
    ----------
    values : mapping
        Widget -> what the browser read from it: a number, a text, a list of numbers, or None.
    writer : str
        The browser's document; of two drafts of one document the one with the higher number counts.
    number : int
    """

    values: Mapping[str, object]
    writer: str = ""
    number: int = 0


def page_of(study: Study, place: Place) -> str | None:
    """Name of the page at a place, None where nothing is filled in; no other rater has the same."""
    rater, assignment = place.rater, place.assignment
    if place.step is Step.DEMOGRAPHICS:
        return f"about-{rater.id}"
    if place.step is Step.INSTRUCTIONS:
        return f"practice-{place.practice}-{rater.id}"
    if place.step is Step.COMPREHENSION:
        return f"comprehension-{place.attempt}-{rater.id}"
    if place.step is Step.ATTENTION and place.check is not None:
        checks = study.protocol.checks
        # The number and not the id, which is the coordinator's word for it.
        number = checks.attention.index(place.check) + 1 if checks else 0
        return f"attention-{number}-{rater.id}"
    if place.step is Step.CONVERSATION and place.conversation is not None:
        said = sum(turn.role == RATER for turn in place.conversation.turns)
        return f"{place.conversation.assignment_id}-t{said}"
    return assignment.id if place.step is Step.RATING and assignment is not None else None


def page_of_revision(assignment_id: str, revision: int) -> str:
    """Name of the page on which saved answers are changed; with every change it is another one."""
    return f"{assignment_id}-r{revision}"


def keep(study: Study, token: str, page: str, draft: Draft) -> bool:
    """Keep a draft; False when its page is not open (any more), which changes nothing.

    Raises
    ------
    LinkError
        When the link is not valid.
    """
    with study.writing() as connection:
        at = now()
        # The rater's row first, as everywhere: what is saved is saved wholly before or wholly after.
        rater = raters.hold_by_token(connection, token, at)
        place = participation.place_in(connection, study, rater)
        if page != page_of(study, place) and not _is_changed_again(connection, study, place, page):
            return False
        before = _read(stored.read_in(connection, rater.id).get(page))
        if before.writer == draft.writer and before.number >= draft.number:
            return True
        content = {"values": draft.values, "writer": draft.writer, "number": draft.number}
        stored.put(connection, rater.id, page, json.dumps(content), at)
    return True


def _is_changed_again(connection: Transaction, study: Study, place: Place, page: str) -> bool:
    assignment_id, mark, _ = page.partition("-r")
    if not mark or place.assignment is None or not study.protocol.design.may_go_back:
        return False
    revision = revisions.revision_in(connection, place.rater, assignment_id)
    return revision is not None and page == page_of_revision(assignment_id, revision)


def open_page(study: Study, rater: Rater, page: str) -> Mapping[str, object]:
    """The draft of a page as it is opened; changes of saved answers left on another page are dropped."""
    with study.reading() as connection:
        found = stored.read_in(connection, rater.id)
    for other in found:
        if other != page and "-r" in other:
            with study.writing() as connection:
                stored.erase(connection, rater.id, page=other)
    return _read(found.get(page)).values


def _read(content: str | None) -> Draft:
    return Draft({}) if content is None else Draft(**json.loads(content))
