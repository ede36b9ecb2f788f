"""The HTML documents that are not drawn by Streamlit: its shell in the study's language, and notices."""

from __future__ import annotations

import html
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

from survey_app.messages import Messages, load_messages
from survey_app.server.static_files import pack

BROWSER_FILES = Path(__file__).parents[1] / "browser"


# In this order, and before Streamlit's own.
_SCRIPTS = (
    "quiet.js",
    "drafts.js",
    "answers.js",
    "reading.js",
    "survey.js",
    "fields.js",
    "marking.js",
    "waiting.js",
)


def _versioned(name: str) -> str:
    return f"/evenhand/{name}"


@cache
def shell(language: str) -> str:
    """Streamlit's start document, with this study's language, our style and our script.

    Raises
    ------
    RuntimeError
        When the installed Streamlit's document is not the one that this was written for.
    """
    import streamlit

    words = load_messages(language)
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    head = (
        f"<title>{html.escape(words('page.title'))}</title>"
        f'<link rel="stylesheet" href="{_versioned("survey.css")}">'
    ) + "".join(f'<script defer src="{_versioned(name)}"></script>' for name in _SCRIPTS)
    noscript = (
        "<noscript><style>.evenhand-loading { display: none; }</style>"
        f"<p>{html.escape(words('page.scripts_needed'))}</p></noscript>"
    )
    changes = (
        (r"<!--.*?-->", ""),
        (r'<html lang="en">', f'<html lang="{language}" dir="{words.direction}">'),
        (r"<title>.*?</title>", head),
        (r'<link rel="service-desc"[^>]*>', ""),
        # An inline script, which the content security policy would refuse.
        (r"<script>\s*window\.prerenderReady.*?</script>", ""),
        (r"<noscript>.*?</noscript>", noscript),
        (r'<div id="root"></div>', _root(words)),
    )
    for pattern, replacement in changes:
        # A backslash in a replacement would be read as a group.
        literal = replacement.replace("\\", r"\\")
        page, found = re.subn(pattern, literal, page, flags=re.DOTALL)
        if not found:
            raise RuntimeError(
                f"Streamlit {version('streamlit')} has another start document than expected (no match "
                f"for {pattern!r}). Install the version that constraints.txt names."
            )
    return page


@cache
def packed_shell(language: str) -> bytes:
    """The start document in gzip."""
    return pack(shell(language).encode("utf-8"))


# What our scripts say, by the attribute in which they find it.
_SCRIPT_SENTENCES = {
    "offline": "page.offline",
    "skip": "page.skip",
    "saving": "page.saving",
    "waiting": "page.loading",
}


def _root(words: Messages) -> str:
    """Where Streamlit draws, and a line that is there at once and goes when a page is drawn.

    The line stands beside Streamlit's element: what is in that goes before anything else is there.
    """
    sentences = "".join(
        f' data-{name}="{html.escape(words(key), quote=True)}"'
        for name, key in _SCRIPT_SENTENCES.items()
    )
    loading = html.escape(words("page.loading"))
    return (
        f'<div id="root"{sentences}></div><p class="evenhand-loading" role="status">{loading}</p>'
    )


def notice(words: Messages, title: str, text: str) -> str:
    """A page of one sentence, without any script."""
    return (
        f'<!DOCTYPE html><html lang="{words.language}" dir="{words.direction}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        f'<link rel="stylesheet" href="{_versioned("survey.css")}"></head>'
        f'<body class="evenhand-notice"><main><h1 class="evenhand-title">{html.escape(title)}</h1>'
        f"<p>{html.escape(text)}</p></main></body></html>"
    )
