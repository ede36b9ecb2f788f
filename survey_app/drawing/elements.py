"""Parts that several pages share: headings, texts, notices. All text goes through ``safe_text``."""

from __future__ import annotations

import html
import time

import streamlit as st

from survey_app.drawing import safe_text
from survey_app.messages import Messages

# The browser script moves the focus and the scroll position to an element whose mark is new.
_HEADING = '<h1 class="evenhand-title" tabindex="-1" data-evenhand-page="{mark}">{text}</h1>'


def heading(text: str, mark: str) -> None:
    """The page's heading; ``mark`` says which page or response it is, in opaque letters."""
    st.html(_HEADING.format(mark=html.escape(mark), text=html.escape(text)))


def subheading(text: str) -> None:
    """A heading within the page."""
    st.html(f'<h2 class="evenhand-subtitle">{html.escape(text)}</h2>')


def text(body: str) -> None:
    """A text of the protocol."""
    st.html(f'<div class="evenhand-text" dir="auto">{safe_text.to_html(body)}</div>')


def scrolling(name: str, words: Messages) -> str:
    """Attributes of a part that may be cut on a small page: reached by keyboard, and says what is cut."""
    return (
        f' tabindex="0" role="region" aria-label="{html.escape(name)}" '
        f'data-evenhand-more="{html.escape(words("card.more"))}"'
    )


def remark(body: str) -> None:
    """A short line in small letters."""
    st.html(f'<p class="evenhand-remark">{html.escape(body)}</p>')


def note(body: str, kind: str = "info") -> None:
    """A calm sentence in a box: ``"info"``, ``"warning"`` or ``"simulated"``."""
    role, at = "status", ""
    if kind == "warning":
        # The time makes it another element for the browser: said twice, it is heard twice.
        role, at = "alert", f' data-evenhand-at="{time.monotonic_ns()}"'
    st.html(f'<p class="evenhand-note evenhand-{kind}" role="{role}"{at}>{html.escape(body)}</p>')


def question(body: str) -> None:
    """What is asked, above widgets that answer it together."""
    st.html(f'<p class="evenhand-question">{html.escape(body)}</p>')


def ends(low: str, high: str) -> None:
    """The words at both ends of a slider; like the slider, they run in the page's direction."""
    st.html(
        f'<p class="evenhand-ends"><span dir="auto">{html.escape(low)}</span>'
        f'<span dir="auto">{html.escape(high)}</span></p>'
    )


def number_hint(expected: str, low: int | None, high: int | None, words: Messages) -> None:
    """Under a field of numbers: which it takes; the browser script says there when one does not fit."""
    bounds = "".join(
        f' data-{name}="{bound}"'
        for name, bound in (("low", low), ("high", high))
        if bound is not None
    )
    unfit = words("demographics.unfit", value="{value}", expected=expected)
    st.html(
        f'<p class="evenhand-remark evenhand-range" role="status"{bounds} '
        f'data-unfit="{html.escape(unfit)}">{html.escape(expected)}</p>'
    )


def text_limit(most: int, words: Messages) -> None:
    """Under a field of text: how much it takes; the browser script shows it when something did not fit."""
    st.html(
        f'<p class="evenhand-limit" role="status" data-most="{most}" '
        f'data-said="{html.escape(words("card.cut_off", number=most))}"></p>'
    )


def link(label: str, target: str) -> None:
    """A link that looks like a button and leaves the page; ``target`` is an address of this server."""
    st.html(
        f'<a class="evenhand-leave" target="_self" href="{html.escape(target)}">'
        f"{html.escape(label)}</a>"
    )


def open_mark(body: str) -> None:
    """A short line under a question that has no answer yet; it goes when one is chosen."""
    # The time makes it another element for the browser, which may have hidden the last one.
    now = time.monotonic_ns()
    st.html(f'<p class="evenhand-open" data-evenhand-at="{now}">{html.escape(body)}</p>')


def notice(title: str, body: str, mark: str) -> None:
    """A page of one sentence."""
    with st.container(key="reading"):
        heading(title, mark)
        text(body)
