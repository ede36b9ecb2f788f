"""Going back to a rated response in real Chromium, with a reload in the middle.

Oracle: what the database holds afterwards, and the points that are checked on the page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from study import participation
from study.entities import MissingReason
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_token
from study.store.ratings import next_assignment, read_assignments, read_ratings
from study.store.study import create_study
from survey_app import identity
from survey_app.server.settings import STUDY_VARIABLE
from survey_app.server.study_in_force import close_study
from tests.conftest import eventually, wait_until_settled
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything, as_answers, ready_rater
from tests.test_survey_app_accessibility import check, small_targets
from tests.test_survey_app_session import saved_answers, screen

if TYPE_CHECKING:
    from conftest import RaterPage, SurveyServer

APP = Path(__file__).parents[1] / "survey_app"
BACK, CHANGE, NO_CHANGE = (
    "Back to the previous page",
    "Save the changes and go on",
    "Go on without a change",
)


def wait_until_chosen(tablet: RaterPage, points: list[int]) -> None:
    """Until these points are chosen on the page, item after item, and no others; 0 for none."""
    for item, point in zip(tablet.items(), points, strict=True):
        expect(item.locator("[aria-checked=true]")).to_have_count(1 if point else 0)
        if point:
            chosen = item.get_by_role("radio").nth(point - 1)
            expect(chosen).to_have_attribute("aria-checked", "true")


@pytest.mark.browser
def test_back_twice_a_reload_a_change_and_on(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    tablet.wait_for_response(1)
    wait_until_settled(tablet.page)
    expect(tablet.button(BACK)).to_have_count(0)
    for position in (1, 2, 3):
        tablet.answer([position] * 8)
        tablet.save()
        tablet.wait_for_response(position + 1)
    tablet.answer([5, 5, 5])
    tablet.button(BACK).tap()
    tablet.wait_for_response(3)
    wait_until_chosen(tablet, [3] * 8)
    tablet.page.get_by_text("Saved: 3 of 6").wait_for()
    expect(tablet.page.locator("h1:focus")).to_have_count(1)
    tablet.button(BACK).tap()
    tablet.wait_for_response(2)
    tablet.page.get_by_text("You have answered this page already").wait_for()
    tablet.answer([5, 4])
    tablet.page.reload()
    tablet.wait_for_response(2)
    wait_until_chosen(tablet, [5, 4, *[2] * 6])
    check(tablet.page)
    eventually(lambda: small_targets(tablet.page), [])
    tablet.page.emulate_media(color_scheme="light")
    screen(tablet, "19-going-back")
    # Two clicks in one turn of the page's event loop change nothing twice.
    tablet.button(CHANGE).evaluate("b => { b.click(); b.click(); }")
    tablet.wait_for_response(3)
    wait_until_chosen(tablet, [3] * 8)
    assert saved_answers(survey_server, rater)[2] == [5, 4, *[2] * 6]
    tablet.button(NO_CHANGE).tap()
    tablet.wait_for_response(4)
    tablet.wait_for_saved(3)
    for position in (4, 5, 6):
        tablet.answer([position - 3] * 8)
        tablet.save()
        if position < 6:
            tablet.wait_for_response(position + 1)
    tablet.page.get_by_role("heading", name="Thank you").wait_for()
    # An old address of a rated response shows the end to who has finished.
    tablet.page.goto(f"{survey_server.address}/?again=2")
    tablet.page.get_by_role("heading", name="Thank you").wait_for()
    assert saved_answers(survey_server, rater) == {
        1: [1] * 8, 2: [5, 4, *[2] * 6], 3: [3] * 8, 4: [1] * 8, 5: [2] * 8, 6: [3] * 8,
    }  # fmt: skip
    own = {a.id for a in read_assignments(survey_server.study) if a.rater_id == rater.id}
    revisions = [r.revision for r in read_ratings(survey_server.study) if r.assignment_id in own]
    assert sorted(revisions) == [1] * 46 + [2] * 2
    assert study_faults(survey_server.study) == []


@pytest.mark.browser
def test_a_draft_of_the_present_response_waits_while_the_rater_looks_back(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater))
    tablet.answer([1] * 8)
    tablet.save()
    tablet.wait_for_response(2)
    tablet.answer([5, 4, 3])
    tablet.button(BACK).tap()
    tablet.wait_for_response(1)
    tablet.button(NO_CHANGE).tap()
    tablet.wait_for_response(2)
    wait_until_chosen(tablet, [5, 4, 3, 0, 0, 0, 0, 0])
    assert saved_answers(survey_server, rater) == {1: [1] * 8}


def test_every_kind_of_item_opens_with_its_saved_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved again without a touch, nothing changes: each widget held exactly what was saved."""
    study = create_study(tmp_path / "study", every_kind_protocol(tmp_path))
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 1)
    enrolled = ready_rater(study)
    given = as_answers(
        {
            "warm": MissingReason.NOT_APPLICABLE,
            "muddled": 7,
            "tone": 1,
            "advice": 0,
            "kind-of-help": 2,
            "remark": "It is short.",
            "felt-heard": 0,
            "felt-safe": MissingReason.NOT_APPLICABLE,
            "felt-free": 100,
        }
    )
    assignment = next_assignment(study, enrolled.rater)
    assert assignment is not None
    participation.submit(study, enrolled.rater, assignment.id, given)
    monkeypatch.setenv(STUDY_VARIABLE, str(study.folder))
    monkeypatch.setattr(identity, "rater_token", lambda: enrolled.token)
    close_study()
    page = AppTest.from_file(str(APP / "main.py"), default_timeout=90)
    page.query_params["again"] = "1"
    page.run()
    assert sorted(slider.value for slider in page.slider) == [-1, 0, 100]
    assert page.text_area[0].value == "It is short."
    save = next(b for b in page.button if b.label == CHANGE)
    save.click().run()
    assert {r.revision for r in read_ratings(study)} == {1}
    assert len(read_ratings(study)) == 9
    # Saved, so the page went on to the response that is to be rated.
    assert CHANGE not in [b.label for b in page.button]
    page.query_params["again"] = "1"
    page.run()
    page.text_area[0].set_value("It is long.")
    next(b for b in page.button if b.label == CHANGE).click().run()
    kept = {r.item_id: (r.answer.text, r.revision) for r in read_ratings(study) if r.answer.text}
    assert kept == {"remark": ("It is long.", 2)}
    assert find_by_token(study, enrolled.token).status.value == "rating"
    assert study_faults(study) == []
    close_study()
    study.close()
