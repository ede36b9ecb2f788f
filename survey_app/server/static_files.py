"""Streamlit's scripts, styles and fonts as a rater's browser gets them: packed once, kept for a year.

Streamlit sends its 2.2 MB of scripts unpacked and leaves packing to a proxy in front, which a server
in a classroom does not have. Packing each answer anew would cost its CPU for every tablet; so each
file is packed when it is first asked for, and kept. Only gzip: browsers offer brotli and zstd over
https alone, and a classroom's tablets come over http.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

# The files' names hold a hash of what is in them.
_FOR_EVER = "public, max-age=31536000, immutable"
_TEXT = frozenset({".js", ".css", ".svg", ".json", ".html"})
# A list's icon font, of which no page of ours shows a letter; Streamlit fetches its 375 kB at the start
# of every page. Without the rule, there is nothing to fetch.
_ICON_FONT = re.compile(r"@font-face\s*\{[^}]*Material Symbols[^}]*\}")


@cache
def _files() -> dict[str, Path]:
    import streamlit

    root = Path(streamlit.__file__).parent / "static" / "static"
    return {f.relative_to(root).as_posix(): f for f in root.rglob("*") if f.is_file()}


@cache
def _plain(name: str) -> bytes:
    content = _files()[name].read_bytes()
    if name.endswith(".js"):
        # A comparison that is switched off names the server's version to every browser.
        return content.replace(_version_in_words(), b"version:``")
    if name.endswith(".css"):
        return _ICON_FONT.sub("", content.decode("utf-8")).encode("utf-8")
    return content


@cache
def _version_in_words() -> bytes:
    import streamlit

    return f"version:`{streamlit.__version__}`".encode()


@cache
def _packed(name: str) -> bytes:
    return pack(_plain(name))


@cache
def font_face() -> str:
    """The rule that loads the pages' font, for documents of ours without Streamlit's own style.

    Without it, a page looks and breaks its lines as the fonts of each tablet have it.
    """
    name = next(n for n in sorted(_files()) if "SourceSansVF-Upright" in n)
    return (
        '@font-face { font-family: "Source Sans"; font-weight: 200 900; font-display: swap; '
        f'src: url("/static/{name}") format("woff2"); }}'
    )


def pack(content: bytes) -> bytes:
    """The content in gzip, always the same bytes for the same content."""
    return gzip.compress(content, 9, mtime=0)


def takes_gzip(request: Request) -> bool:
    """Whether the browser said that it reads gzip."""
    offered = request.headers.get("accept-encoding", "")
    found = re.search(r"(?:^|[\s,])(?:gzip|\*)\s*(?:;\s*q=([\d.]+))?\s*(?:,|$)", offered.lower())
    return found is not None and (found.group(1) is None or float(found.group(1)) > 0)


def prepare(page: str) -> None:
    """Read and pack what a start document names, before the first rater asks for it."""
    for name in re.findall(r"\./static/([^\"]+)", page):
        if Path(name).suffix in _TEXT:
            _packed(name)


def answer(request: Request) -> Response:
    """The answer for one file. What is not in Streamlit's folder is not there, whatever the path says."""
    name = request.url.path.removeprefix("/static/")
    if name not in _files() or request.method not in ("GET", "HEAD"):
        return PlainTextResponse("Not Found", status_code=404)
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Cache-Control": _FOR_EVER}
    if Path(name).suffix not in _TEXT:
        return Response(_plain(name), media_type=media, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if not takes_gzip(request):
        return Response(_plain(name), media_type=media, headers=headers)
    return Response(_packed(name), media_type=media, headers=headers | {"Content-Encoding": "gzip"})
