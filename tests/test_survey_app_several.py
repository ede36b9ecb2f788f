"""Pages with several responses, and pages that mark parts of one, in real Chromium.

Oracle of each: what was tapped or typed is in the database, once; axe-core's rules; 48 px; the names
of the systems, searched in all that the browser received.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.entities import Rater, RaterStatus
from study.protocol.items.spans import read_spans
from study.store.raters import find_by_code, read_raters
from study.store.ratings import rating_faults, read_assignments, read_ratings
from study.store.responses import read_responses
from tests.conftest import (
    WAIT_MS,
    RaterPage,
    SurveyServer,
    eventually,
    free_port,
    stop_all,
    wait_until_settled,
    wait_until_still,
)
from tests.fixtures_several import SEVERAL_NAMES, served_study
from tests.fixtures_study import as_given
from tests.test_survey_app_accessibility import check, scrolls_sideways, small_targets
from tests.test_survey_app_blinding import Traffic, found_names
from tests.test_survey_app_session import screen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# What a page of each kind holds, and how many.
PAIR = ("[role=radiogroup]", 2)
RANKING = ("[role=radiogroup]", 6)
MARKING = ("[data-testid=stCheckbox]", 1)

Serve = Callable[[str], SurveyServer]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server for what a page shows, started when it is first asked for."""
    running: dict[str, SurveyServer] = {}

    def served(shows: str) -> SurveyServer:
        if shows not in running:
            folder = tmp_path_factory.mktemp(shows)
            study = served_study(folder, shows)
            running[shows] = SurveyServer(study, free_port(), folder / "server.log")
            running[shows].start()
        return running[shows]

    yield served
    stop_all(running.values())


@pytest.fixture
def watched(chromium: Browser) -> Iterator[tuple[Page, Traffic]]:
    """A tablet whose traffic is kept."""
    traffic = Traffic()
    context = chromium.new_context(
        viewport={"width": 820, "height": 1180}, has_touch=True, reduced_motion="reduce"
    )
    traffic.listen(context)
    context.set_default_timeout(WAIT_MS)
    yield context.new_page(), traffic
    context.close()


def new_rater(server: SurveyServer) -> Rater:
    server.taken += 1
    return read_raters(server.study)[server.taken - 1]


def saved(server: SurveyServer, rater: Rater) -> dict[int, dict[str, object]]:
    """Position -> item -> what is held; every item of a page once."""
    own = {a.id: a.position for a in read_assignments(server.study) if a.rater_id == rater.id}
    found: dict[int, dict[str, object]] = {}
    for rating in read_ratings(server.study):
        if rating.assignment_id in own:
            page = found.setdefault(own[rating.assignment_id], {})
            assert rating.item_id not in page
            page[rating.item_id] = as_given(rating.answer)
    return dict(sorted(found.items()))


def start(page: Page, link: str, widgets: str, number: int, practise: Callable[[], None]) -> None:
    """From the link over consent, questions and the example to the first page."""
    page.goto(link)
    page.get_by_role("button", name="I take part").tap()
    page.get_by_text("Woman", exact=True).wait_for()
    wait_until_settled(page)
    page.get_by_text("Woman", exact=True).tap()
    page.get_by_role("button", name="Save and continue").tap()
    wait_for_page(page, "Task", widgets, number)
    practise()
    page.get_by_role("button", name="Start rating").tap()


def wait_for_page(page: Page, heading: str, widgets: str, number: int) -> None:
    """Until the page is drawn and what was on the page before is gone."""
    page.get_by_role("heading", name=heading).wait_for()
    expect(page.locator(widgets)).to_have_count(number)
    wait_until_settled(page)


def tap_place(page: Page, question: str, place: int) -> None:
    target = page.get_by_role("radiogroup", name=question).get_by_role("radio").nth(place)
    target.tap()
    expect(target).to_have_attribute("aria-checked", "true")


def tap_row(page: Page, question: str, letter: str, place: int) -> None:
    """Give a response a place in the ranking that a question asks for."""
    row = page.get_by_role("group", name=question).get_by_role(
        "radiogroup", name=f"Response {letter}"
    )
    row.get_by_role("radio").nth(place).tap()
    expect(row.get_by_role("radio").nth(place)).to_have_attribute("aria-checked", "true")


def double_tap(page: Page) -> None:
    """Two taps on the button; the second must not answer the next page."""
    wait_until_settled(page)
    button = page.get_by_role("button", name="Save and continue")
    button.scroll_into_view_if_needed()
    # The first waits until the button stands still and nothing lies over it; the second falls where it was.
    button.tap(trial=True)
    box = button.bounding_box()
    assert box is not None
    button.tap()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def keep_screen(page: Page, name: str) -> None:
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    screen(RaterPage(page), name)
    wait_until_still(page)


def measure(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    wait_until_still(page)
    eventually(lambda: small_targets(page), [])
    eventually(lambda: scrolls_sideways(page), False)


def assert_blind(server: SurveyServer, page: Page, traffic: Traffic) -> None:
    """No name of a system in all that came, which did hold the responses in clear."""
    traffic.read_state(page)
    traffic.read_bodies()
    names = {*SEVERAL_NAMES, "system_id", "provenance", "5b" * 32}
    received = b"".join(content for where, content in traffic.parts if where == "framereceived")
    for response in read_responses(server.study):
        # The first sentence: where parts are marked, each is an element of its own.
        assert response.text.split(".")[0].encode() in received
    assert found_names(traffic.parts, names) == []
    assert traffic.hosts == {f"127.0.0.1:{server.port}"}


def test_pairs_by_touch_on_three_widths(serve: Serve, watched: tuple[Page, Traffic]) -> None:
    server, (page, traffic) = serve("pair"), watched
    rater = new_rater(server)
    save = page.get_by_role("button", name="Save and continue")

    def practise() -> None:
        tap_place(page, "Which one is clearer?", 0)
        tap_place(page, "Which one is kinder?", 2)

    start(page, server.link(rater), *PAIR, practise)
    wait_for_page(page, "Comparison 1 of 3", *PAIR)
    measure(page, 360, 740)
    check(page)
    # Nothing is preset, and what is open is named.
    expect(page.locator("[role=radio][aria-checked=true]")).to_have_count(0)
    save.tap()
    page.get_by_text("Still open: 2").wait_for()
    assert saved(server, rater) == {}
    boxes = [section.bounding_box() for section in page.locator(".evenhand-response").all()]
    assert boxes[0] and boxes[1] and boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    tap_place(page, "Which one is clearer?", 0)
    tap_place(page, "Which one is kinder?", 1)
    double_tap(page)
    wait_for_page(page, "Comparison 2 of 3", *PAIR)

    measure(page, 820, 1180)
    # The second tap is passed over in silence.
    expect(page.locator("body")).not_to_contain_text("had been answered before")
    boxes = [section.bounding_box() for section in page.locator(".evenhand-response").all()]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
    assert abs(boxes[0]["height"] - boxes[1]["height"]) < 1
    assert abs(boxes[0]["width"] - boxes[1]["width"]) < 1
    tap_place(page, "Which one is clearer?", 2)
    page.get_by_role("textbox").fill("B is shorter, لكن")
    page.get_by_role("textbox").blur()
    keep_screen(page, "30-comparison")
    traffic.read_bodies()
    page.reload()
    checked = page.locator("[role=radio][aria-checked=true]")
    expect(checked).to_have_count(1)
    expect(page.get_by_role("textbox")).to_have_value("B is shorter, لكن")
    tap_place(page, "Which one is kinder?", 0)
    save.tap()

    wait_for_page(page, "Comparison 3 of 3", *PAIR)
    measure(page, 1024, 768)
    tap_place(page, "Which one is clearer?", 1)
    tap_place(page, "Which one is kinder?", 1)
    save.tap()
    page.get_by_text("All 3 comparisons are made and saved").wait_for()
    assert saved(server, rater) == {
        1: {"clearer": 1, "clearer.reason": "skipped", "kinder": 0},
        2: {"clearer": 2, "clearer.reason": "B is shorter, لكن", "kinder": 1},
        3: {"clearer": 0, "clearer.reason": "skipped", "kinder": 0},
    }
    assert find_by_code(server.study, rater.code).status is RaterStatus.FINISHED
    assert rating_faults(server.study) == []
    assert_blind(server, page, traffic)


def tab_to(page: Page, script: str) -> None:
    """Press Tab until the focused element ``e`` is the one meant."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const e = document.activeElement; return {script}; }})()"):
            return
    raise AssertionError(f"Tab never reached {script}")


def test_pairs_by_keyboard_alone(serve: Serve, open_tablet: Callable[..., RaterPage]) -> None:
    server = serve("pair")
    rater = new_rater(server)
    page = open_tablet(server.link(rater), 1024, 768).page
    keys = page.keyboard
    page.get_by_role("button", name="I take part").wait_for()
    wait_until_settled(page)
    tab_to(page, "e.tagName === 'BUTTON' && e.textContent.includes('I take part')")
    keys.press("Enter")
    page.get_by_role("radiogroup").first.wait_for()
    wait_until_settled(page)
    tab_to(page, "e.type === 'radio'")
    keys.press("Space")
    tab_to(page, "e.tagName === 'BUTTON' && e.textContent.includes('Save and continue')")
    keys.press("Enter")
    for heading in ["Task", *(f"Comparison {n} of 3" for n in range(1, 4))]:
        wait_for_page(page, heading, *PAIR)
        for presses in (0, 2):
            # Tab goes to an item, the arrows move inside it, the space bar chooses.
            tab_to(page, "e.getAttribute('role') === 'radio'")
            for _ in range(presses):
                keys.press("ArrowRight")
            keys.press("Space")
        tab_to(page, "e.closest('[data-testid=stFormSubmitButton]') !== null")
        keys.press("Enter")
    page.get_by_role("heading", name="Thanks").wait_for()
    given = {"clearer": 1, "clearer.reason": "skipped", "kinder": 2}
    assert saved(server, rater) == dict.fromkeys((1, 2, 3), given)


def test_marking_by_keyboard_alone(serve: Serve, watched: tuple[Page, Traffic]) -> None:
    """Three responses; in each the first sentence gets the second label, and a mood."""
    server, (page, _) = serve("response"), watched
    rater = new_rater(server)
    nothing = page.get_by_text("There is nothing to mark in this response")

    def practise() -> None:
        nothing.tap()
        page.get_by_text("Happy").tap()

    start(page, server.link(rater), *MARKING, practise)
    chosen = {}
    for position in (1, 2, 3):
        wait_for_page(page, f"Response {position} of 3", *MARKING)
        # Tab goes from label to label and from sentence to sentence; space and Enter press.
        tab_to(page, "e.dataset.evenhandPen === '1'")
        page.keyboard.press("Enter")
        chosen[position] = page.evaluate("document.activeElement.textContent")
        tab_to(page, "e.dataset.evenhandPart === '1'")
        for key, pressed in (("Space", "true"), ("Enter", "false"), ("Enter", "true")):
            page.keyboard.press(key)
            first = page.locator("[data-evenhand-part='1']")
            expect(first).to_have_attribute("aria-pressed", pressed)
        tab_to(page, "e.type === 'radio'")
        page.keyboard.press("Space")
        tab_to(page, "e.closest('[data-testid=stFormSubmitButton]') !== null")
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thanks").wait_for()
    found = saved(server, rater)
    item = next(item for item in server.study.protocol.items if item.id == "marks")
    names = {label.id: label.label for label in item.labels}
    for position in (1, 2, 3):
        (span,) = read_spans(str(found[position]["marks"]))
        assert (span.start, names[span.label]) == (0, chosen[position])
        assert found[position]["mood"] == 1


def see_that_a_tap_without_a_label_marks_nothing(page: Page) -> None:
    """On a page on which nothing is marked yet."""
    # The sentences stand in the response itself, and nowhere else.
    # on purpose: the page is drawn, and the parts do not change
    names = page.locator(".evenhand-response [data-evenhand-part]").all_inner_texts()
    assert names[2] == "Write down what worries you most." and names[4].endswith("little today?")
    for name in names:
        # on purpose: the page is drawn
        assert page.get_by_text(name, exact=True).count() <= 1
    # Without a label in hand, a tap marks nothing and says what is missing.
    page.get_by_role("button", name=names[0]).tap()
    page.get_by_text("Please choose a label first").wait_for()
    expect(page.locator("[data-evenhand-part][aria-pressed=true]")).to_have_count(0)


def marked_parts(server: SurveyServer, rater: Rater, marks: str) -> set[tuple[str, str]]:
    """(text, label) of the parts that are marked in the rater's first response."""
    shown = next(
        a for a in read_assignments(server.study) if (a.rater_id, a.position) == (rater.id, 1)
    )
    text = next(r.text for r in read_responses(server.study) if r.prompt_id == shown.prompt_id)
    topic = server.study.protocol.prompt(shown.prompt_id).topic
    return {(text[s.start : s.end].replace(topic, "{topic}"), s.label) for s in read_spans(marks)}


def test_marking_and_annotating_by_touch_on_three_widths(
    serve: Serve, watched: tuple[Page, Traffic]
) -> None:
    server, (page, traffic) = serve("response"), watched
    rater = new_rater(server)
    save = page.get_by_role("button", name="Save and continue")
    nothing = page.get_by_text("There is nothing to mark in this response")
    ticked = page.get_by_role("checkbox", name="There is nothing to mark in this response")

    def mark(sentence: str, label: str) -> None:
        page.locator(".evenhand-pen", has_text=label).tap()
        part = page.get_by_role("button", name=sentence)
        part.tap()
        expect(part).to_have_attribute("aria-pressed", "true")
        expect(part).to_have_accessible_name(re.compile(rf"{re.escape(sentence)}.* {label}"))

    def practise() -> None:
        nothing.tap()
        page.get_by_text("Happy").tap()

    start(page, server.link(rater), *MARKING, practise)
    wait_for_page(page, "Response 1 of 3", *MARKING)
    measure(page, 360, 740)
    check(page)
    see_that_a_tap_without_a_label_marks_nothing(page)
    page.get_by_text("Sad", exact=True).tap()
    save.tap()
    page.get_by_text("Please mark at least one sentence").wait_for()
    # Both a mark and "nothing" contradict each other, and the page says so.
    wait_until_settled(page)
    mark("That sounds hard to carry.", "Empathy shown")
    nothing.tap()
    expect(ticked).to_be_checked()
    save.tap()
    page.get_by_text("Please take one of the two back").wait_for()
    assert saved(server, rater) == {}
    # Told so, a person looks first: in the moments after a page has changed a tap does nothing.
    wait_until_settled(page)
    nothing.tap()
    expect(ticked).not_to_be_checked()
    mark("Many people know this feeling", "Harmful advice")
    mark("Many people know this feeling", "Empathy shown")
    measure(page, 820, 1180)
    keep_screen(page, "31-marking")
    traffic.read_bodies()
    page.reload()
    expect(page.locator("[data-evenhand-part][aria-pressed=true]")).to_have_count(2)
    expect(page.locator(".evenhand-tag")).to_have_text(
        ["Empathy shown", "Harmful advice", "Empathy shown"]
    )
    wait_until_settled(page)
    double_tap(page)

    for position, width in ((2, 820), (3, 1024)):
        wait_for_page(page, f"Response {position} of 3", *MARKING)
        measure(page, width, 900)
        expect(page.locator("[data-evenhand-part][aria-pressed=true]")).to_have_count(0)
        nothing.tap()
        page.get_by_text("Happy").tap()
        save.tap()
    page.get_by_role("heading", name="Thanks").wait_for()
    found = saved(server, rater)
    assert [found[n]["mood"] for n in (1, 2, 3)] == [2, 1, 1]
    assert [found[n]["marks"] for n in (2, 3)] == ["[]", "[]"]
    opening, feeling = "That sounds hard to carry.", "Many people know this feeling about {topic}."
    marked = {(opening, "empathy"), (feeling, "empathy"), (feeling, "harm")}
    assert marked_parts(server, rater, str(found[1]["marks"])) == marked
    assert rating_faults(server.study) == []
    assert_blind(server, page, traffic)


def test_a_ranking_by_touch_and_keyboard(serve: Serve, watched: tuple[Page, Traffic]) -> None:
    server, (page, traffic) = serve("all"), watched
    rater = new_rater(server)
    save = page.get_by_role("button", name="Save and continue")

    questions = {"Order": "Put the responses in order.", "Loose": "Order them by kindness."}

    def order(item: str, places: str) -> None:
        for letter, place in zip("ABC", places, strict=True):
            tap_row(page, questions[item], letter, int(place) - 1)

    start(page, server.link(rater), *RANKING, lambda: order("Order", "123"))
    wait_for_page(page, "Comparison 1 of 3", *RANKING)
    measure(page, 360, 740)
    check(page)
    order("Order", "112")
    save.tap()
    same = page.get_by_text("Two responses have the same place")
    same.wait_for()
    # The sentence goes with the next tap, and comes again when it is still true.
    order("Order", "221")
    expect(same).to_be_hidden()
    save.tap()
    same.wait_for()
    assert saved(server, rater) == {}
    order("Order", "312")
    expect(same).to_be_hidden()
    order("Loose", "211")
    measure(page, 1024, 768)
    measure(page, 820, 1180)
    keep_screen(page, "32-ranking")
    traffic.read_bodies()
    page.reload()
    page.locator("[role=radio][aria-checked=true]").nth(5).wait_for()
    save.tap()
    wait_for_page(page, "Comparison 2 of 3", *RANKING)
    # An order that may be left open must not be left half-way.
    order("Order", "231")
    tap_row(page, questions["Loose"], "B", 0)
    save.tap()
    page.get_by_text("Please give every response a place").wait_for()
    order("Loose", "123")
    save.tap()
    wait_for_page(page, "Comparison 3 of 3", *RANKING)
    # Arrows and space: first row third place, second row first, third row second.
    for row, presses in enumerate((2, 0, 1)):
        page.get_by_role("radiogroup").nth(row).get_by_role("radio").first.focus()
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
    save.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thanks").wait_for()
    assert saved(server, rater) == {
        1: {"order": "B>C>A", "loose": "B=C>A"},
        2: {"order": "C>A>B", "loose": "A>B>C"},
        3: {"order": "B>C>A", "loose": "skipped"},
    }
    assert rating_faults(server.study) == []
    assert_blind(server, page, traffic)
