"""Chat pages under axe-core, in every size and scheme, from right to left, and for screen readers.

Oracle: axe-core's rules (WCAG 2 A and AA); 48 px for the side of a target, by issue and design.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.store.raters import enrol
from tests.conftest import eventually, wait_until_still
from tests.fixtures_chat import ChatSite, chat_site
from tests.test_survey_app_accessibility import (
    SIZES,
    SMALLEST_TARGET,
    check,
    findings,
    scrolls_sideways,
)
from tests.test_survey_app_chat import SCREENS, wait_for_reply, write

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    with chat_site(tmp_path_factory.mktemp("accessible"), raters=6) as made:
        yield made


def small_targets(page: Page) -> list[list[object]]:
    found: list[list[object]] = page.evaluate(
        "[...document.querySelectorAll('button, summary, textarea')]"
        ".filter(e => e.checkVisibility())"
        ".map(e => { const b = e.getBoundingClientRect();"
        " return [e.id || e.textContent, b.width, b.height]; })"
    )
    assert len(found) >= 4
    return [box for box in found if min(float(str(side)) for side in box[1:]) < SMALLEST_TARGET]


def clean(page: Page) -> None:
    """No finding in any size and scheme, large targets, nothing to scroll sideways."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wait_until_still(page)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert findings(page) == [], (width, scheme)
        eventually(lambda: small_targets(page), [])
        eventually(lambda: scrolls_sideways(page), False)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")


def test_every_state_of_the_chat_page(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    go = threading.Event()
    backend = site.backend_of(rater)
    backend.hold = go
    tablet = open_tablet(site.server.link(rater))
    page = tablet.page
    page.get_by_text("12 messages left").wait_for()
    clean(page)
    write(page, "I cannot sleep before my exams.")
    page.locator("#chat-typing").wait_for()
    clean(page)
    go.set()
    wait_for_reply(page, 2)
    page.get_by_role("button", name="Send").tap()
    page.get_by_text("Please write a message first").wait_for()
    page.get_by_role("button", name="End the conversation").tap()
    clean(page)
    # 200 % zoom of an 820 px tablet is 410 CSS px, 400 % of 1280 px is 320 px.
    for width in (410, 320):
        page.set_viewport_size({"width": width, "height": 640})
        eventually(lambda: scrolls_sideways(page), False)
        expect(page.get_by_role("button", name="Go on to the questions")).to_be_visible()
    page.get_by_role("button", name="Go on to the questions").tap()
    page.get_by_role("radiogroup").nth(5).wait_for()
    page.set_viewport_size({"width": 820, "height": 1180})
    check(page)


def test_one_simulated_rater_marks_everybodys_chat_within_a_landmark(
    tmp_path: Path, open_tablet: Callable[..., RaterPage]
) -> None:
    with chat_site(tmp_path, raters=1) as site:
        enrol(site.study, "adult", 1, simulated=True)
        page = open_tablet(site.server.link(site.new_talker())).page
        page.get_by_text("12 messages left").wait_for()
        banner = page.get_by_role("banner").get_by_text("Simulated data - not a real study")
        expect(banner).to_be_visible()
        clean(page)


def test_a_screen_reader_is_told_a_whole_reply_and_not_each_word(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    page = open_tablet(site.server.link(site.new_talker())).page
    page.get_by_text("12 messages left").wait_for()
    spoken = page.locator("#chat-spoken")
    expect(spoken).to_have_attribute("aria-live", "polite")
    page.evaluate(
        "window.said = []; new MutationObserver(() => said.push("
        "document.getElementById('chat-spoken').textContent))"
        ".observe(document.getElementById('chat-spoken'), {childList: true, characterData: true})"
    )
    write(page, "hello")
    wait_for_reply(page, 2)
    page.wait_for_function("said.length >= 2")
    told = page.evaluate("said")
    assert told[0] == "Your message is sent."
    assert len(told) == 2 and told[1].endswith("x29") and told[1].startswith("Partner ")
    # Nothing else on the page is live but short notices.
    live = page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    ids = "all => all.map(one => one.id || one.className).sort()"
    eventually(
        lambda: sorted(set(live.evaluate_all(ids))),
        ["chat-notice", "chat-spoken", "evenhand-offline"],
    )
    for name in ("Your message", "Conversation"):
        expect(page.get_by_label(name).first).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.slow
def test_the_chat_page_in_arabic(
    tmp_path: object,
    tmp_path_factory: pytest.TempPathFactory,
    open_tablet: Callable[..., RaterPage],
) -> None:
    with chat_site(tmp_path_factory.mktemp("arabic"), raters=1, language="ar") as arabic:
        page = open_tablet(arabic.server.link(arabic.new_talker())).page
        page.get_by_label("رسالتك").fill("لا أستطيع النوم قبل الامتحانات.")
        page.get_by_role("button", name="إرسال").tap()
        page.locator(".chat-system[data-number='2']").wait_for()
        page.get_by_role("button", name="إرسال").wait_for()
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        # The rater's own messages stand on the left, which is the end of the line here.
        mine = page.locator(".chat-rater .chat-bubble").bounding_box()
        reply = page.locator(".chat-system .chat-bubble").bounding_box()
        assert mine is not None and reply is not None
        assert mine["x"] < reply["x"] + reply["width"] / 2
        assert mine["x"] < 820 - (reply["x"] + reply["width"]) + 40
        clean(page)
        if os.environ.get("EVENHAND_SCREENS") == "1":
            page.set_viewport_size({"width": 820, "height": 1180})
            wait_until_still(page)
            page.screenshot(path=SCREENS / "46-chat-arabic-820x1180.png")
