"""Drafts in real Chromium: what stands on a page and is not saved survives a reload and is nowhere else.

Oracle: what was tapped or typed, on the page after a reload or on another device; the database, read
through ``study.store``; and for what must not be there, all requests and the browser's whole history.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from study import participation
from study.entities import Rater, Rating
from study.store import tables
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, link_secret, withdraw
from study.store.ratings import read_assignments, read_ratings
from study.store.study import create_study
from tests.conftest import RaterPage, SurveyServer, eventually, free_port, wait_until_settled
from tests.fixtures_chat import chat_site
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything
from tests.test_survey_app_chat import wait_for_reply
from tests.test_survey_app_session import points, saved_answers

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

pytestmark = pytest.mark.browser

REMARK = "Zaunkönig {remark} قلق"
CHECKED = "[role=radio][aria-checked=true]"
FILLED = ("true", True, REMARK, ["100", "-1", "-1"])


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    """A study with an item of every kind, and a number among the questions about the rater."""
    folder = tmp_path_factory.mktemp("drafts")
    study = create_study(folder / "study", every_kind_protocol(folder))
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 6)
    server = SurveyServer(study, free_port(), folder / "server.log")
    server.start()
    yield server
    server.stop()
    study.close()


def stored(server: SurveyServer, rater: Rater) -> dict[str, Any]:
    """Page -> the draft's values, as they are in the database."""
    draft = tables.draft.c
    with server.study.reading() as connection:
        rows = connection.execute(
            select(draft.page, draft.content).where(draft.rater_id == rater.id)
        ).all()
    return {row.page: json.loads(row.content)["values"] for row in rows}


def ready(server: SurveyServer) -> Rater:
    rater = server.new_rater()
    participation.consent(server.study, rater)
    participation.save_demographics(server.study, rater, {"gender": "woman"})
    participation.finish_practice(server.study, rater)
    return find_by_code(server.study, rater.code)


def wait_until_kept(page: Page) -> None:
    """Until the server has answered that the newest draft is kept."""
    page.wait_for_function("() => window.evenhandDrafts.waiting() === null")


def fill_every_kind(page: Page, remark: str = REMARK) -> None:
    page.locator("[data-testid=stSlider]").nth(2).wait_for()
    wait_until_settled(page)
    second = page.get_by_role("radiogroup").nth(0).get_by_role("radio").nth(1)
    second.tap()
    expect(second).to_have_attribute("aria-checked", "true")
    page.get_by_text("It advises").tap()
    expect(page.get_by_label("It advises")).to_be_checked()
    page.get_by_role("textbox").fill(remark)
    slide = page.locator("[data-testid=stSlider]").nth(0).locator("input[type=range]")
    slide.focus()
    page.keyboard.press("End")
    expect(slide).to_have_value("100")


def shown_of_every_kind(page: Page) -> tuple[object, ...]:
    """What the page holds now; for ``eventually``."""
    page.locator("[data-testid=stSlider]").nth(2).wait_for()
    wait_until_settled(page)
    slides = page.locator("[data-testid=stSlider] input[type=range]")
    second = page.get_by_role("radiogroup").nth(0).get_by_role("radio").nth(1)
    # on purpose: whoever asks looks again until it is right
    return (
        second.get_attribute("aria-checked"),
        page.get_by_label("It advises").is_checked(),
        page.get_by_role("textbox").input_value(),
        [slides.nth(place).input_value() for place in range(3)],
    )


def wait_until_shown(page: Page, want: tuple[object, ...]) -> None:
    eventually(lambda: shown_of_every_kind(page), want)


def ratings_of(server: SurveyServer, rater: Rater) -> list[Rating]:
    """What this rater has saved; the tests of this file share a study, in any order."""
    own = {a.id for a in read_assignments(server.study) if a.rater_id == rater.id}
    return [rating for rating in read_ratings(server.study) if rating.assignment_id in own]


def test_a_draft_of_every_kind_survives_a_reload_and_goes_to_another_device(
    kinds: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = ready(kinds)
    page = open_tablet(kinds.link(rater)).page
    # Of this test alone: the file of the database is searched for it at the end.
    remark = f"{REMARK} Rotkehlchen"
    fill_every_kind(page, remark)
    before = ("true", True, remark, ["100", "-1", "-1"])
    wait_until_shown(page, before)
    # At once: what the server has not been told yet goes with the page that is left.
    page.reload()
    wait_until_shown(page, before)
    wait_until_kept(page)
    other = open_tablet(kinds.link(rater), 1024, 768).page
    wait_until_shown(other, before)
    # Nothing of it is an answer, and of nobody else.
    assert ratings_of(kinds, rater) == []
    stranger = open_tablet(kinds.link(ready(kinds))).page
    wait_until_shown(stranger, ("false", False, "", ["-1", "-1", "-1"]))
    assert list(stored(kinds, rater)) == [
        next(
            a.id for a in read_assignments(kinds.study) if (a.rater_id, a.position) == (rater.id, 1)
        )
    ]
    # Erased with its rater, with the free text that was in it.
    withdraw(kinds.study, rater.code)
    assert stored(kinds, rater) == {}
    assert "Rotkehlchen" not in "".join(
        path.read_bytes().decode("latin-1") for path in kinds.study.folder.glob("study.db*")
    )


def test_answers_about_oneself_survive_a_reload(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater()
    tablet = open_tablet(survey_server.link(rater))
    tablet.consent()
    page = tablet.page
    # A page so busy that it is left before any of its timers comes.
    page.evaluate("() => { window.setTimeout = () => 0; }")
    for label in ("Woman", "Never"):
        page.get_by_text(label, exact=True).tap()
        # A tap that the page has not answered yet is no answer, and may be lost.
        expect(page.get_by_label(label, exact=True)).to_be_checked()
    page.reload()
    for label in ("Woman", "Never"):
        expect(page.get_by_label(label, exact=True)).to_be_checked()
    tablet.button("Save and continue").tap()
    page.get_by_role("heading", name="What you will do").wait_for()
    assert find_by_code(survey_server.study, rater.code).demographics == {
        "gender": "woman",
        "experience": "never",
    }
    assert stored(survey_server, rater) == {}
    # The example, too, and it goes when rating starts.
    tablet.answer([3, 4, 5])
    page.reload()
    page.locator(CHECKED).nth(2).wait_for()
    tablet.practise()
    assert stored(survey_server, rater) == {}


def test_a_saved_response_has_no_draft_and_a_late_one_changes_nothing(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    tablet.answer(points(1))
    wait_until_kept(tablet.page)
    (page,) = stored(survey_server, rater)
    tablet.save()
    tablet.wait_for_response(2)
    assert stored(survey_server, rater) == {}
    answer = post(
        survey_server, rater, {"page": page, "values": {"a-1": 0}, "writer": "w", "number": 1}
    )
    assert answer == 204
    assert stored(survey_server, rater) == {}
    assert saved_answers(survey_server, rater) == {1: points(1)}


def post(server: SurveyServer, rater: Rater | None, body: object, **headers: str) -> int:
    """The status that the address of drafts answers."""
    sent = {"Content-Type": "application/json"}
    if rater is not None:
        sent["Cookie"] = f"evenhand_rater={link_secret(server.study, rater)}"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.address}/draft", data, sent)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_the_address_of_drafts_takes_small_drafts_of_ones_own_page_from_own_pages(
    survey_server: SurveyServer,
) -> None:
    server, rater, other = survey_server, survey_server.new_rater(), survey_server.new_rater()
    participation.consent(server.study, rater)
    participation.consent(server.study, other)
    page = f"about-{rater.id}"
    good = {"page": page, "values": {"x": 1, "y": "text", "z": [0, 2], "n": None}, "writer": "w"}
    assert post(server, rater, {**good, "number": 2}) == 200
    assert stored(server, rater)[page]["y"] == "text"
    # An older one of the same document, which was slower on its way.
    assert post(server, rater, {**good, "values": {"y": "older"}, "number": 1}) == 200
    assert stored(server, rater)[page]["y"] == "text"
    assert post(server, rater, {**good, "number": 3}, Origin=server.address) == 200
    assert post(server, rater, {**good, "number": 4}, Origin="https://evil.example") == 403
    assert post(server, rater, {**good, "number": 4}, Sec_Fetch_Site="cross-site") == 403
    assert post(server, rater, {**good, "number": 4}, Content_Type="text/plain") == 400
    assert post(server, None, {**good, "number": 4}) == 403
    assert post(server, other, {**good, "number": 4}) == 204
    for bad in (
        {**good, "number": "4"},
        {**good, "number": 4, "values": {"y": "x" * 70_000}},
        {**good, "number": 4, "values": {"y": {"deep": 1}}},
        {**good, "number": 4, "values": {str(i): 1 for i in range(501)}},
        {**good, "number": 4, "page": "ü" * 9},
        [],
        b"[" * 30_000,
        b"\xff",
        b'{"page": NaN}',
    ):
        assert post(server, rater, bad) == 400
    # Half a character and a NUL are kept as they are and shown without harm.
    assert post(server, rater, {**good, "number": 5, "values": {"y": "a\ud800\x00b"}}) == 200
    assert list(stored(server, rater)) == [page]
    assert "Traceback" not in server.log.read_text()


class Recorded:
    """Every request of a browser, and every address in its history."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request))
        self._session = page.context.new_cdp_session(page)

    def history(self) -> list[str]:
        found = self._session.send("Page.getNavigationHistory")
        return [entry["url"] for entry in found["entries"]]


def test_no_answer_and_no_text_is_in_an_address_the_history_or_a_get(
    kinds: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """A whole session: consent, questions, practice, drafts, reloads, saving, back and forth."""
    rater = kinds.new_rater()
    tablet = open_tablet(kinds.address)
    page = tablet.page
    recorded = Recorded(page)
    page.goto(kinds.link(rater))
    tablet.button("I take part").tap()
    page.get_by_text("Woman", exact=True).wait_for()
    page.get_by_text("Woman", exact=True).tap()
    expect(page.get_by_label("Woman", exact=True)).to_be_checked()
    page.reload()
    expect(page.get_by_label("Woman", exact=True)).to_be_checked()
    tablet.button("Save and continue").tap()
    page.get_by_role("heading", name="Task").wait_for()
    fill_every_kind(page)
    page.reload()
    wait_until_shown(page, FILLED)
    wait_until_kept(page)
    participation.finish_practice(kinds.study, find_by_code(kinds.study, rater.code))
    page.reload()
    for position in (1, 2):
        page.get_by_role("heading", name=f"Response {position} of 4").wait_for()
        fill_every_kind(page)
        page.reload()
        wait_until_shown(page, FILLED)
        answer_the_rest(page)
        tablet.button("Save and continue").tap()
    page.get_by_role("heading", name="Response 3 of 4").wait_for()
    tablet.button("Back to the previous page").tap()
    page.get_by_role("heading", name="Response 2 of 4").wait_for()
    page.get_by_role("textbox").fill("Zaunkönig changed")
    page.get_by_role("textbox").blur()
    wait_until_kept(page)
    page.go_back()
    page.go_forward()
    page.get_by_role("heading", name="Response 2 of 4").wait_for()
    tablet.button("Go on without a change").tap()
    page.get_by_role("heading", name="Response 3 of 4").wait_for()
    addresses = [request.url for request in recorded.requests] + recorded.history()
    queries = {address.partition("?")[2] for address in addresses}
    # The one thing that an address says is which rated response is asked for.
    assert queries <= {"", "again=1", "again=2"}
    for request in recorded.requests:
        assert request.headers.get("referer", "").partition("?")[2] in ("", "again=1", "again=2")
        if request.method != "POST":
            assert request.post_data is None
            assert "Zaunk" not in request.url + repr(request.all_headers())
    drafts = [r.post_data or "" for r in recorded.requests if r.url.endswith("/draft")]
    # What is searched for did go to the server, where it belongs.
    assert any("Zaunk" in body for body in drafts)
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    # on purpose: looked for once more after all that the page had to send was kept
    assert "Zaunk" not in page.evaluate(kept)
    texts = [r.answer.text for r in ratings_of(kinds, rater) if r.answer.text]
    assert texts == [REMARK, REMARK]


def answer_the_rest(page: Page) -> None:
    """Answer what ``fill_every_kind`` left open."""
    for group in page.get_by_role("radiogroup").all():
        # on purpose: ``fill_every_kind`` waited for what it answered
        if group.locator("[aria-checked=true], input:checked").count() == 0:
            group.locator("[role=radio], label").first.tap()
            expect(group.locator("[aria-checked=true], input:checked")).to_have_count(1)
    slides = page.locator("[data-testid=stSlider] input[type=range]")
    for place in (1, 2):
        slides.nth(place).focus()
        page.keyboard.press("End")
        expect(slides.nth(place)).to_have_value("100")


def save_two_responses(tablet: RaterPage) -> None:
    for position in (1, 2):
        tablet.page.get_by_role("heading", name=f"Response {position} of 4").wait_for()
        fill_every_kind(tablet.page)
        answer_the_rest(tablet.page)
        tablet.button("Save and continue").tap()
    tablet.page.get_by_role("heading", name="Response 3 of 4").wait_for()


def test_browser_back_shows_saved_answers_and_saving_keeps_a_remark(
    kinds: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = ready(kinds)
    tablet = open_tablet(kinds.link(rater))
    page = tablet.page
    save_two_responses(tablet)

    def kept() -> list[tuple[str, str | None, int]]:
        return sorted(
            (r.assignment_id, r.answer.text, r.revision)
            for r in ratings_of(kinds, rater)
            if r.item_id == "remark"
        )

    def shows(position: int) -> None:
        page.get_by_role("heading", name=f"Response {position} of 4").wait_for()
        wait_until_shown(page, ("true", True, REMARK, ["100"] * 3))

    saved = kept()
    assert [text for _, text, _ in saved] == [REMARK] * 2
    tablet.button("Back to the previous page").tap()
    shows(2)
    tablet.button("Back to the previous page").tap()
    shows(1)
    for step, position in ((page.go_back, 2), (page.go_forward, 1), (page.go_back, 2)):
        step()
        shows(position)
        page.reload()
        shows(position)
    # Saved from a page that the browser's own button brought: nothing is lost, nothing is changed.
    tablet.button("Save the changes and go on").tap()
    page.get_by_role("heading", name="Response 3 of 4").wait_for()
    assert kept() == saved
    page.go_back()
    shows(2)
    tablet.button("Back to the previous page").tap()
    shows(1)
    tablet.button("Save the changes and go on").tap()
    shows(2)
    assert kept() == saved
    # Who clears a remark means it, and a reload on the way does not bring it back.
    page.get_by_role("textbox").fill("")
    page.get_by_role("textbox").blur()
    expect(page.get_by_role("textbox")).to_have_value("")
    page.reload()
    page.get_by_role("heading", name="Response 2 of 4").wait_for()
    eventually(lambda: shown_of_every_kind(page)[2], "")
    # But left without saving, it is what was saved.
    tablet.button("Go on without a change").tap()
    page.get_by_role("heading", name="Response 3 of 4").wait_for()
    tablet.button("Back to the previous page").tap()
    shows(2)
    page.get_by_role("textbox").fill("")
    page.get_by_role("textbox").blur()
    tablet.button("Save the changes and go on").tap()
    page.get_by_role("heading", name="Response 3 of 4").wait_for()
    assert sorted((text or "", revision) for _, text, revision in kept()) == [("", 2), (REMARK, 1)]
    assert stored(kinds, rater) == {}


def test_a_cut_line_keeps_what_was_tapped_and_never_brings_an_older_draft_over_it(
    start_server: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = start_server(raters=1)
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    page = tablet.page
    tablet.answer([2] * 8)
    wait_until_kept(page)
    # From here on no draft comes through: the one that the server has is the older one.
    page.route("**/draft", lambda route: route.abort())
    tablet.answer([5] * 8)
    server.stop(signal.SIGKILL)
    page.locator(".evenhand-offline", has_text="No connection").wait_for()
    server.start()
    page.locator(".evenhand-offline:empty").wait_for(state="attached")
    wait_until_settled(page)
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(server, rater) == {1: [5] * 8}


@contextlib.contextmanager
def no_drafts_taken(server: SurveyServer) -> Iterator[None]:
    """The database fails at each draft while this lasts, and does everything else."""
    with contextlib.closing(sqlite3.connect(server.study.folder / "study.db")) as database:
        database.execute("ALTER TABLE draft RENAME TO draft_away")
        yield
        database.execute("ALTER TABLE draft_away RENAME TO draft")


def test_a_draft_that_the_server_could_not_take_is_shown_once_it_can(
    start_server: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = start_server(raters=1)
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    page = tablet.page
    with no_drafts_taken(server):
        tablet.answer([4] * 8)
        page.reload()
        # Twice: what is changed on the page without the draft is added to it and not put in its place.
        for item, point in ((1, 1), (6, 2)):
            target = tablet.items()[item].get_by_role("radio").nth(point - 1)
            expect(page.locator(CHECKED)).to_have_count(0)
            target.tap()
            expect(target).to_have_attribute("aria-checked", "true")
            page.reload()
        tablet.items()
        expect(page.locator(CHECKED)).to_have_count(0)
    # Nothing is touched: the page is opened again by itself.
    found = [4, 1, 4, 4, 4, 4, 2, 4]
    for place, point in enumerate(found):
        radio = page.get_by_role("radiogroup").nth(place).get_by_role("radio").nth(point - 1)
        expect(radio).to_have_attribute("aria-checked", "true")
    eventually(lambda: page.evaluate("sessionStorage.length"), 0)
    wait_until_settled(page)
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(server, rater) == {1: found}
    assert stored(server, rater) == {}


def test_the_message_being_written_is_found_on_another_device_until_it_is_sent(
    tmp_path: Path, open_tablet: Callable[..., RaterPage]
) -> None:
    with chat_site(tmp_path, raters=2) as site:
        rater = site.new_talker()
        page = open_tablet(site.server.link(rater)).page
        box = page.get_by_label("Your message")
        box.fill(REMARK)
        expect(box).to_have_value(REMARK)
        page.reload()
        page.locator("#chat-send:enabled").wait_for()
        expect(box).to_have_value(REMARK)
        wait_until_kept(page)
        other = open_tablet(site.server.link(rater)).page
        other.locator("#chat-send:enabled").wait_for()
        expect(other.get_by_label("Your message")).to_have_value(REMARK)
        other.get_by_role("button", name="Send").tap()
        wait_for_reply(other, 2)
        assert stored(site.server, rater) == {}
        other.reload()
        other.locator("#chat-send:enabled").wait_for()
        expect(other.get_by_label("Your message")).to_have_value("")
        stays = "JSON.stringify({...sessionStorage})"
        eventually(lambda: "Zaunk" in other.evaluate(stays), False)
