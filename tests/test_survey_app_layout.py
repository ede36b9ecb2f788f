"""A tablet in landscape: what is read stays in sight beside what is asked, and nothing is cut in silence.

Oracles: the boxes that Chromium measures; the pixels of its screenshots; the catalogues.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from survey_app.messages import load_messages
from tests.conftest import (
    WAIT_MS,
    SurveyServer,
    after_the_pages_timers,
    eventually,
    stop_all,
    wait_until_settled,
    wait_until_still,
)
from tests.fixtures_layout import LAST, layout_server, next_rater
from tests.test_survey_app_accessibility import check, scrolls_sideways, small_targets
from tests.test_survey_app_languages import ARABIC

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

Serve = Callable[..., SurveyServer]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server of long responses, started when it is first asked for."""
    running: dict[tuple[str, str], SurveyServer] = {}

    def served(shows: str, language: str = "en") -> SurveyServer:
        if (shows, language) not in running:
            folder = tmp_path_factory.mktemp(f"{shows}-{language}")
            replaced = ARABIC if (shows, language) == ("kinds", "ar") else {}
            running[shows, language] = layout_server(folder, shows, language, **replaced)
        return running[shows, language]

    yield served
    stop_all(running.values())


def open_page(tablet: RaterPage) -> Page:
    """The page once its questions are drawn."""
    tablet.page.locator("[data-testid=stFormSubmitButton]").first.wait_for()
    wait_until_settled(tablet.page)
    # Each kind of widget is a script of its own, fetched when it is first drawn.
    tablet.page.wait_for_load_state("networkidle")
    expect(tablet.page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    return tablet.page


def scroll_page(page: Page, share: float) -> None:
    page.locator("[data-testid=stMain]").evaluate(
        "(e, share) => { e.scrollTop = share * (e.scrollHeight - e.clientHeight); }", share
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def boxes(page: Page, parts: str) -> list[dict[str, float]]:
    found = [part.bounding_box() for part in page.locator(parts).all()]
    assert found and None not in found
    return [dict(box) for box in found if box is not None]


def cut_parts(page: Page) -> list[dict[str, Any]]:
    """Every part that scrolls: how much lies below, and what its foot says."""
    found: list[dict[str, Any]] = page.evaluate(
        "[...document.querySelectorAll('.evenhand-texts, .evenhand-texts section')]"
        ".filter(e => getComputedStyle(e).overflowY === 'auto').map(e => ({"
        " below: e.scrollHeight - e.scrollTop - e.clientHeight,"
        " foot: getComputedStyle(e, '::after').content }))"
    )
    return found


def read_to_the_end(page: Page) -> None:
    page.locator(".evenhand-texts").evaluate(
        "e => [e, ...e.querySelectorAll('section')].forEach(p => { p.scrollTop = 1e6; })"
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.parametrize(
    ("shows", "language"),
    [("kinds", "en"), ("kinds", "ar"), ("pair", "en"), ("pair", "ar"), ("all", "en")],
)
def test_what_is_read_stays_in_sight_and_says_what_is_cut(
    serve: Serve, open_tablet: Callable[..., RaterPage], shows: str, language: str
) -> None:
    server, words = serve(shows, language), load_messages(language)
    page = open_page(open_tablet(server.link(next_rater(server)), 1024, 768))
    for share in (0.0, 0.5, 1.0):
        scroll_page(page, share)
        responses = boxes(page, ".evenhand-response")
        assert len(responses) == {"kinds": 1, "pair": 2, "all": 3}[shows]
        (texts,) = boxes(page, ".evenhand-texts")
        assert texts["y"] >= 0 and texts["y"] + texts["height"] <= 768, share
        for box in responses:
            # A good piece of each is in sight, wherever the questions are scrolled to.
            seen = min(box["y"] + box["height"], 768) - max(box["y"], 0)
            assert seen >= 100, (share, box)
        # Beside each other, and on the side where reading begins.
        questions = boxes(page, ".st-key-questions")[0]
        left, right = (texts, questions) if words.direction == "ltr" else (questions, texts)
        assert left["x"] + left["width"] <= right["x"]
        parts = cut_parts(page)
        assert any(part["below"] > 4 for part in parts)
        for part in parts:
            assert (words("card.more") in part["foot"]) == (part["below"] > 4), part
    eventually(lambda: scrolls_sideways(page), False)
    check(page)
    eventually(lambda: small_targets(page), [])
    scroll_page(page, 0)
    read_to_the_end(page)
    eventually(lambda: {part["foot"] for part in cut_parts(page)}, {"none"})
    for end in page.get_by_text(LAST[language]).all():
        box = end.bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 768


@pytest.mark.parametrize("size", [(820, 1180), (360, 740)], ids=["portrait", "phone"])
def test_where_there_is_no_room_beside_nothing_is_cut(
    serve: Serve, open_tablet: Callable[..., RaterPage], size: tuple[int, int]
) -> None:
    for shows in ("kinds", "pair"):
        server = serve(shows)
        page = open_page(open_tablet(server.link(next_rater(server)), *size))
        expect(page.get_by_text(LAST["en"]).last).to_be_visible()
        eventually(partial(cut_parts, page), [])
        (texts,), (questions,) = boxes(page, ".evenhand-texts"), boxes(page, ".st-key-questions")
        assert texts["y"] + texts["height"] <= questions["y"]


def test_a_practice_example_too(serve: Serve, open_tablet: Callable[..., RaterPage]) -> None:
    from study import participation

    server = serve("kinds")
    rater = next_rater(server, rating=False)
    participation.consent(server.study, rater)
    participation.save_demographics(server.study, rater, {"gender": "woman"})
    page = open_page(open_tablet(server.link(rater), 1024, 768))
    for share in (0.5, 1.0):
        scroll_page(page, share)
        (texts,) = boxes(page, ".evenhand-texts")
        assert texts["y"] >= 0 and texts["y"] + texts["height"] <= 768, share


def test_questions_are_17_px_at_least(serve: Serve, open_tablet: Callable[..., RaterPage]) -> None:
    sizes = (
        "[...document.querySelectorAll('[data-testid=stWidgetLabel] p, .evenhand-question,"
        " [data-testid=stRadioOption] p, [data-testid=stCheckbox] p')]"
        ".filter(e => e.getClientRects().length > 0)"
        ".map(e => [e.textContent, parseFloat(getComputedStyle(e).fontSize)])"
    )
    for shows in ("kinds", "pair", "all", "response"):
        server = serve(shows)
        for size in ((1024, 768), (360, 740)):
            page = open_page(open_tablet(server.link(next_rater(server)), *size))
            found = page.evaluate(sizes)
            assert len(found) >= 3
            assert [(text, px) for text, px in found if px < 17] == [], (shows, size)
    server = serve("kinds")
    tablet = open_tablet(server.link(next_rater(server, rating=False)), 1024, 768)
    tablet.button("I take part").tap()
    found = open_page(tablet).evaluate(sizes)
    assert len(found) == 4 and min(px for _, px in found) >= 17


def picture(part: Locator) -> Image.Image:
    return Image.open(io.BytesIO(part.screenshot(animations="disabled"))).convert("RGB")


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance, by WCAG 2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_line_of_a_slider_is_seen_before_it_is_touched(
    serve: Serve, open_tablet: Callable[..., RaterPage], scheme: Any
) -> None:
    """Oracle: pixels. WCAG 2 (1.4.11) asks for a contrast of 3 of what one has to see to act."""
    server = serve("kinds")
    tablet = open_tablet(server.link(next_rater(server)), 1024, 768)
    tablet.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = open_page(tablet)
    page.locator(".evenhand-untouched").nth(2).wait_for()
    for track in page.locator("[data-testid=stSlider] [role=group] > div").all():
        track.scroll_into_view_if_needed()
        image = picture(track)
        # Down the middle, far from any thumb: the ground first, somewhere the line.
        column = [image.getpixel((image.width // 2, y)) for y in range(image.height)]
        strongest = max(contrast(pixel, column[0]) for pixel in column)  # type: ignore[arg-type]
        assert strongest >= 3


@pytest.mark.parametrize("browser_language", ["en-GB", "ar-EG", "de-DE"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_scales_and_sliders_run_one_way_whatever_the_browser_speaks(
    serve: Serve, chromium: Browser, language: str, browser_language: str
) -> None:
    """Oracle: where the thumb stands at both ends, and where the words and the points stand."""
    server = serve("kinds", language)
    context = chromium.new_context(
        viewport={"width": 820, "height": 1180}, locale=browser_language, reduced_motion="reduce"
    )
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(server.link(next_rater(server)))
    page.locator(".evenhand-untouched").nth(2).wait_for()
    wait_until_settled(page)
    forward = 1 if language == "en" else -1

    def place(part: Locator) -> float:
        box = part.bounding_box()
        assert box is not None
        return forward * (box["x"] + box["width"] / 2)

    for scale in page.get_by_role("radiogroup").all():
        points = scale.get_by_role("radio").all()
        if len(points) == 7:
            assert [place(p) for p in points] == sorted(place(p) for p in points)
    slider = page.locator("[data-testid=stSlider]").first
    thumb, value = slider.locator("div:has(> div > input)"), slider.locator("input[type=range]")
    value.focus()
    page.keyboard.press("End")
    expect(value).to_have_value("100")
    wait_until_still(page)
    high = place(thumb)
    page.keyboard.press("Home")
    # To the place below the scale, from which the script of the page moves it 50 ms later.
    after_the_pages_timers(page, 50)
    expect(value).to_have_value("0")
    wait_until_still(page)
    assert place(thumb) < high
    # The key that points forward on the page goes up.
    page.keyboard.press("ArrowRight" if language == "en" else "ArrowLeft")
    expect(value).to_have_value("1")
    ends = page.locator(".evenhand-ends").first.locator("span")
    assert place(ends.first) < place(ends.last)
    # The filled part begins where the low end is.
    page.keyboard.press("End")
    expect(value).to_have_value("100")
    for _ in range(5):
        page.keyboard.press("PageDown")
    wait_until_still(page)
    slider.locator("[role=group] > div").scroll_into_view_if_needed()
    image = picture(slider.locator("[role=group] > div > div").first)
    colours = [image.getpixel((round(image.width * x), image.height // 2)) for x in (0.1, 0.9)]
    low, high_end = colours if language == "en" else colours[::-1]
    assert contrast(low, high_end) > 1.5 and luminance(low) < luminance(high_end)  # type: ignore[arg-type]
    context.close()


def test_nothing_on_an_arabic_page_is_in_another_language(
    serve: Serve, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: no Latin letter in what is shown or read out, but a response's label, which is a code."""
    server = serve("kinds", "ar")
    tablet = open_tablet(server.link(next_rater(server)), 1024, 768)
    page = open_page(tablet)
    page.get_by_role("textbox").fill("مرحبا")
    page.get_by_role("button", name="حفظ ومتابعة").click()
    page.locator(".evenhand-open").first.wait_for()
    skip = page.get_by_text(load_messages("ar")("page.skip"))
    skip.wait_for(state="attached")
    read_out = page.evaluate(
        "[...document.querySelectorAll('body *')].flatMap(e => ["
        " ...['aria-label', 'title', 'placeholder', 'aria-valuetext', 'alt'].map(n => e.getAttribute(n)),"
        " ...(['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName) ? [] : [...e.childNodes]"
        " .filter(n => n.nodeType === 3).map(n => n.data))])"
        ".filter(t => t && t.trim())"
    )
    # on purpose: the page is drawn, and the label does not change
    code = page.locator(".evenhand-response h2").inner_text().split()[-1]
    assert code.isascii()
    latin = re.compile("[A-Za-z]")
    assert len(read_out) > 50
    assert [text for text in read_out if latin.search(text.replace(code, ""))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_keep_progress_and_choice(
    serve: Serve, open_tablet: Callable[..., RaterPage], scheme: Any
) -> None:
    """Oracle: pixels, with the colours that Chromium forces."""
    server = serve("kinds")
    tablet = open_tablet(server.link(next_rater(server)), 1024, 768)
    page = tablet.page
    page.emulate_media(forced_colors="active", color_scheme=scheme, reduced_motion="reduce")
    open_page(tablet)
    # A bar that is half full, as after two of four responses.
    bar = page.locator("progress")
    bar.evaluate("e => { e.value = e.max / 2; }")
    image = picture(bar)
    full, empty = (
        image.getpixel((round(image.width * x), image.height // 2)) for x in (0.25, 0.75)
    )
    assert contrast(full, empty) >= 3  # type: ignore[arg-type]
    right = round(image.width * 0.75)
    edge = max(contrast(image.getpixel((right, y)), empty) for y in range(image.height))  # type: ignore[arg-type]
    assert edge >= 3

    muddled = page.get_by_role("radiogroup", name="How muddled")
    muddled.get_by_role("radio").nth(2).tap()
    expect(muddled.get_by_role("radio").nth(2)).to_have_attribute("aria-checked", "true")
    page.get_by_text("It advises").tap()
    expect(page.get_by_label("It advises")).to_be_checked()
    wait_until_still(page)
    page.get_by_role("radiogroup", name="How warm").focus()
    options = page.locator("[data-testid=stRadioOption]")
    for chosen, other in (
        (muddled.get_by_role("radio").nth(2), muddled.get_by_role("radio").nth(4)),
        (options.nth(1), options.nth(0)),
    ):
        with_choice, without = picture(chosen), picture(other)
        differing = [
            contrast(a, b)  # type: ignore[arg-type]
            for a, b in zip(
                (
                    with_choice.getpixel((6, y))
                    for y in range(2, min(with_choice.height, without.height) - 2)
                ),
                (
                    without.getpixel((6, y))
                    for y in range(2, min(with_choice.height, without.height) - 2)
                ),
                strict=True,
            )
        ] + [
            contrast(with_choice.getpixel((60, 2)), without.getpixel((60, 2)))  # type: ignore[arg-type]
        ]
        assert max(differing) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_empty_fields_and_boxes_are_seen_before_they_are_touched(
    serve: Serve, open_tablet: Callable[..., RaterPage], scheme: Any
) -> None:
    """Oracle: pixels, from outside across the edge. WCAG 2 (1.4.11) asks for a contrast of 3."""
    found = 0
    for shows in ("kinds", "response"):
        server = serve(shows)
        tablet = open_tablet(server.link(next_rater(server)), 820, 1180)
        tablet.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page = open_page(tablet)
        for part in page.locator(
            "[data-testid=stTextAreaRootElement], [data-testid=stTextInputRootElement],"
            " [data-testid=stCheckbox] label > div:not([data-testid]),"
            " [data-testid=stRadioOption] > div > div:first-child"
        ).all():
            image = picture(part)
            across = [image.getpixel((x, image.height // 2)) for x in range(image.width // 2)]
            assert max(contrast(pixel, across[-1]) for pixel in across) >= 3, (shows, part)  # type: ignore[arg-type]
            found += 1
    assert found >= 7


def test_what_is_tapped_is_large_enough_to_read(
    serve: Serve, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: the computed sizes. An answer of words alone is as large as its question."""
    for size in ((1024, 768), (360, 740)):
        for shows in ("kinds", "pair", "all"):
            server = serve(shows)
            page = open_page(open_tablet(server.link(next_rater(server)), *size))
            sizes = page.evaluate(
                "[...document.querySelectorAll('[data-testid=stButtonGroup] [role=radio] p')]"
                ".map(e => [e.textContent, !e.querySelector('strong'),"
                " parseFloat(getComputedStyle(e).fontSize)])"
            )
            assert len(sizes) >= 6
            assert [one for one in sizes if one[2] < (17 if one[1] else 14)] == [], (shows, size)
