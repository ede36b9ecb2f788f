"""A panel participant's whole way in real Chromium: checks, practice, breaks, receipt, redirect.

The panel's own address is answered by the browser itself, so that the redirect is the real one, over
https, and nothing leaves this machine.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.blinding import receipt_code
from study.entities import RaterStatus
from study.store import panels
from study.store.audit import study_faults
from study.store.check_answers import read_check_answers
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, read_raters
from study.store.ratings import read_ratings
from study.store.study import create_study
from tests.conftest import RaterPage, SurveyServer, eventually, free_port, wait_until_settled
from tests.fixtures_session import session_protocol
from tests.fixtures_study import answer_everything
from tests.test_survey_app_accessibility import check, small_targets
from tests.test_survey_app_session import screen

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from study.entities import Rater

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def panel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    yield from _serve(tmp_path_factory.mktemp("panel"))


@pytest.fixture
def server_of_its_own(tmp_path: Path) -> Iterator[SurveyServer]:
    """For a test that takes every place."""
    yield from _serve(tmp_path)


def _serve(folder: Path) -> Iterator[SurveyServer]:
    study = create_study(folder / "study", session_protocol(folder))
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 4)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


def keep(tablet: RaterPage, name: str) -> None:
    """Keep a picture, light as the others; see ``screen``."""
    tablet.page.emulate_media(color_scheme="light")
    screen(tablet, name)


def rater_of(server: SurveyServer, participant: str) -> Rater:
    own = {p: identity for identity, p in panels.participants(server.study).items()}
    return next(r for r in read_raters(server.study) if r.id == own[participant])


def answer_panel(page: Page) -> list[str]:
    """Answer the panel's address in the browser; gives the list of addresses asked for."""
    asked: list[str] = []

    def fulfil(route) -> None:  # type: ignore[no-untyped-def]
        asked.append(route.request.url)
        route.fulfill(status=200, content_type="text/html", body="<h1>Panel</h1>")

    page.route("https://panel.example/**", fulfil)
    return asked


def choose(tablet: RaterPage, *labels: str) -> None:
    wait_until_settled(tablet.page)
    for label in labels:
        tablet.page.get_by_text(label, exact=True).tap()
    tablet.button("Continue").tap()


def rate(tablet: RaterPage, button: str, point: int = 3) -> None:
    tablet.page.get_by_role("radiogroup").nth(2).wait_for()
    wait_until_settled(tablet.page)
    for item in tablet.page.get_by_role("radiogroup").all():
        item.get_by_role("radio").nth(point - 1).tap()
    tablet.button(button).tap()


def heading(tablet: RaterPage, name: str | re.Pattern[str]) -> None:
    tablet.page.get_by_role("heading", name=name, level=1).wait_for()


def start(tablet: RaterPage) -> None:
    """From consent to the questions about the instructions."""
    tablet.button("I take part").tap()
    tablet.page.get_by_text("Woman", exact=True).wait_for()
    wait_until_settled(tablet.page)
    tablet.page.get_by_text("Woman", exact=True).tap()
    tablet.button("Save and continue").tap()
    tablet.page.get_by_role("heading", name="Practice 1 of 2").wait_for()
    rate(tablet, "Continue")
    tablet.page.get_by_role("heading", name="Practice 2 of 2").wait_for()
    rate(tablet, "Continue")
    heading(tablet, "Questions about the task")


def pass_comprehension(tablet: RaterPage) -> None:
    """The questions about the task, right at the second attempt."""
    check(tablet.page)
    eventually(lambda: small_targets(tablet.page), [])
    keep(tablet, "13-comprehension")
    choose(tablet, "The response", "No I may not")
    tablet.page.get_by_text("Attempts left: 1").wait_for()
    check(tablet.page)
    keep(tablet, "14-comprehension-again")
    choose(tablet, "The response", "Yes I may")


def copy_receipt_and_go_back(tablet: RaterPage, receipt: str) -> None:
    """The receipt as it stands on the last page, and the link to the panel."""
    shown = tablet.page.locator(".evenhand-receipt")
    expect(shown).to_have_text(receipt)
    large = "e => parseFloat(getComputedStyle(e).fontSize) >= 28"
    eventually(lambda: shown.evaluate(large), True)
    check(tablet.page)
    eventually(lambda: small_targets(tablet.page), [])
    tablet.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tablet.button("Copy the code").tap()
    tablet.button("Copied").wait_for()
    read = "navigator.clipboard.readText()"
    eventually(lambda: tablet.page.evaluate(read).strip(), receipt)
    keep(tablet, "17-receipt")
    way_back = tablet.page.get_by_role("link", name="Go back to the panel")
    box = way_back.bounding_box()
    assert box is not None and box["height"] >= 48
    assert "panel.example" not in tablet.page.content()
    way_back.tap()
    tablet.page.get_by_role("heading", name="Panel").wait_for()


def test_a_panel_participants_whole_way(
    panel_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    server = panel_server
    address = f"{server.address}/panel?PROLIFIC_PID=5f1a5f1a&STUDY_ID=x&SESSION_ID=y"
    tablet = open_tablet(address)
    asked = answer_panel(tablet.page)
    tablet.button("I take part").wait_for()
    expect(tablet.page).not_to_have_url(re.compile("5f1a5f1a"))
    start(tablet)
    pass_comprehension(tablet)
    heading(tablet, "Response 1 of 4")
    rate(tablet, "Save and continue")
    heading(tablet, "One question in between")
    check(tablet.page)
    eventually(lambda: small_targets(tablet.page), [])
    keep(tablet, "15-attention")
    tablet.page.get_by_role("radio").nth(1).tap()
    tablet.button("Save and continue").tap()
    heading(tablet, "Response 2 of 4")
    rate(tablet, "Save and continue", 5)
    heading(tablet, "A short rest")
    tablet.page.get_by_text("You can go on in").wait_for()
    # The common address gives the same place again, in the middle of a break, on another device.
    second = open_tablet(address, 360, 740)
    heading(second, "A short rest")
    tablet.button("Go on").wait_for()
    check(tablet.page)
    keep(tablet, "16-break")
    tablet.button("Go on").tap()
    heading(tablet, "Response 3 of 4")
    tablet.page.get_by_text("Saved: 2 of 4").wait_for()
    rate(tablet, "Save and continue")
    heading(tablet, "One question in between")
    tablet.page.get_by_role("radio").nth(3).tap()
    tablet.button("Save and continue").tap()
    heading(tablet, "Response 4 of 4")
    rate(tablet, "Save and continue")
    heading(tablet, "Thanks")

    rater = rater_of(server, "5f1a5f1a")
    receipt = receipt_code(server.study.key, rater.id)
    copy_receipt_and_go_back(tablet, receipt)
    assert asked == [f"https://panel.example/complete?cc=C1ABCDEF&who=5f1a5f1a&receipt={receipt}"]

    assert find_by_code(server.study, rater.code).status is RaterStatus.FINISHED
    assert sorted(r.answer.number or 0 for r in read_ratings(server.study)) == [3] * 9 + [5] * 3
    own = [a for a in read_check_answers(server.study) if a.rater_id == rater.id]
    assert [a.passed for a in own].count(False) == 1 and len(own) == 6
    assert study_faults(server.study) == []


def test_two_wrong_attempts_lead_to_a_proper_ending(
    panel_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    tablet = open_tablet(f"{panel_server.address}/panel?PROLIFIC_PID=second")
    asked = answer_panel(tablet.page)
    start(tablet)
    # An open question is named, and the attempt is not spent.
    choose(tablet, "The response")
    tablet.page.get_by_text("Please choose one of the answers").last.wait_for()
    choose(tablet, "No I may not")
    tablet.page.get_by_text("Attempts left: 1").wait_for()
    tablet.page.reload()
    tablet.page.get_by_text("Attempts left: 1").wait_for()
    choose(tablet, "The person who wrote", "Yes I may")
    heading(tablet, "Thank you for your time")
    check(tablet.page)
    # on purpose: ``check`` waited until all is drawn
    if tablet.page.get_by_role("button").count():
        eventually(lambda: small_targets(tablet.page), [])
    keep(tablet, "18-screened-out")
    tablet.page.reload()
    heading(tablet, "Thank you for your time")
    expect(tablet.page.locator(".evenhand-receipt")).to_have_count(0)
    tablet.page.get_by_role("link", name="Go back to the panel").tap()
    tablet.page.get_by_role("heading", name="Panel").wait_for()
    assert asked == ["https://panel.example/complete?cc=SCREENED"]
    assert rater_of(panel_server, "second").screened_out_because == "comprehension"


def test_declining_sends_back_too_and_nobody_else_is_sent_anywhere(
    panel_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    tablet = open_tablet(f"{panel_server.address}/panel?PROLIFIC_PID=third")
    asked = answer_panel(tablet.page)
    tablet.button("I do not").wait_for()
    # Not at an end yet: the same address leads back to the page, whatever it is asked for.
    tablet.page.goto(f"{panel_server.address}/leave?to=https://evil.example&next=//evil.example")
    tablet.button("I do not").tap()
    tablet.button("Yes, I do not take part").tap()
    tablet.page.get_by_role("link", name="Go back to the panel").tap()
    tablet.page.get_by_role("heading", name="Panel").wait_for()
    assert asked == ["https://panel.example/complete?cc=NOCONSENT"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/panel", 400, "lacks the participant number"),
        ("/panel?PROLIFIC_PID=", 400, "lacks the participant number"),
        ("/panel?PROLIFIC_PID=%3Cscript%3E", 400, "lacks the participant number"),
        ("/panel?PROLIFIC_PID=" + "x" * 65, 400, "lacks the participant number"),
        ("/leave", 404, "open the link that you received"),
    ],
)
def test_what_leads_nowhere_says_so(
    panel_server: SurveyServer, path: str, status: int, said: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(panel_server.address + path, timeout=10)  # noqa: S310
    with refused.value as answer:
        assert answer.code == status
        page = answer.read().decode()
    assert said in " ".join(page.split()) and "script>" not in page
    assert "no-store" in refused.value.headers["cache-control"]


def test_when_every_place_is_taken_nobody_is_recorded(server_of_its_own: SurveyServer) -> None:
    panel_server = server_of_its_own
    for number in range(6):
        try:
            address = f"{panel_server.address}/panel?PROLIFIC_PID=late{number}"
            urllib.request.urlopen(address, timeout=10).close()  # noqa: S310
        except urllib.error.HTTPError as refused:
            with refused:
                assert refused.code == 503
                assert "no free place" in " ".join(refused.read().decode().split())
            break
    else:
        raise AssertionError("places were handed out without end")
    assert len(panels.participants(panel_server.study)) == 4
    # The log names neither participants nor secrets.
    log = panel_server.log.read_text()
    assert "late0" not in log and "late1" not in log
