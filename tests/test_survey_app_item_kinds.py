"""Every kind of item in a real browser, by touch and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from study import participation
from study.entities import Rater
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, read_raters
from study.store.ratings import items_in_order, next_assignment, rating_faults, read_ratings
from study.store.study import create_study
from tests.conftest import RaterPage, SurveyServer, after_the_pages_timers, free_port
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything, as_given

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    folder = tmp_path_factory.mktemp("kinds")
    study = create_study(folder / "study", every_kind_protocol(folder))
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 4)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


def ready(server: SurveyServer) -> Rater:
    """A rater who is about to see the first response."""
    rater = [r for r in read_raters(server.study) if not r.simulated][server.taken]
    server.taken += 1
    participation.consent(server.study, rater)
    participation.save_demographics(server.study, rater, {"gender": "woman"})
    participation.finish_practice(server.study, rater)
    return find_by_code(server.study, rater.code)


def answered(server: SurveyServer) -> dict[str, object]:
    return {r.item_id: as_given(r.answer) for r in read_ratings(server.study)}


def tap_slider(tablet: RaterPage, name: str, share: float) -> None:
    slider = tablet.page.locator("[data-testid=stSlider]", has_text=name)
    slider.scroll_into_view_if_needed()
    thumb, box = slider.locator("input[type=range]"), slider.bounding_box()
    assert box is not None and thumb is not None
    track = slider.locator("[role=group]").bounding_box()
    assert track is not None
    x = track["x"] + min(max(track["width"] * share, 1), track["width"] - 1)
    tablet.page.touchscreen.tap(x, track["y"] + track["height"] - 8)


def test_every_kind_by_touch_with_a_reload_and_nothing_preset(
    server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: what was tapped is in the database; what was not touched was asked for by name."""
    rater = ready(server)
    tablet = open_tablet(server.link(rater))
    page = tablet.page
    page.get_by_role("radiogroup").nth(3).wait_for()
    page.locator("[data-testid=stSlider]").nth(2).wait_for()
    assignment = next_assignment(server.study, rater)
    assert assignment is not None
    order = [item.text for item in items_in_order(server.study, assignment.id)][6:]
    expect(page.locator("[data-testid=stSlider] [data-testid=stWidgetLabel]")).to_have_text(order)
    expect(page.locator(".evenhand-untouched")).to_have_count(3)

    tracks = page.locator("[data-testid=stSlider] [role=group] > div")
    for place in range(3):
        box = tracks.nth(place).bounding_box()
        assert box is not None and box["height"] >= 48 and box["width"] >= 200
    thumb = page.locator("[data-testid=stSlider] div:has(> div > input)").first
    expect(thumb).to_have_css("background-color", "rgba(0, 0, 0, 0)")

    page.get_by_role("button", name="Save and continue").tap()
    page.get_by_text("Still open: 8").wait_for()  # nine items, the remark is optional
    assert read_ratings(server.study) == []

    groups = {
        name: page.get_by_role("radiogroup", name=name) for name in ("How warm", "How muddled")
    }
    groups["How warm"].get_by_role("radio").last.tap()
    groups["How muddled"].get_by_role("radio").nth(1).tap()
    page.get_by_role("radiogroup", name="Its tone is").get_by_role("radio").last.tap()
    page.get_by_role("radiogroup", name="Is there medical").get_by_text("Not sure").tap()
    page.get_by_text("It advises").tap()
    page.get_by_role("textbox").fill("مرحبا, = <b>fine</b>\nsecond line")
    tap_slider(tablet, "feel heard", 0.0)
    tap_slider(tablet, "feel safe", 0.5)
    tap_slider(tablet, "feel free", 1.0)
    expect(page.locator(".evenhand-untouched")).to_have_count(0)
    expect(page.locator(".evenhand-open:visible")).to_have_count(0)
    # A reload keeps the draft, free text and sliders included.
    expect(page.get_by_label("It advises")).to_be_checked()
    page.reload()
    page.locator("[data-testid=stSlider]").nth(2).wait_for()
    expect(page.locator(".evenhand-untouched")).to_have_count(0)
    page.get_by_role("button", name="Save and continue").tap()
    page.get_by_text("Saved: 1 of 4").wait_for()
    found = answered(server)
    assert 45 <= int(str(found.pop("felt-safe"))) <= 55
    assert found == {
        "warm": "not applicable",
        "muddled": 2,
        "tone": 7,
        "advice": 2,
        "kind-of-help": 2,
        "remark": "مرحبا, = <b>fine</b>\nsecond line",
        "felt-heard": 0,
        "felt-free": 100,
    }
    assert rating_faults(server.study) == []
    expect(page.locator(".evenhand-untouched")).to_have_count(3)


def test_a_slider_by_keyboard_never_falls_back_to_untouched(
    server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: the slider's own value; Home is the scale's lowest value, not the place below it."""
    tablet = open_tablet(server.link(ready(server)))
    page = tablet.page
    slider = page.locator("[data-testid=stSlider]").first
    place = slider.locator("input[type=range]")
    place.focus()
    keys = ("ArrowRight", "End", "Home", "ArrowLeft", "ArrowRight")
    for key, value in zip(keys, ("0", "100", "0", "0", "1"), strict=True):
        page.keyboard.press(key)
        # The script of the page looks at the place 50 ms after the key.
        after_the_pages_timers(page, 50)
        expect(place).to_have_value(value)
    expect(slider).not_to_have_class(re.compile("evenhand-untouched"))
