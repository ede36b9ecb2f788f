"""Every page under axe-core, and the measured size of every target.

Oracle: axe-core's rules (WCAG 2 A and AA); 48 px for the side of a target, by issue and design.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.conftest import eventually, wait_until_still

if TYPE_CHECKING:
    from conftest import RaterPage, SurveyServer
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SCREENS = Path(__file__).parents[1] / "docs" / "screens"
SIZES = ((820, 1180), (1024, 768), (360, 740))
SMALLEST_TARGET = 48
GROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}


def findings(page: Page) -> list[tuple[str, str, str]]:
    """(rule, impact, element) for each finding of any impact on the page as it is."""
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(axe + "; null")
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe-core checked nothing"
    return [
        (violation["id"], violation["impact"], node["html"][:200])
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def small_targets(page: Page) -> list[tuple[str, float, float]]:
    """(name, width, height) of the targets below the smallest size, in CSS pixels."""
    boxes = page.evaluate(
        "[...document.querySelectorAll('[role=radio], [data-testid=stRadioOption], button')]"
        ".filter(e => e.offsetParent !== null)"
        ".map(e => { const b = e.getBoundingClientRect();"
        " return [e.textContent, b.width, b.height]; })"
    )
    assert boxes
    return [box for box in boxes if min(box[1:]) < SMALLEST_TARGET]


def scrolls_sideways(page: Page) -> bool:
    width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    inner = "[...document.querySelectorAll('[data-testid=stMain]')].some(e => e.scrollWidth > e.clientWidth)"
    return bool(page.evaluate(f"{width} || {inner}"))


def check(page: Page) -> None:
    # Fades and the first drawing of lazy widgets would be measured half-way.
    wait_until_still(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # Streamlit's colours come by its script, later than those of our style.
        page.wait_for_function(
            "ground => [...document.querySelectorAll('[data-testid=stApp]')]"
            ".every(e => getComputedStyle(e).backgroundColor === ground)",
            arg=GROUND[scheme],
        )
        wait_until_still(page)
        assert findings(page) == [], scheme
    eventually(lambda: scrolls_sideways(page), False)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_page_of_a_rater(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage], size: tuple[int, int]
) -> None:
    tablet = open_tablet(survey_server.link(survey_server.new_rater()), *size)
    page = tablet.page
    tablet.button("I have read this").wait_for()
    check(page)
    eventually(lambda: small_targets(page), [])
    tablet.consent()
    page.get_by_text("Never", exact=True).wait_for()
    check(page)
    eventually(lambda: small_targets(page), [])
    tablet.tell_about_self()
    tablet.items()
    check(page)
    tablet.practise()
    tablet.answer([1, 2, 3, 4, 5])
    tablet.save()
    page.get_by_text("Still open: 3").wait_for()
    check(page)
    eventually(lambda: small_targets(page), [])
    # The five targets of an item are equally wide and fill the page's width.
    widths = [
        b["width"] for r in tablet.items()[0].get_by_role("radio").all() if (b := r.bounding_box())
    ]
    assert len(widths) == 5 and max(widths) - min(widths) < 1
    for position in range(1, 7):
        tablet.answer([3] * 8)
        tablet.save()
        if position < 6:
            tablet.wait_for_response(position + 1)
    page.get_by_role("heading", name="Thank you").wait_for()
    check(page)


def test_items_and_answers_have_names_for_screen_readers(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    tablet = open_tablet(survey_server.link(survey_server.new_rater(rating=True)))
    page = tablet.page
    tablet.wait_for_response(1)
    for item in survey_server.study.protocol.items:
        group = page.get_by_role("radiogroup", name=item.text)
        points = survey_server.study.protocol.scale_of(item.id).points
        expect(group.get_by_role("radio")).to_have_text(
            [re.compile(rf"^\s*{p.value}\s*{re.escape(p.label)}\s*$") for p in points]
        )
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_page_at_double_size_does_not_scroll_sideways(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    # 200 % zoom of an 820 px tablet is a page of 410 CSS px; 400 % of 1280 px is 320 px.
    tablet = open_tablet(survey_server.link(survey_server.new_rater(rating=True)), 410, 590)
    tablet.wait_for_response(1)
    eventually(lambda: scrolls_sideways(tablet.page), False)
    tablet.page.set_viewport_size({"width": 320, "height": 640})
    eventually(lambda: scrolls_sideways(tablet.page), False)
    eventually(lambda: small_targets(tablet.page), [])


def test_the_other_pages(
    start_server: Callable[..., SurveyServer], open_tablet: Callable[..., RaterPage]
) -> None:
    server = start_server(raters=2, simulated=1)
    declining = open_tablet(server.link(server.new_rater()))
    declining.button("I do not take part").tap()
    declining.page.get_by_role("heading", name="Do you really not want").wait_for()
    check(declining.page)
    eventually(lambda: small_targets(declining.page), [])
    declining.button("Yes, I do not take part").tap()
    declining.page.get_by_text("Thank you for considering it").wait_for()
    check(declining.page)
    coordinator = open_tablet(server.coordinator_link(), 1024, 768)
    coordinator.page.get_by_role("heading", name="Who is where").wait_for()
    check(coordinator.page)
    if os.environ.get("EVENHAND_SCREENS") == "1":
        coordinator.page.emulate_media(color_scheme="light")
        wait_until_still(coordinator.page)
        coordinator.page.screenshot(path=SCREENS / "11-coordinator-1024x768.png")
    # One simulated rater marks every page of everybody.
    for tablet in (declining, coordinator, open_tablet(server.link(server.new_rater()))):
        tablet.page.get_by_text("Simulated data - not a real study").wait_for()
        check(tablet.page)
    unknown = open_tablet(f"{server.address}/j/unknown", 360, 740)
    check(unknown.page)
