"""Fields that cannot take what was put into them: they say so, beside themselves, in the rater's language.

Oracles: the catalogues for what is said, the database for what is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.protocol.items.pairwise import ReasonItem
from study.protocol.items.text import TextItem
from study.store.raters import find_by_code
from study.store.ratings import read_ratings
from survey_app.messages import load_messages
from tests.conftest import SurveyServer, after_the_pages_timers, stop_all, wait_until_settled
from tests.fixtures_layout import layout_server, next_rater

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

AGE = "How old are you?"
SECRET = re.compile("Zq[a-z]+")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SurveyServer]]:
    """Servers whose items have labels that are seen at once when they are shown."""
    running: dict[tuple[str, str], SurveyServer] = {}

    def served(shows: str, language: str = "en") -> SurveyServer:
        if (shows, language) not in running:
            folder = tmp_path_factory.mktemp(f"{shows}-{language}")
            labels = {
                "kinds": ("Warm", "Muddled", "Tone", "Advice", "Help", "Remark", "Heard"),
                "pair": ("Clear", "Kind"),
                "all": ("Order", "Loose"),
                "response": ("Marks", "Mood"),
            }[shows]
            replaced = {f"label: {label}": f"label: Zq{label.lower()}" for label in labels}
            running[shows, language] = layout_server(
                folder, shows, language, paragraphs=1, **replaced
            )
        return running[shows, language]

    yield served
    stop_all(running.values())


def to_about_you(tablet: RaterPage) -> Locator:
    """From the link to the questions about the rater; gives the field of the age."""
    tablet.button("I take part").tap()
    field = tablet.page.get_by_label(re.compile(re.escape(AGE)))
    field.wait_for()
    wait_until_settled(tablet.page)
    return field


@pytest.mark.parametrize("language", ["en", "es", "de", "ar"])
def test_a_number_out_of_range_says_so_beside_the_field(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage], language: str
) -> None:
    server, words = serve("kinds", language), load_messages(language)
    rater = next_rater(server, rating=False)
    tablet = open_tablet(server.link(rater), 1024, 768)
    field, page = to_about_you(tablet), tablet.page
    hint = page.locator(".evenhand-range")
    expected = words("demographics.range", low=18, high=90)
    expect(hint).to_have_text(expected)
    save = page.get_by_role("button", name=words("demographics.submit"))
    page.get_by_text("Woman", exact=True).tap()
    for typed in ("17", "91", "-3", "9" * 60, "4.5", "old", "1_9"):
        field.fill(typed)
        field.blur()
        said = words("demographics.unfit", value=typed[:40], expected=expected)
        expect(hint).to_have_text(said)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(said)))
        below = [part.bounding_box() for part in (field, hint)]
        assert below[0] and below[1] and 0 <= below[1]["y"] - below[0]["y"] <= 90
        # Also optional, it is not passed over in silence.
        save.tap()
        page.locator(".evenhand-open:visible", has_text=said).wait_for()
        assert find_by_code(server.study, rater.code).demographics == {}
        wait_until_settled(page)
    field.fill("")
    expect(page.locator(".evenhand-open:visible")).to_have_count(0)
    # Digits as an Arabic keyboard writes them are digits.
    field.fill("٣٣")
    field.blur()
    expect(hint).to_have_text(expected)
    save.tap()
    page.locator(".evenhand-response").wait_for()
    assert find_by_code(server.study, rater.code).demographics == {"gender": "woman", "age": 33}


def test_a_number_that_is_left_out_stays_out(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("kinds")
    rater = next_rater(server, rating=False)
    tablet = open_tablet(server.link(rater))
    to_about_you(tablet)
    tablet.page.get_by_text("Woman", exact=True).tap()
    tablet.save()
    tablet.page.locator(".evenhand-response").wait_for()
    assert find_by_code(server.study, rater.code).demographics == {"gender": "woman", "age": None}


def paste(page: Page, field: Locator, text: str) -> None:
    """A real paste, through the clipboard, where the caret stands."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+V")


@pytest.mark.parametrize("language", ["en", "es", "de", "ar"])
def test_of_a_paste_that_is_too_long_what_fits_is_kept(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage], language: str
) -> None:
    server, words = serve("kinds", language), load_messages(language)
    tablet = open_tablet(server.link(next_rater(server)), 1024, 768)
    page = tablet.page
    field, said = page.get_by_role("textbox"), page.locator(".evenhand-limit")
    field.wait_for()
    wait_until_settled(page)
    sentence = words("card.cut_off", number=TextItem.longest)
    field.fill("beginning, end")
    field.evaluate("e => e.setSelectionRange(11, 11)")
    expect(said).to_have_text("")
    paste(page, field, "x" * (TextItem.longest + 500))
    expect(said).to_have_text(sentence)
    expect(said).to_be_visible()
    # What stood behind the caret is still there: it was the paste that was shortened.
    kept = "beginning, " + "x" * (TextItem.longest - 14) + "end"
    assert len(kept) == TextItem.longest
    expect(field).to_have_value(kept)
    boxes = [part.bounding_box() for part in (field, said)]
    assert boxes[0] and boxes[1] and 0 <= boxes[1]["y"] - boxes[0]["y"] - boxes[0]["height"] < 40
    # One more letter does not fit either; the sentence goes when there is room again.
    page.keyboard.press("y")
    after_the_pages_timers(page, 0)
    expect(field).to_have_value(kept)
    expect(said).to_have_text(sentence)
    page.keyboard.press("Backspace")
    expect(said).to_have_text("")
    # Put there by a program, as keyboards with suggestions do: shortened too, and not within an emoji.
    field.fill("z" * (TextItem.longest - 1) + "🙂🙂")
    expect(said).to_have_text(sentence)
    expect(field).to_have_value("z" * (TextItem.longest - 1))


def test_what_was_kept_of_a_paste_is_saved(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("pair")
    rater = next_rater(server)
    page = open_tablet(server.link(rater), 1024, 768).page
    field = page.get_by_role("textbox")
    field.wait_for()
    wait_until_settled(page)
    for scale in page.get_by_role("radiogroup").all():
        scale.get_by_role("radio").first.tap()
    field.focus()
    paste(page, field, "سبب " * ReasonItem.longest)
    expect(page.locator(".evenhand-limit")).to_have_text(
        load_messages("en")("card.cut_off", number=ReasonItem.longest)
    )
    page.get_by_role("button", name="Save and continue").tap()
    page.get_by_text("Saved: 1").wait_for()
    texts = [r.answer.text for r in read_ratings(server.study) if r.answer.text]
    assert texts == [("سبب " * ReasonItem.longest)[: ReasonItem.longest].strip()]


@pytest.mark.parametrize("shows", ["kinds", "pair", "all", "response"])
def test_the_names_that_items_have_in_the_data_are_neither_shown_nor_read_out(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage], shows: str
) -> None:
    server = serve(shows)
    page = open_tablet(server.link(next_rater(server))).page
    page.locator("[data-testid=stFormSubmitButton]").wait_for()
    wait_until_settled(page)
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Save and continue").tap()
    page.locator(".evenhand-open").first.wait_for()
    read_out = page.evaluate(
        "[...document.querySelectorAll('body *')].flatMap(e => [...e.attributes].map(a => a.value)"
        ".concat([...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data)))"
    )
    assert len(read_out) > 100
    assert [text for text in read_out if SECRET.search(text)] == []
    labels = {
        item.label for item in server.study.protocol.items if not item.label.endswith("reason")
    }
    assert any(SECRET.search(label) for label in labels)


def test_rows_of_two_rankings_are_told_apart_by_their_questions(
    serve: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = serve("all")
    page = open_tablet(server.link(next_rater(server))).page
    for question in ("Put the responses in order.", "Order them by kindness. (optional)"):
        rows = page.get_by_role("group", name=question).get_by_role("radiogroup")
        expect(rows).to_have_count(3)
        for row, letter in zip(rows.all(), "ABC", strict=True):
            expect(row).to_have_attribute("aria-label", f"Response {letter}")
