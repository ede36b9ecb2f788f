"""The chat page's layout: the same on every tablet, with the last reply in sight and cues that can be read.

Oracles: the boxes, fonts and pixels that Chromium tells; the statuses that the server answers.
"""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from study.store.raters import link_secret
from tests.conftest import eventually
from tests.fixtures_chat import ChatSite, chat_site
from tests.test_survey_app_chat import said, wait_for_reply, write
from tests.test_survey_app_layout import boxes, contrast, cut_parts, open_page

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Page

    from study.entities import Rater

pytestmark = pytest.mark.browser

Open = Callable[..., "RaterPage"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    with chat_site(tmp_path_factory.mktemp("chat-layout"), raters=8) as made:
        yield made


def drawn_anew(page: Page) -> None:
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def resize(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("([w, h]) => innerWidth === w && innerHeight === h", arg=[width, height])
    drawn_anew(page)


def talk(page: Page, messages: int) -> None:
    page.locator("#chat-send:enabled").wait_for()
    for number in range(1, messages + 1):
        write(page, f"Message {number}. " + "I lie awake at night and I worry. " * 5)
        wait_for_reply(page, 2 * number)


def test_the_letters_are_the_other_pages_and_not_each_tablets_own(
    site: ChatSite, open_tablet: Open
) -> None:
    page = open_tablet(site.server.link(site.new_talker())).page
    page.locator("#chat-send:enabled").wait_for()
    tools = page.context.new_cdp_session(page)
    tools.send("DOM.enable")
    tools.send("CSS.enable")
    root = tools.send("DOM.getDocument")["root"]["nodeId"]
    page.evaluate("document.fonts.ready.then(() => true)")
    for part in ("#chat-title", "#chat-topic p", ".chat-opening", "#chat-send"):
        node = tools.send("DOM.querySelector", {"nodeId": root, "selector": part})["nodeId"]
        used = tools.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        assert [
            (font["isCustomFont"], font["familyName"].replace(" ", "")[:10]) for font in used
        ] == [(True, "SourceSans")], part


def test_the_opening_sentence_is_whole_or_not_in_sight_at_all(
    site: ChatSite, open_tablet: Open
) -> None:
    page = open_tablet(site.server.link(site.new_talker()), 360, 740).page
    page.locator("#chat-send:enabled").wait_for()
    for height in (740, 680, 620, 570, 540, 420):
        resize(page, 360, height)
        (opening,), (log,), (send,) = (
            boxes(page, part) for part in (".chat-opening", "#chat-log", "#chat-send")
        )
        assert send["y"] + send["height"] <= height
        if opening["height"] > 1:
            assert log["y"] <= opening["y"], height
            assert opening["y"] + opening["height"] <= log["y"] + log["height"], height
        else:
            assert height <= 560


def test_the_last_reply_stays_in_sight_when_the_tablet_is_turned_or_its_keyboard_opens(
    site: ChatSite, open_tablet: Open
) -> None:
    page = open_tablet(site.server.link(site.new_talker()), 1024, 768).page
    talk(page, 2)
    fold = page.locator("#chat-topic[open]")
    expect(fold).to_have_count(1)
    for width, height in (
        (820, 1180),
        (1024, 768),
        (360, 740),
        (360, 420),
        (820, 600),
        (1024, 420),
    ):
        resize(page, width, height)
        (log,) = boxes(page, "#chat-log")
        last = page.locator(".chat-system .chat-bubble").last.bounding_box()
        assert last is not None
        assert last["y"] + last["height"] <= log["y"] + log["height"] + 1, (width, height)
        # Beside the conversation they take no room from it; above it, they are folded by now.
        expect(fold).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_cues_messages_and_choices_readable(
    site: ChatSite, open_tablet: Open, scheme: str
) -> None:
    page = open_tablet(site.server.link(site.new_talker()), 360, 420).page
    page.emulate_media(forced_colors="active", color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.locator("#chat-send:enabled").wait_for()
    page.locator("#chat-topic[data-cut]").wait_for()
    ground, words = (
        page.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )
    cue = page.locator("#chat-topic").evaluate(
        "e => { const s = getComputedStyle(e, '::after'); return [s.backgroundColor, s.color]; }"
    )
    # The cue has a ground of its own: the line below it does not run through it.
    assert cue == [ground, words]
    write(page, "I cannot sleep.")
    wait_for_reply(page, 2)
    resize(page, 820, 1180)
    for part in (
        ".chat-rater .chat-bubble",
        ".chat-system .chat-bubble",
        "#chat-send",
        "#chat-text",
    ):
        shot = page.locator(part).screenshot(animations="disabled")
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        across = [image.getpixel((x, image.height // 2)) for x in range(6)]
        assert max(contrast(pixel, across[-1]) for pixel in across) >= 3, part  # type: ignore[arg-type]


def test_a_finished_conversation_stays_in_sight_beside_its_questions(
    site: ChatSite, open_tablet: Open
) -> None:
    tablet = open_tablet(site.server.link(site.new_talker()), 1024, 768)
    talk(tablet.page, 3)
    tablet.button("End the conversation").tap()
    tablet.button("Go on to the questions").tap()
    page = open_page(tablet)
    for share in (0.0, 0.5, 1.0):
        page.locator("[data-testid=stMain]").evaluate(
            "(e, share) => { e.scrollTop = share * (e.scrollHeight - e.clientHeight); }", share
        )
        drawn_anew(page)
        (texts,), (questions,) = boxes(page, ".evenhand-texts"), boxes(page, ".st-key-questions")
        assert texts["y"] >= 0 and texts["y"] + texts["height"] <= 768, share
        assert texts["x"] + texts["width"] <= questions["x"]
        (part,) = cut_parts(page)
        assert part["below"] > 4 and "More below" in part["foot"]
    page.locator(".evenhand-texts").evaluate("e => { e.scrollTop = 1e6; }")
    drawn_anew(page)
    eventually(lambda: [part["foot"] for part in cut_parts(page)], ["none"])
    (last,) = boxes(page, ".evenhand-turn:last-of-type > div")
    assert last["y"] >= 0 and last["y"] + last["height"] <= 768


def post(site: ChatSite, rater: Rater, address: str, body: object, **headers: str) -> int:
    """The status that an address of the chat answers."""
    sent = {
        "Content-Type": "application/json",
        "Cookie": f"evenhand_rater={link_secret(site.study, rater)}",
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(  # noqa: S310
        f"{site.server.address}/chat/{address}", json.dumps(body).encode(), sent
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_no_other_sites_page_writes_stops_or_ends(site: ChatSite, open_tablet: Open) -> None:
    """Oracle: the statuses, and what the database holds."""
    rater = site.new_talker()
    open_tablet(site.server.link(rater)).page.locator("#chat-send:enabled").wait_for()
    (one, *_) = site.talks(rater)
    body = {"page": one.assignment_id, "text": "hello", "number": 1}
    for address in ("turn", "again", "stop", "end"):
        for foreign in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{site.server.port + 1}"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ):
            assert post(site, rater, address, body, **foreign) == 403, (address, foreign)
    assert said(site.talks(rater)[0]) == []
    assert post(site, rater, "turn", body, Origin=site.server.address) == 200
    assert said(site.talks(rater)[0])[0][1] == "hello"
