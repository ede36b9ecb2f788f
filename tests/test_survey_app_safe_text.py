"""Response text as data: hostile and ordinary strings.

Oracle: an HTML parser of the standard library reads the result; only the elements that the module
names may be there, and the text that a person sees must be the text that was written.
"""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.protocol.items.spans import sentences
from survey_app.drawing.safe_text import to_html, to_html_with_parts, to_label

ALLOWED = {"p", "br", "strong", "em", "ul", "ol", "li"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def read(source: str) -> _Reader:
    reader = _Reader()
    reader.feed(source)
    reader.close()
    assert reader.open == []
    for tag, attributes in reader.elements:
        assert tag in ALLOWED
        assert attributes == [] or (
            tag == "li" and len(attributes) == 1 and str(attributes[0][1]).isdigit()
        )
    return reader


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![beacon](http://example.org/a.png)",
    "[a link](javascript:alert(1)) and <http://example.org>",
    "<!-- a comment --> <!DOCTYPE html> <![CDATA[x]]>",
    "</p></div></body><h1>taken over</h1>",
    '"><svg onload=alert(1)>',
    ":red[colour] :smile: :material/home: :streamlit:",
    "$\\frac{1}{2}$ and $$x$$ and \\(y\\)",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "**<b>bold</b>** *<i>x</i>* __<u>__",
    "> quote\n```html\n<b>code</b>\n```\n| a | b |\n|---|---|",
    "[^1]: footnote\n\n[ref]: http://example.org 'title'",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    seen = "".join(read(to_html(text)).text.split())
    for mark in ("**", "__", "*"):
        # Marks of the safe subset may have become elements; nothing else may be gone.
        seen, text = seen.replace(mark, ""), text.replace(mark, "")
    assert seen == "".join(text.split())


@given(
    st.text(alphabet=st.sampled_from("ab 1.*_#-<>&\"'`$:[]()!\n\r\t\\\u202e\u0000é"), max_size=80)
)
def test_any_text_gives_well_formed_allowed_elements(text: str) -> None:
    read(to_html(text))


def test_the_safe_subset() -> None:
    # Oracle: written by hand.
    text = "# Title\nIt is **really** *all* right.\nNext line\n\n1. one\n\n2. two\n- x\n- y_z_w"
    assert to_html(text) == (
        "<p><strong>Title</strong></p><p>It is <strong>really</strong> <em>all</em> right.<br>"
        'Next line</p><ol><li value="1">one</li></ol><ol><li value="2">two</li></ol>'
        "<ul><li>x</li><li>y_z_w</li></ul>"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 * 3 * 4 and a*b*c", "<p>2 * 3 * 4 and a*b*c</p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        ("**open only", "<p>**open only</p>"),
        ("**a *b** c*", "<p><strong>a *b</strong> c*</p>"),
        ("", ""),
        ("\n \n", ""),
        ("سلام **دوست**", "<p>سلام <strong>دوست</strong></p>"),
    ],
)
def test_what_is_not_a_mark_stays(text: str, expected: str) -> None:
    assert to_html(text) == expected


def test_characters_that_hide_or_reorder_text_are_taken_out() -> None:
    assert to_html("abc\u202edef\u2066\u0007\x1b[31m\ue000") == "<p>abcdef[31m</p>"
    # The joiner in an emoji and the one in Persian spelling are part of the text.
    assert to_html("\U0001f469\u200d\U0001f4bb می\u200cخواهم") == (
        "<p>\U0001f469\u200d\U0001f4bb می\u200cخواهم</p>"
    )


def test_long_lines_of_unmatched_marks_take_little_time() -> None:
    before = time.process_time()
    for mark in ("**a ", "__a ", "*a ", "_a ", "**", "*_"):
        to_html(mark * 2_000)
    assert time.process_time() - before < 8


def test_labels_show_marks_as_characters() -> None:
    # Plain sentences are unchanged: screen readers are given a label's source.
    plain = "How attentive to the person's feelings (if any) is it - 1.5 or 2?"
    assert to_label(plain) == plain
    assert to_label("a *b* _c_ `d` $e$ [f](g) <h>") == (
        "a \\*b\\* \\_c\\_ \\`d\\` \\$e\\$ \\[f\\](g) \\<h>"
    )
    assert to_label("1. x\ny") == "1\\. x y"
    assert to_label(":smile: www.a.b http://c") == (":\u2060smile: www\u2060.a.b http:\u2060//c")


PIECES = [
    *(
        "**",
        "*",
        "_",
        "__",
        "- ",
        "1. ",
        "# ",
        " #",
        "\n",
        "\r\n",
        ". ",
        "! ",
        "? ",
        "؟ ",
        "\t",
        "(",
    ),
    *("a", "be", "ب", "🙂", "<b>", "&", "\ue000", "\ue001", "\u202e"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_a_text_with_buttons_is_the_text_with_buttons(text: str) -> None:
    """Oracle: ``to_html`` without parts, and an HTML parser that knows which element ends where."""
    with_parts = to_html_with_parts(text, sentences(text))
    button = re.compile(r'<span class="evenhand-part" role="button" [^>]*>|</span>')
    joined, plain = button.sub("", with_parts), to_html(text)
    # Letters only: a lone mark of a list, which is a sentence of its own, is shown as what it is.
    shown, expected = (re.sub(r"<[^>]*>|[\W\d_]", "", page) for page in (joined, plain))
    assert shown == expected
    opened: list[str] = []
    for end, tag in re.findall(r"<(/?)(\w+)[^>]*>", with_parts):
        if tag == "br":
            continue
        if end:
            assert opened.pop() == tag
        else:
            assert not (tag == "span" and "span" in opened)
            opened.append(tag)
    assert opened == []
    numbers = re.findall(r'data-evenhand-part="(\d+)"', with_parts)
    assert numbers == [str(n) for n in range(1, len(sentences(text)) + 1)]
