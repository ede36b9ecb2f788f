"""Sessions at the survey's pages, in real Chromium against a real server process.

Oracle of each: what the database holds afterwards, read through ``study.store``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from study.entities import Rater, RaterStatus
from study.store.raters import find_by_code, withdraw
from study.store.ratings import rating_faults, read_assignments, read_ratings
from tests.conftest import RaterPage, SurveyServer, wait_until_settled, wait_until_still
from tests.fixtures_chat import Line

pytestmark = pytest.mark.browser

SCREENS = Path(__file__).parents[1] / "docs" / "screens"
SIZES = ((820, 1180), (1024, 768), (360, 740))


def screen(tablet: RaterPage, name: str) -> None:
    """With EVENHAND_SCREENS=1, keep the page as a picture in ``docs/screens``, in every size."""
    if os.environ.get("EVENHAND_SCREENS") != "1":
        return
    SCREENS.mkdir(parents=True, exist_ok=True)
    before = tablet.page.viewport_size
    for width, height in SIZES:
        tablet.page.set_viewport_size({"width": width, "height": height})
        for mark in tablet.page.locator(".evenhand-open:visible").all()[-1:]:
            mark.scroll_into_view_if_needed()
        wait_until_still(tablet.page)
        tablet.page.screenshot(path=SCREENS / f"{name}-{width}x{height}.png")
    assert before is not None
    tablet.page.set_viewport_size(before)


def saved_answers(server: SurveyServer, rater: Rater) -> dict[int, list[int | None]]:
    """Position -> the saved points, in the items' order."""
    order = [item.id for item in server.study.protocol.items]
    own = {a.id: a.position for a in read_assignments(server.study) if a.rater_id == rater.id}
    found: dict[int, dict[str, int | None]] = {}
    for rating in read_ratings(server.study):
        if rating.assignment_id in own:
            answers = found.setdefault(own[rating.assignment_id], {})
            assert rating.item_id not in answers
            answers[rating.item_id] = rating.answer.number
    return {p: [answers[item] for item in order] for p, answers in sorted(found.items())}


def points(position: int) -> list[int]:
    """Answers that differ from response to response and from item to item."""
    return [1 + (position * 3 + item * 2) % 5 for item in range(8)]


@pytest.fixture(scope="module")
def _own_server(start_server: Callable[..., SurveyServer]) -> SurveyServer:
    return start_server(raters=3)


@pytest.fixture
def mortal_server(_own_server: SurveyServer) -> SurveyServer:
    """A running server that a test may stop."""
    if not _own_server.running:
        _own_server.start()
    return _own_server


def test_a_rater_finishes_by_touch_with_a_reload_in_the_middle(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    # Oracle: the answers that were tapped, each in the database once.
    rater = survey_server.new_rater()
    tablet = open_tablet(survey_server.link(rater))
    tablet.button("I have read this").wait_for()
    expect(tablet.page).not_to_have_url(
        re.compile(re.escape(survey_server.link(rater).rsplit("/", 1)[1]))
    )
    screen(tablet, "1-consent")
    tablet.consent()
    tablet.page.get_by_text("Woman", exact=True).wait_for()
    screen(tablet, "2-about-you")
    tablet.tell_about_self()
    tablet.items()
    screen(tablet, "3-practice")
    tablet.practise()
    for position in range(1, 7):
        tablet.wait_for_response(position)
        if position == 3:
            # Five answers are a draft when the page is reloaded: they come back.
            tablet.answer(points(position)[:5])
            screen(tablet, "4-rating")
            tablet.page.reload()
            tablet.wait_for_response(3)
            tablet.wait_for_saved(2)
            checked = tablet.page.locator("[role=radio][aria-checked=true]")
            expect(checked).to_have_count(5)
        tablet.answer(points(position))
        tablet.save()
        if position < 6:
            tablet.wait_for_saved(position)
            # The next page starts at its top and is announced: its heading has the focus.
            expect(tablet.page.locator("h1:focus")).to_have_count(1)
            top = "document.querySelector('[data-testid=stMain]').scrollTop === 0"
            tablet.page.wait_for_function(top)
    tablet.page.get_by_role("heading", name="Thank you").wait_for()
    screen(tablet, "5-finished")

    assert saved_answers(survey_server, rater) == {p: points(p) for p in range(1, 7)}
    finished = find_by_code(survey_server.study, rater.code)
    assert finished.status is RaterStatus.FINISHED
    assert finished.demographics == {"gender": "woman", "experience": "never"}
    assert rating_faults(survey_server.study) == []

    # A finished link shows the thanks again, on any device.
    other = open_tablet(survey_server.link(rater), 1024, 768)
    other.page.get_by_role("heading", name="Thank you").wait_for()
    expect(other.page.locator("body")).to_contain_text(rater.code)


def test_the_same_link_goes_on_on_another_device(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    first = open_tablet(survey_server.link(rater))
    first.answer([2] * 8)
    first.save()
    first.wait_for_saved(1)
    second = open_tablet(survey_server.link(rater), 360, 740)
    second.wait_for_response(2)
    second.answer([4] * 8)
    second.save()
    second.wait_for_saved(2)
    assert saved_answers(survey_server, rater) == {1: [2] * 8, 2: [4] * 8}


def test_a_session_by_keyboard_alone(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater()
    page = open_tablet(survey_server.link(rater), 1024, 768).page
    keys = page.keyboard

    def tab_to(script: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            if page.evaluate(f"(() => {{ const e = document.activeElement; return {script}; }})()"):
                return
        raise AssertionError(f"Tab never reached {script}")

    page.get_by_role("button", name="I have read this").wait_for()
    wait_until_settled(page)
    tab_to("e.tagName === 'BUTTON' && e.textContent.includes('I have read this')")
    keys.press("Enter")
    page.get_by_role("radiogroup").nth(1).wait_for()
    wait_until_settled(page)
    for _ in range(2):
        tab_to("e.type === 'radio'")
        keys.press("Space")
    tab_to("e.tagName === 'BUTTON' && e.textContent.includes('Save and continue')")
    keys.press("Enter")
    for heading in ["What you will do", *(f"Response {n} of 6" for n in range(1, 7))]:
        page.get_by_role("heading", name=heading).wait_for()
        page.get_by_role("radiogroup").nth(7).wait_for()
        wait_until_settled(page)
        for _ in range(8):
            # Tab goes from item to item, the arrows move inside one, the space bar chooses.
            tab_to("e.getAttribute('role') === 'radio'")
            keys.press("ArrowRight")
            keys.press("Space")
        tab_to("e.closest('[data-testid=stFormSubmitButton]') !== null")
        keys.press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()
    assert saved_answers(survey_server, rater) == {p: [2] * 8 for p in range(1, 7)}


def test_declining_is_a_proper_ending(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater()
    tablet = open_tablet(survey_server.link(rater))
    # A tap by mistake ends nothing: not the way back, not a reload.
    for leave in (tablet.button("No, back to the information").tap, tablet.page.reload):
        tablet.button("I do not take part").tap()
        tablet.page.get_by_role("heading", name="Do you really not want to take part?").wait_for()
        wait_until_settled(tablet.page)
        expect(tablet.button("I have read this")).to_have_count(0)
        assert find_by_code(survey_server.study, rater.code).status is RaterStatus.ENROLLED
        leave()
        tablet.button("I have read this and I take part").wait_for()
    tablet.button("I do not take part").tap()
    screen(tablet, "6-decline")
    tablet.button("Yes, I do not take part").tap()
    tablet.page.get_by_role("heading", name="You are not taking part").wait_for()
    tablet.page.get_by_text("Thank you for considering it").wait_for()
    screen(tablet, "6-declined")
    tablet.page.reload()
    tablet.page.get_by_text("Thank you for considering it").wait_for()
    declined = find_by_code(survey_server.study, rater.code)
    assert declined.status is RaterStatus.DECLINED
    assert (declined.demographics, saved_answers(survey_server, rater)) == ({}, {})


def test_open_questions_are_named_and_nothing_is_saved(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    tablet.answer([5] * 6)
    tablet.save()
    tablet.page.get_by_text("Please answer every question. Still open: 2").wait_for()
    marks = tablet.page.locator(".evenhand-open:visible")
    expect(marks).to_have_count(2)
    screen(tablet, "7-open-questions")
    tablet.answer([5] * 8)
    expect(marks).to_have_count(0)
    assert saved_answers(survey_server, rater) == {}
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(survey_server, rater) == {1: [5] * 8}


def test_a_second_tab_keeps_the_answers_that_were_saved_first(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    first = open_tablet(survey_server.link(rater))
    first.wait_for_response(1)
    second = first.new_tab(survey_server.address)
    second.answer([1] * 8)
    first.page.bring_to_front()
    first.answer([5] * 8)
    first.save()
    first.wait_for_saved(1)
    second.page.bring_to_front()
    second.save()
    second.page.get_by_text("That page had been answered before").wait_for()
    second.wait_for_response(2)
    screen(second, "8-second-tab")
    assert saved_answers(survey_server, rater) == {1: [5] * 8}


def test_double_taps_write_one_answer_and_none_for_the_next_response(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    for position in range(1, 4):
        tablet.wait_for_response(position)
        tablet.answer([position] * 8)
        # Two clicks in one turn of the page's event loop: faster than any finger.
        tablet.button("Save and continue").evaluate("b => { b.click(); b.click(); }")
        tablet.wait_for_saved(position)
    expected = {position: [position] * 8 for position in range(1, 4)}
    assert saved_answers(survey_server, rater) == expected


def test_unknown_and_withdrawn_links_get_a_calm_sentence(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    tablet.answer([3] * 8)
    withdraw(survey_server.study, rater.code)
    tablet.save()
    tablet.page.get_by_role("heading", name="This link does not work").wait_for()
    assert saved_answers(survey_server, rater) == {}
    for link in (survey_server.link(rater), f"{survey_server.address}/j/" + "x" * 27):
        answer = tablet.page.goto(link)
        assert answer is not None and answer.status == 404
        tablet.page.get_by_role("heading", name="This link does not work").wait_for()
    screen(tablet, "9-unknown-link")
    # Without any link, the address itself asks for one.
    bare = open_tablet(survey_server.address)
    bare.page.get_by_role("heading", name="Please open your own link").wait_for()


def test_kill_minus_nine_right_after_saved_loses_nothing_and_the_page_goes_on(
    mortal_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    server = mortal_server
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    tablet.answer(points(1))
    tablet.save()
    tablet.wait_for_saved(1)
    server.stop(signal.SIGKILL)
    # Oracle: the file itself, opened without the product's code.
    with contextlib.closing(sqlite3.connect(server.study.folder / "study.db")) as database:
        count = "SELECT COUNT(*), COUNT(DISTINCT item_id) FROM rating JOIN assignment a"
        stored = database.execute(
            f"{count} ON a.id = assignment_id WHERE rater_id = ?", (rater.id,)
        ).fetchone()
    assert stored == (8, 8)
    assert saved_answers(server, rater) == {1: points(1)}

    tablet.page.locator(".evenhand-offline", has_text="No connection").wait_for()
    screen(tablet, "10-no-connection")
    server.start()
    tablet.page.locator(".evenhand-offline:empty").wait_for(state="attached")
    # The kill may have come between the heading and the questions of the second response.
    tablet.page.locator("[role=radio][aria-checked=true]").first.wait_for(state="detached")
    # The first tap after the restart, without a reload: the new server has not drawn this page.
    tablet.answer(points(2))
    tablet.save()
    tablet.wait_for_saved(2)
    assert saved_answers(server, rater) == {1: points(1), 2: points(2)}


def test_answers_given_before_a_cut_are_saved_by_the_first_tap_after_it(
    mortal_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    server = mortal_server
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    tablet.answer(points(4))
    server.stop(signal.SIGKILL)
    tablet.page.locator(".evenhand-offline", has_text="No connection").wait_for()
    server.start()
    tablet.page.locator(".evenhand-offline:empty").wait_for(state="attached")
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(server, rater) == {1: points(4)}


@pytest.mark.slow
def test_a_network_cut_of_thirty_seconds_in_the_middle_of_a_page(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: what was tapped before the cut is chosen after it, and in the database once."""
    server = survey_server
    rater, line = server.new_rater(rating=True), Line(server.port)
    tablet = open_tablet(server.link(rater).replace(f":{server.port}/", f":{line.port}/"))
    given = points(2)
    tablet.wait_for_response(1)
    for item, point in zip(tablet.items()[:5], given, strict=False):
        chosen = item.get_by_role("radio").nth(point - 1)
        chosen.tap()
        expect(chosen).to_have_attribute("aria-checked", "true")
    line.cut()
    tablet.page.locator(".evenhand-offline", has_text="No connection").wait_for()
    tablet.page.wait_for_timeout(30_000)  # on purpose: the length of the cut
    line.mend()
    tablet.page.locator(".evenhand-offline:empty").wait_for(state="attached")
    items = tablet.items()
    for item, point in zip(items[:5], given, strict=False):
        chosen = item.get_by_role("radio").nth(point - 1)
        expect(chosen).to_have_attribute("aria-checked", "true")
    for item, point in zip(items[5:], given[5:], strict=True):
        item.get_by_role("radio").nth(point - 1).tap()
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(server, rater) == {1: given}
    assert rating_faults(server.study) == []
    line.cut()


def test_ctrl_c_stops_the_server_quietly_while_a_page_is_open(
    mortal_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    server = mortal_server
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    tablet.wait_for_response(1)
    # It does not wait for the page, which stays open and would be there for ever.
    assert server.stop(signal.SIGINT) == 0
    tablet.page.locator(".evenhand-offline", has_text="No connection").wait_for()
    log = server.log.read_text()
    assert "Traceback" not in log
    assert server.link(rater).rsplit("/", 1)[1] not in log
    with pytest.raises(AssertionError, match="is already in use"):
        _start_on_a_taken_port(server)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stopped_server_leaves_a_database_file_that_holds_every_answer(
    start_server: Callable[..., SurveyServer],
    open_tablet: Callable[..., RaterPage],
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    # Oracle: SQLite's own reading of study.db alone, as a coordinator copies it to a stick.
    server = start_server(raters=1)
    rater = server.new_rater(rating=True)
    tablet = open_tablet(server.link(rater))
    tablet.wait_for_response(1)
    tablet.answer([4] * 8)
    tablet.save()
    tablet.wait_for_saved(1)
    assert (server.study.folder / "study.db-wal").stat().st_size > 0
    assert server.stop(how) == 0
    copy = tmp_path / "copy.db"
    copy.write_bytes((server.study.folder / "study.db").read_bytes())
    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*) FROM rating").fetchone() == (8,)
        last = "SELECT kind FROM event ORDER BY seq DESC LIMIT 1"
        assert database.execute(last).fetchone() == ("ratings_saved",)
    assert "Traceback" not in server.log.read_text()


def _start_on_a_taken_port(server: SurveyServer) -> None:
    import socket

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.port))
        other.listen()
        server.start()
