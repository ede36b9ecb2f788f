"""Which language a rater reads, and the links by which it is chosen."""

from __future__ import annotations

import html

import streamlit as st

from study.errors import EvenhandError
from study.store.raters import find_by_token
from study.store.study import Study
from survey_app.messages import load_messages
from survey_app.visit import Visit


def language_of(study: Study, token: str) -> str | None:
    """The language that the rater with this link chose; None without a choice or a rater."""
    if not study.protocol.languages:
        return None
    try:
        return find_by_token(study, token).language
    except EvenhandError:
        # The page itself says what is wrong.
        return None


def offer(languages: tuple[str, ...], style: str, link_style: str) -> None:
    """A list of links, each in the language's own name; the page is loaded anew by them."""
    links = "".join(
        f'<li><a class="{link_style}" target="_self" href="/language/{code}" lang="{code}" '
        f'hreflang="{code}" dir="{load_messages(code).direction}">'
        f"{html.escape(load_messages(code)('page.language_name'))}</a></li>"
        for code in languages
    )
    st.html(f'<ul class="{style}">{links}</ul>')


def offer_others(visit: Visit) -> None:
    """Small links to the other languages of the study; nothing when there is one."""
    protocol = visit.study.protocol
    others = tuple(code for code in protocol.languages if code != protocol.language)
    if others:
        offer(others, "evenhand-others", "evenhand-other")
