"""Taps that come just after a page has changed, by real touch in real Chromium.

Oracle: the browser's own times. Of each tap its page keeps the time of the touch, of each change the
time at which the new heading (or, in a chat, the new set of buttons) was there, and of each reaction of
a widget what it was. A reaction to a tap within 600 ms of a change is a fault, however slow the machine
is; so is a tap on a page that is quiet no more and does nothing.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from study import participation
from study.entities import TurnOutcome
from study.store.check_answers import read_check_answers
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.ratings import read_ratings
from study.store.study import create_study
from tests.conftest import (
    WAIT_MS,
    RaterPage,
    SurveyServer,
    free_port,
    wait_until_served,
    wait_until_settled,
)
from tests.fixtures_chat import chat_site
from tests.fixtures_session import session_protocol
from tests.fixtures_several import served_study
from tests.fixtures_study import answer_everything
from tests.test_survey_app_chat import wait_for_reply
from tests.test_survey_app_session import points, saved_answers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

    from study.store.study import Study
    from tests.fixtures_chat import ChatSite

pytestmark = pytest.mark.browser

QUIET_MS = 600

# Before any script of the page: its listeners are the first to hear, and nothing can stop them.
WATCH = """
window.seen = [];
window.note = (what, at, more) => window.seen.push({what, at, more});
addEventListener("pointerdown", (e) => { if (e.isTrusted) note("tap", e.timeStamp); }, true);
addEventListener("focusin", (e) => {
  if (e.target.matches("textarea, input")) note("reaction", performance.now(), "focus");
}, true);
let page = null, marks = 0;
const buttons = () => [...document.querySelectorAll(".evenhand-chat button")]
  .filter((b) => !b.closest("[hidden]")).map((b) => b.id).join();
new MutationObserver((changes) => {
  const now = performance.now();
  const title = document.querySelector("[data-evenhand-page]");
  const name = document.querySelector(".evenhand-chat") ? buttons() : title && title.dataset.evenhandPage;
  if (name !== null && name !== page) { page = name; note("page", now, name); }
  for (const change of changes) {
    const on = change.attributeName && change.target.getAttribute(change.attributeName);
    if (on === "true") note("reaction", now, change.attributeName);
  }
  const open = document.querySelectorAll(".evenhand-open").length;
  if (open > marks) note("reaction", now, "open");
  marks = open;
}).observe(document, {
  subtree: true, childList: true, attributes: true,
  attributeFilter: ["aria-checked", "aria-pressed", "hidden", "data-evenhand-page"],
});
"""


@pytest.fixture
def open_watched(chromium: Browser) -> Iterator[Callable[..., RaterPage]]:
    contexts = []

    def open_one(link: str, width: int = 820, height: int = 1180) -> RaterPage:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, has_touch=True, reduced_motion="reduce"
        )
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(WATCH)
        contexts.append(context)
        page = context.new_page()
        page.goto(link)
        return RaterPage(page)

    yield open_one
    for context in contexts:
        context.close()


def seen(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("window.seen")
    return found


def centre(page: Page, name: str) -> tuple[float, float]:
    """Where a button is on the screen."""
    button = page.get_by_role("button", name=name)
    button.scroll_into_view_if_needed()
    wait_until_served(page)
    return middle(button.bounding_box())


def middle(box: Any) -> tuple[float, float]:
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tap_on(page: Page, first: tuple[float, float], then: tuple[float, float], gap_ms: int) -> int:
    """A tap, and more of them with a gap, until one of them is to be served; gives the early ones.

    Every reaction on the new page must come from a tap that came late enough.
    """
    before = len(seen(page))
    page.touchscreen.tap(*first)
    while True:
        page.wait_for_timeout(gap_ms)  # on purpose: the gap between the two taps is the case
        page.touchscreen.tap(*then)
        log = seen(page)[before:]
        changes = [entry["at"] for entry in log if entry["what"] == "page"]
        taps = [entry["at"] for entry in log if entry["what"] == "tap"]
        # By the first change: a tap that was served may have brought the next page already.
        if changes and taps[-1] >= changes[0] + QUIET_MS:
            break
    # What the last tap does comes with it or a little later; it is not waited for here.
    early = [at for at in taps if changes[0] <= at < changes[0] + QUIET_MS]
    for entry in log:
        if entry["what"] in ("reaction", "page") and entry["at"] > changes[0]:
            cause = max(at for at in taps if at <= entry["at"])
            assert cause >= changes[0] + QUIET_MS, (entry, log)
    return len(early)


def test_taps_after_a_save_do_nothing_for_600_ms_and_are_served_then(
    survey_server: SurveyServer, open_watched: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_watched(survey_server.link(rater))
    tablet.wait_for_response(1)
    on_a_point = middle(tablet.items()[0].get_by_role("radio").nth(3).bounding_box())
    early = 0
    for position, gap in enumerate((50, 150, 300, 400, 600), start=1):
        tablet.answer(points(position))
        early += tap_on(tablet.page, centre(tablet.page, "Save and continue"), on_a_point, gap)
        tablet.wait_for_response(position + 1)
        # Whoever taps then is served, and chooses the point under the finger. On a slow machine the
        # page is drawn later than its heading, so that the last tap may have been too early.
        wait_until_served(tablet.page)
        tablet.page.touchscreen.tap(*on_a_point)
        tablet.page.locator("[role=radio][aria-checked=true]").wait_for()
        chosen = tablet.items()[0].get_by_role("radio").nth(3)
        expect(chosen).to_have_attribute("aria-checked", "true")
    assert early > 0
    assert saved_answers(survey_server, rater) == {p: points(p) for p in range(1, 6)}


def test_a_second_tap_on_the_same_button_does_nothing_on_any_page(
    survey_server: SurveyServer, open_watched: Callable[..., RaterPage]
) -> None:
    """From the consent to the second response, and back: the second tap is where the first one was."""
    rater = survey_server.new_rater()
    tablet = open_watched(survey_server.link(rater))
    page = tablet.page

    def twice(button: str, gap: int) -> int:
        at = centre(page, button)
        return tap_on(page, at, at, gap)

    early = twice("I do not take part", 300)
    page.reload()
    early += twice("I have read this and I take part", 400)
    page.reload()
    page.get_by_text("Woman", exact=True).tap()
    page.get_by_text("Never", exact=True).tap()
    early += twice("Save and continue", 150)
    page.reload()
    tablet.answer([3] * 8)
    early += twice("Start rating", 300)
    page.reload()
    tablet.wait_for_response(1)
    tablet.answer(points(1))
    early += twice("Save and continue", 400)
    assert early > 0
    assert saved_answers(survey_server, rater) == {1: points(1)}


def test_a_tap_on_save_with_open_questions_is_no_answer_to_the_one_that_comes_up(
    survey_server: SurveyServer, open_watched: Callable[..., RaterPage]
) -> None:
    # The view goes to the first open question: what is under the finger then is another thing.
    rater = survey_server.new_rater(rating=True)
    tablet = open_watched(survey_server.link(rater), 360, 740)
    page = tablet.page
    tablet.wait_for_response(1)
    at = centre(page, "Save and continue")
    page.touchscreen.tap(*at)
    page.locator(".evenhand-open:visible").first.wait_for()
    page.locator("html[data-evenhand-quiet]").wait_for(state="attached")
    moved = page.evaluate("performance.now()")
    page.touchscreen.tap(*at)
    tapped = seen(page)[-1]["at"]
    if tapped < moved + QUIET_MS:
        # on purpose: what a tap does has begun when it is over
        assert page.locator("[role=radio][aria-checked=true]").count() == 0
    assert saved_answers(survey_server, rater) == {}


def test_keys_go_on_after_the_same_time_and_text_can_be_typed_at_once(
    survey_server: SurveyServer, open_watched: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_watched(survey_server.link(rater))
    page = tablet.page
    tablet.wait_for_response(1)
    tablet.answer(points(1))
    tablet.save()
    page.get_by_role("heading", name="Response 2 of 6").wait_for()
    page.get_by_role("radiogroup").nth(7).wait_for()
    page.evaluate(
        "addEventListener('keydown', (e) => note('key', e.timeStamp, e.key), true);"
        "document.querySelector('[role=radio]').focus()"
    )
    # on purpose: key after key until one is served
    while page.locator("[role=radio][aria-checked=true]").count() == 0:
        page.keyboard.press("Space")
    log = seen(page)
    change = [entry["at"] for entry in log if entry["what"] == "page"][-1]
    (answered,) = [
        entry["at"] for entry in log if entry["what"] == "reaction" and entry["at"] > change
    ]
    keys = [entry["at"] for entry in log if entry["what"] == "key"]
    assert max(key for key in keys if key <= answered) >= change + QUIET_MS


@contextlib.contextmanager
def served(study: Study, folder: Path) -> Iterator[SurveyServer]:
    server = SurveyServer(study, free_port(), folder / "server.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        study.close()


@pytest.mark.parametrize("shows", ["pair", "all", "response"])
def test_pages_of_several_responses_and_of_marks(
    shows: str, tmp_path: Path, open_watched: Callable[..., RaterPage]
) -> None:
    """Pairs, rankings, marked parts: two pages saved, each with taps that follow, on two widths."""
    study = served_study(tmp_path, shows, raters=1)
    with served(study, tmp_path) as server:
        rater = server.new_rater()
        participation.consent(study, rater)
        participation.save_demographics(study, rater, {"gender": "woman", "age": None})
        participation.finish_practice(study, rater)
        tablet = open_watched(server.link(rater))
        page = tablet.page
        early = 0
        for position, (width, height) in enumerate(((820, 1180), (1024, 768)), start=1):
            page.set_viewport_size({"width": width, "height": height})
            page.get_by_role("heading", name=re.compile(f"{position} of ", re.I)).wait_for()
            wait_until_settled(page)
            if shows == "response":
                page.get_by_text("There is nothing to mark in this response").tap()
                page.get_by_text("Happy", exact=True).tap()
            else:
                for place, group in enumerate(page.get_by_role("radiogroup").all()):
                    group.get_by_role("radio").nth(place % 3 if shows == "all" else 0).tap()
            at = centre(page, "Save and continue")
            early += tap_on(page, at, at, 150 * position)
        assert early > 0
        own = {rating.assignment_id for rating in read_ratings(study)}
        assert len(own) == 2


def test_checks_breaks_and_practice(tmp_path: Path, open_watched: Callable[..., RaterPage]) -> None:
    """A session with checks before and between the responses, and breaks."""
    study = create_study(
        tmp_path / "study",
        session_protocol(tmp_path, **{"minimum_seconds: 1": "minimum_seconds: 0"}),
    )
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 1)
    with served(study, tmp_path) as server:
        rater = server.new_rater()
        participation.consent(study, rater)
        participation.save_demographics(study, rater, {"gender": "woman", "age": None})
        tablet = open_watched(server.link(rater))
        page = tablet.page

        def go_on(button: str, gap: int) -> int:
            at = centre(page, button)
            early = tap_on(page, at, at, gap)
            page.reload()
            page.get_by_role("button").first.wait_for()
            wait_until_settled(page)
            return early

        def rate() -> None:
            wait_until_settled(page)
            for group in page.get_by_role("radiogroup").all():
                group.get_by_role("radio").nth(2).tap()

        page.get_by_role("heading", name="Practice 1 of 2").wait_for()
        rate()
        early = go_on("Continue", 300)
        page.get_by_role("heading", name="Practice 2 of 2").wait_for()
        rate()
        early += go_on("Continue", 400)
        page.get_by_role("heading", name="Questions about the task").wait_for()
        page.get_by_text("The response", exact=True).tap()
        page.get_by_text("Yes I may", exact=True).tap()
        early += go_on("Continue", 150)
        page.get_by_role("heading", name="Response 1 of 4").wait_for()
        rate()
        early += go_on("Save and continue", 300)
        page.get_by_text("Please choose the second point here.").wait_for()
        assert read_check_answers(study)[-1].kind == "comprehension"
        page.get_by_role("radiogroup").get_by_role("radio").nth(1).tap()
        early += go_on("Save and continue", 50)
        page.get_by_role("heading", name="Response 2 of 4").wait_for()
        rate()
        early += go_on("Save and continue", 600)
        page.get_by_role("heading", name="A short rest").wait_for()
        early += go_on("Go on", 300)
        page.get_by_role("heading", name="Response 3 of 4").wait_for()
        assert early > 0
        assert len({rating.assignment_id for rating in read_ratings(study)}) == 2


def test_a_second_tap_on_back_and_on_go_on(
    survey_server: SurveyServer, open_watched: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_watched(survey_server.link(rater))
    page = tablet.page
    for position in (1, 2):
        tablet.wait_for_response(position)
        tablet.answer(points(position))
        tablet.save()
    tablet.wait_for_response(3)
    steps = (
        ("Back to the previous page", 2),
        ("Back to the previous page", 1),
        ("Go on without a change", 2),
        ("Save the changes and go on", 3),
    )
    early = 0
    for (button, position), gap in zip(steps, (300, 50, 400, 150), strict=True):
        at = centre(page, button)
        early += tap_on(page, at, (410.0, 5.0), gap)
        tablet.wait_for_response(position)
        wait_until_settled(page)
    assert early > 0
    assert saved_answers(survey_server, rater) == {p: points(p) for p in (1, 2)}


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    with chat_site(tmp_path_factory.mktemp("taps"), raters=4) as made:
        yield made


def changed_at(page: Page, button: str) -> float:
    """Wait until a button is there; gives the time of that change."""
    page.wait_for_function(
        f"seen.some(e => e.what === 'page' && e.more.split(',').includes('{button}'))"
    )
    found = [e["at"] for e in seen(page) if e["what"] == "page" and button in e["more"].split(",")]
    return float(found[-1])


def posted(page: Page) -> list[str]:
    """What the page sends from now on, without drafts."""
    found: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/chat/" in request.url:
            found.append(request.url.rsplit("/", 1)[1])

    page.on("request", note)
    return found


def tap_early(page: Page, at: tuple[float, float], change: float) -> bool:
    """Tap at once; gives whether that was within the quiet time. What the tap does has begun then."""
    page.touchscreen.tap(*at)
    return bool(seen(page)[-1]["at"] < change + QUIET_MS)


def test_a_second_tap_on_send_does_not_stop_the_reply(
    talking: ChatSite, open_watched: Callable[..., RaterPage]
) -> None:
    go = threading.Event()
    for backend in talking.backends.values():
        backend.hold = go
    rater = talking.new_talker()
    page = open_watched(talking.server.link(rater)).page
    sent = posted(page)
    page.get_by_label("Your message").fill("I lie awake at night.")
    at = centre(page, "Send")
    page.touchscreen.tap(*at)
    change = changed_at(page, "chat-stop")
    if tap_early(page, at, change):
        assert sent == ["turn"]
        # A finger that comes later is meant.
        wait_until_served(page)
        page.touchscreen.tap(*at)
    page.get_by_role("button", name="Send").wait_for()
    go.set()
    for backend in talking.backends.values():
        backend.hold = None
    assert sent == ["turn", "stop"]
    assert talking.talks(rater)[0].turns[1].outcome is TurnOutcome.STOPPED


def test_a_second_tap_on_end_does_not_end_the_conversation(
    talking: ChatSite, open_watched: Callable[..., RaterPage]
) -> None:
    rater = talking.new_talker()
    page = open_watched(talking.server.link(rater)).page
    sent = posted(page)
    page.get_by_label("Your message").fill("I lie awake at night.")
    page.get_by_role("button", name="Send").tap()
    wait_for_reply(page, 2)
    page.get_by_role("button", name="End the conversation").tap()
    change = changed_at(page, "chat-go")
    at = middle(page.get_by_role("button", name="Go on to the questions").bounding_box())
    if tap_early(page, at, change):
        assert sent == ["turn"]
        wait_until_served(page)
        page.touchscreen.tap(*at)
    # Nor does the tap that follows it answer the first question.
    page.get_by_role("radiogroup").first.wait_for()
    assert sent == ["turn", "end"]
    assert talking.talks(rater)[0].ended_at is not None


def test_a_tap_on_stop_as_the_reply_ends_does_not_send_what_is_being_written(
    talking: ChatSite, open_watched: Callable[..., RaterPage]
) -> None:
    """Where "stop" was there is "send" when the reply ends, and the next message may be in the box."""
    go = threading.Event()
    for backend in talking.backends.values():
        backend.hold = go
    rater = talking.new_talker()
    page = open_watched(talking.server.link(rater)).page
    sent = posted(page)
    page.get_by_label("Your message").fill("I lie awake at night.")
    page.get_by_role("button", name="Send").tap()
    page.get_by_role("button", name="Stop").wait_for()
    # Typing goes on all the while.
    page.get_by_label("Your message").fill("Not ready yet")
    at = middle(page.get_by_role("button", name="Stop").bounding_box())
    before = len([e for e in seen(page) if e["what"] == "page"])
    go.set()
    for backend in talking.backends.values():
        backend.hold = None
    page.wait_for_function(f"seen.filter(e => e.what === 'page').length > {before}")
    change = next(e["at"] for e in reversed(seen(page)) if e["what"] == "page")
    if tap_early(page, at, change):
        assert sent == ["turn"]
        expect(page.get_by_label("Your message")).to_have_value("Not ready yet")
