"""An open question off the screen: view and focus go to it, and it is marked for eye and ear.

Oracle: what the browser says of focus, view and names; the database for the answers; axe-core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study import participation
from study.store.locking import lock_study
from study.store.raters import enrol, read_raters
from study.store.study import create_study
from tests.conftest import (
    SurveyServer,
    eventually,
    free_port,
    wait_until_served,
    wait_until_settled,
)
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything
from tests.test_survey_app_accessibility import SIZES, check, small_targets
from tests.test_survey_app_session import saved_answers

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser


def focused(page: Page) -> str:
    """The question that holds the focus, by its first line."""
    text: str = page.evaluate(
        "document.activeElement.closest('[data-evenhand-open]')?.innerText.split('\\n')[0] || ''"
    )
    return text


def in_view(part: Locator) -> bool:
    inside: bool = part.evaluate(
        "e => { const b = e.getBoundingClientRect(); return b.top >= 0 && b.top < innerHeight; }"
    )
    return inside


def wait_for_focus_on(page: Page, question: str) -> None:
    page.wait_for_function(
        "q => document.activeElement.closest('[data-evenhand-open]')?.innerText.startsWith(q)",
        arg=question,
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_view_and_focus_go_to_the_first_open_question(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage], size: tuple[int, int]
) -> None:
    rater = survey_server.new_rater(rating=True)
    tablet = open_tablet(survey_server.link(rater), *size)
    page = tablet.page
    items = tablet.items()
    for place, item in enumerate(items):
        if place not in (1, 5):
            item.get_by_role("radio").nth(3).tap()
    tablet.save()
    page.get_by_text("Still open: 2").wait_for()
    open_group = items[1]
    page.wait_for_function(
        "document.activeElement.closest('[data-evenhand-open] [role=radiogroup]') !== null"
    )
    holds = "e => e.contains(document.activeElement)"
    eventually(lambda: (open_group.evaluate(holds), in_view(open_group)), (True, True))
    # Going there chooses nothing, and what was chosen is still there.
    for place, item in enumerate(items):
        chosen = 0 if place in (1, 5) else 1
        expect(item.locator("[aria-checked=true]")).to_have_count(chosen)
    expect(open_group).to_have_attribute("aria-invalid", "true")
    expect(open_group).to_have_accessible_description("Please choose one of the answers.")
    expect(items[0]).not_to_have_attribute("aria-invalid", "true")
    # Not by colour alone: a sentence below the question and a bar beside it.
    question = page.locator("[data-evenhand-open]").first
    expect(question).to_have_css("border-inline-start-width", "5px")
    check(page)
    eventually(lambda: small_targets(page), [])

    wait_until_served(page)
    page.keyboard.press("Space")
    expect(open_group.locator("[aria-checked=true]")).to_have_count(1)
    expect(page.locator("[data-evenhand-open]")).to_have_count(1)
    expect(open_group).not_to_have_attribute("aria-invalid", "true")
    tablet.save()
    page.get_by_text("Still open: 1").wait_for()
    page.wait_for_function("g => g.contains(document.activeElement)", arg=items[5].element_handle())
    eventually(lambda: in_view(items[5]), True)
    items[5].get_by_role("radio").nth(3).tap()
    tablet.save()
    tablet.wait_for_saved(1)
    assert saved_answers(survey_server, rater) == {1: [4, 1, 4, 4, 4, 4, 4, 4]}
    tablet.wait_for_response(2)
    expect(page.locator("[data-evenhand-open], [aria-invalid]")).to_have_count(0)


def test_demographics_too(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    tablet = open_tablet(survey_server.link(survey_server.new_rater()), 360, 420)
    tablet.consent()
    tablet.page.get_by_text("Never", exact=True).tap()
    tablet.button("Save and continue").tap()
    wait_for_focus_on(tablet.page, "What is your gender?")
    eventually(lambda: in_view(tablet.page.get_by_role("radiogroup").first), True)
    check(tablet.page)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    folder = tmp_path_factory.mktemp("kinds")
    study = create_study(folder / "study", every_kind_protocol(folder))
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 2)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


def test_every_kind_of_item_in_turn(
    every_kind: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Each time the first open question is answered by keyboard, the next one is gone to."""
    study = every_kind.study
    rater = read_raters(study)[0]
    participation.consent(study, rater)
    participation.save_demographics(study, rater, {"gender": "woman"})
    participation.finish_practice(study, rater)
    tablet = open_tablet(every_kind.link(rater), 360, 740)
    page = tablet.page
    page.locator("[data-testid=stSlider]").nth(2).wait_for()
    gone_to = []
    for left in range(8, 0, -1):
        tablet.save()
        page.get_by_text(f"Still open: {left}").wait_for()
        wait_until_settled(page)
        page.wait_for_function(
            "n => document.querySelectorAll('[data-evenhand-open]').length === n"
            " && document.activeElement.closest('[data-evenhand-open]')",
            arg=left,
        )
        gone_to.append(focused(page))
        eventually(lambda: in_view(page.locator("[data-evenhand-open]").first), True)
        if left in (8, 3):
            check(page)
        slider = page.evaluate("document.activeElement.type === 'range'")
        wait_until_served(page)
        page.keyboard.press("ArrowRight" if slider else "Space")
        page.wait_for_function(
            "n => document.querySelectorAll('[data-evenhand-open]').length === n", arg=left - 1
        )
    assert gone_to[:5] == [
        "How warm is it?",
        "How muddled is it?",
        "Its tone is",
        "Is there medical advice?",
        "What does it mainly do?",
    ]
    assert sorted(gone_to[5:]) == [f"Would one feel {how}?" for how in ("free", "heard", "safe")]
    tablet.save()
    page.get_by_text("Saved: 1").wait_for()
