"""Response text is data: it is shown as text with a little formatting, and can do nothing else.

Responses come from models, so any of them may hold HTML, images, links, formulas or directives. A
page that fetched one image would tell an outside server, and its log, which response a rater sees.

Everything is escaped. A small subset of Markdown becomes elements that carry no attribute but the
number of a list's item: paragraphs, line breaks, bold, emphasis, lists and headings (shown as bold
lines). All else stays on the page as the characters that the system wrote.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

# Lengths are bounded, or a long line of unmatched markers would take quadratic time.
_BOLD = re.compile(
    r"\*\*(?=\S)(.{1,999}?)(?<=\S)\*\*(?!\*)|(?<!\w)__(?=\S)(.{1,999}?)(?<=\S)__(?!\w)"
)
# No "<": emphasis may not reach over the end of a bold part.
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=\S)([^*<]{1,999}?)(?<=\S)\*(?![\w*])"
    r"|(?<!\w)_(?=\S)([^_<]{1,999}?)(?<=\S)_(?!\w)"
)
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*")
_BULLET = re.compile(r"\s{0,3}[-*+•]\s+(.*)")
_NUMBER = re.compile(r"\s{0,3}(\d{1,3})[.)]\s+(.*)")
# What Markdown could read as its own, inside a line and at its beginning.
_MARKS = re.compile(r"[\\`*_\[\]$~<|]|^[#>+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|&(?=#|\w+;)")
# What Streamlit replaces or links even when escaped: ":name:", ":name[", addresses.
_JOINED = re.compile(r"(:|@|\bwww(?=\.))(?=\S)")


def to_html(text: str) -> str:
    """Text as HTML in which only this function's own elements, without attributes, are markup.

    Parameters
    ----------
    text : str
        Anything, for example what a model wrote.
    """
    lines = _visible(text).split("\n")
    return "".join(_block(kind, list(group)) for kind, group in groupby(lines, _kind))


# Where a part begins and ends while the text becomes HTML: of the private characters, which are taken out
# of every text, so that none of its own can stand for one.
_BEGIN, _END = "\ue000", "\ue001"
# What makes a line a list's item or a heading stays before the part, or it would not be seen as one.
_MARKER_IN_PART = re.compile(rf"^(\s*){_BEGIN}((?:[-*+•]|\d{{1,3}}[.)]|#{{1,6}})\s+)", re.MULTILINE)
_HEADING_END = re.compile(rf"^(\s*#{{1,6}}\s.*?)(\s*#*){_END}$", re.MULTILINE)
_PIECE = re.compile(rf"(</?(?:strong|em)>|{_BEGIN}|{_END})")


def to_html_with_parts(text: str, parts: Sequence[tuple[int, int]]) -> str:
    """Text as HTML, as ``to_html`` makes it, in which parts are buttons within the flow of the text.

    Parameters
    ----------
    text : str
    parts : sequence of (int, int)
        Start and end of each part in ``text``, in order, none over the end of a line. The button of the
        first one carries ``data-evenhand-part="1"``. A button element would break the flow: it is
        one box, however many lines it has.
    """
    pieces, before = [], 0
    for start, end in parts:
        pieces += [_visible(text[before:start]), _BEGIN, _visible(text[start:end]), _END]
        before = end
    marked = "".join([*pieces, _visible(text[before:])])
    marked = _HEADING_END.sub(rf"\1{_END}\2", _MARKER_IN_PART.sub(rf"\1\2{_BEGIN}", marked))
    lines = marked.split("\n")
    return _buttons("".join(_block(kind, list(group)) for kind, group in groupby(lines, _kind)))


def _buttons(shown: str) -> str:
    """HTML with buttons for its parts; bold or emphasis that reaches over an end is taken up again."""
    done: list[str] = []
    open_tags: list[str] = []
    number = 0
    for piece in _PIECE.split(shown):
        if piece in (_BEGIN, _END):
            number += piece == _BEGIN
            button = (
                f'<span class="evenhand-part" role="button" tabindex="0" aria-pressed="false" '
                f'data-evenhand-part="{number}">'
            )
            done += [f"</{tag}>" for tag in reversed(open_tags)]
            done.append(button if piece == _BEGIN else "</span>")
            done += [f"<{tag}>" for tag in open_tags]
            continue
        if piece in ("<strong>", "<em>"):
            open_tags.append(piece[1:-1])
        elif piece in ("</strong>", "</em>"):
            open_tags.remove(piece[2:-1])
        done.append(piece)
    return re.sub(r"<(strong|em)></\1>", "", "".join(done))


def to_label(text: str) -> str:
    """Text as a widget's label, in which Streamlit's Markdown shows every character as it is.

    Only what would be read as Markdown is escaped: screen readers are given the label's source, and
    would read every backslash.
    """
    one_line = " ".join(_visible(text).split())
    return _MARKS.sub(r"\\\g<0>", _JOINED.sub("\\1\u2060", one_line))


def printable(text: str) -> str:
    """Text without control characters and halves of characters, which a database may refuse."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))


def _visible(text: str) -> str:
    """Line ends made equal; control, bidi-override and other invisible characters taken out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(
        character
        for character in text
        if character in _KEPT or unicodedata.category(character) not in _INVISIBLE
    )


# Controls, formats (bidi overrides reorder what is read), surrogates, private use.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
# Joiners and direction marks belong to Arabic, Persian and Indic spelling and to emoji.
_KEPT = frozenset("\n\u200c\u200d\u200e\u200f")


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if _BULLET.fullmatch(line):
        return "ul"
    if _NUMBER.fullmatch(line):
        return "ol"
    if _HEADING.fullmatch(line.strip()):
        return "heading"
    return "text"


def _block(kind: str, lines: list[str]) -> str:
    if kind == "blank":
        return ""
    if kind in ("ul", "ol"):
        return f"<{kind}>{''.join(_items(kind, lines))}</{kind}>"
    if kind == "heading":
        headings = (_HEADING.fullmatch(line.strip()) for line in lines)
        return "".join(f"<p><strong>{_inline(m.group(1))}</strong></p>" for m in headings if m)
    return f"<p>{'<br>'.join(_inline(line.strip()) for line in lines)}</p>"


def _items(kind: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        if kind == "ul" and (bullet := _BULLET.fullmatch(line)):
            yield f"<li>{_inline(bullet.group(1))}</li>"
        elif number := _NUMBER.fullmatch(line):
            # The number is kept: a blank line between the items must not start again at 1.
            yield f'<li value="{int(number.group(1))}">{_inline(number.group(2))}</li>'


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=True)
    bold = _BOLD.sub(lambda m: f"<strong>{m.group(1) or m.group(2)}</strong>", escaped)
    return _EMPHASIS.sub(lambda m: f"<em>{m.group(1) or m.group(2)}</em>", bold)
