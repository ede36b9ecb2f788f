"""What the widgets of a page hold when it is opened: saved answers, or the draft that was kept.

As the widgets' first values and not as values that the session sets: what a browser has in its widgets
when a lost connection comes back is newer than both, and stays.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from study import drafts
from study.errors import StoreError
from survey_app.drawing.safe_text import printable
from survey_app.visit import Visit

_log = logging.getLogger("survey_app")

_OPENED = "page opened"
T = TypeVar("T")


@dataclass(frozen=True)
class _Held:
    """A widget's first value; of a draft's choice the browser knows the place and not the value."""

    raw: object = None
    by_place: bool = False


def open_here(visit: Visit) -> str:
    """``open_page`` for the page at the rater's place; gives its name, which the heading bears."""
    page = drafts.page_of(visit.study, visit.place) or ""
    open_page(visit, page)
    return page


def open_page(visit: Visit, page: str, saved: Mapping[str, object] | None = None) -> None:
    """Give the widgets that are drawn from now on what they hold at first.

    Parameters
    ----------
    page : str
        The page's name in ``study.drafts``; opened once in a session, until another page is.
    saved : mapping, optional
        Widget's key -> its value by the saved answers; a draft goes before them.
    """
    kept = st.session_state.get(_OPENED)
    if kept is not None and kept[0] == page:
        return
    held = {_class(key): _Held(value) for key, value in (saved or {}).items()}
    try:
        draft = drafts.open_page(visit.study, visit.place.rater, page)
    except StoreError as error:
        # The page can be filled in all the same.
        _log.error("%s", error)
        draft = {}
    held |= {key: _Held(raw, by_place=True) for key, raw in draft.items()}
    st.session_state[_OPENED] = (page, held)


def _class(key: str) -> str:
    # As Streamlit makes the name of a style of a key, which is what the browser's script reads.
    return re.sub(r"[^a-zA-Z0-9_-]", "-", key)


def _held(key: str) -> _Held:
    opened = st.session_state.get(_OPENED)
    held: _Held = opened[1].get(_class(key), _Held()) if opened is not None else _Held()
    return held


def option(key: str, options: Sequence[T]) -> T | None:
    """The option that is chosen at first, if any."""
    place = place_of(key, options)
    return None if place is None else options[place]


def place_of(key: str, options: Sequence[T]) -> int | None:
    """The place of the option that is chosen at first, from 0."""
    held = _held(key)
    if not held.by_place:
        return next((place for place, one in enumerate(options) if one == held.raw), None)
    place = _whole(held.raw)
    return place if place is not None and 0 <= place < len(options) else None


def chosen(key: str, options: Sequence[T]) -> list[T]:
    """The options that are chosen at first, of a row where several can be."""
    held = _held(key)
    if not isinstance(held.raw, list):
        return []
    if held.by_place:
        return [one for place, one in enumerate(options) if place in held.raw]
    return [one for one in options if one in held.raw]


def text(key: str, longest: int) -> str:
    """The text that stands in a field at first."""
    raw = _held(key).raw
    return printable(raw)[:longest] if isinstance(raw, str) else ""


def ticked(key: str) -> bool:
    """Whether a box is ticked at first."""
    return _held(key).raw is True


def number(key: str, low: int, high: int) -> int:
    """Where a slider stands at first; its lowest place without a value."""
    at = _whole(_held(key).raw)
    return at if at is not None and low <= at <= high else low


def _whole(raw: object) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None
