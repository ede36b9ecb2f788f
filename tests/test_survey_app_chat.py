"""Conversations on the pages, in real Chromium against real server processes.

Oracle of each: what the database holds afterwards, and what the systems were given.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from study.entities import Conversation, ConversationEnd, RaterStatus, TurnOutcome
from study.errors import ModelError
from study.store.audit import study_faults
from study.store.raters import find_by_code, withdraw
from study.store.ratings import read_ratings
from tests.conftest import eventually, wait_until_served, wait_until_still
from tests.fixtures_chat import ChatSite, Line, chat_site

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SCREENS = Path(__file__).parents[1] / "docs" / "screens"
SIZES = ((820, 1180), (1024, 768), (360, 740))
FINISHED = TurnOutcome.COMPLETE


def screen(page: Page, name: str) -> None:
    """With EVENHAND_SCREENS=1, keep the page as a picture in ``docs/screens``, in every size."""
    if os.environ.get("EVENHAND_SCREENS") != "1":
        return
    before = page.viewport_size
    assert before is not None
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wait_until_still(page)
        page.screenshot(path=SCREENS / f"{name}-{width}x{height}.png")
    page.set_viewport_size(before)


def write(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").tap()


def wait_for_reply(page: Page, number: int) -> None:
    """Until the rater may write again after turn ``number``, a reply."""
    page.locator(f".chat-system[data-number='{number}']").wait_for()
    page.get_by_role("button", name="Send").wait_for()


OWN = {
    1: (
        "I lie awake at night and worry about my exams. Nothing that I learn stays with me.",
        "Since the summer. I have told nobody about it so far.",
    ),
    2: ("I moved here in autumn and I still know nobody.", "Mostly in the evenings."),
}
REPLIES = (
    "That sounds exhausting, and lonely as well when it happens at night. Since when has it been so?",
    "Thank you for telling me. It can be a relief not to be alone with it.\n\nWhat would help **a "
    "little** this evening?",
)


def said(talk: Conversation) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in talk.turns]


def bubbles(page: Page) -> list[str]:
    # on purpose: whoever asks for them has waited for the last one
    return page.locator(".chat-bubble:visible").all_inner_texts()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    with chat_site(tmp_path_factory.mktemp("chat"), raters=16) as made:
        yield made


@pytest.fixture(scope="module")
def mortal_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    """Its server may be killed by a test, which starts it again."""
    with chat_site(tmp_path_factory.mktemp("mortal"), raters=4) as made:
        yield made


@pytest.fixture
def half_way(site: ChatSite) -> Iterator[Callable[[ChatSite], threading.Event]]:
    """Lets all systems stop in the middle of a reply until the event is set."""
    events: list[tuple[ChatSite, threading.Event]] = []

    def hold(of: ChatSite) -> threading.Event:
        go = threading.Event()
        events.append((of, go))
        for backend in of.backends.values():
            backend.hold = go
        return go

    yield hold
    for of, go in events:
        go.set()
        for backend in of.backends.values():
            backend.hold = None


def converse(page: Page, position: int, size: tuple[int, int]) -> None:
    """One conversation of two messages, with a reload before the second, up to its questions."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.get_by_role("heading", name=f"Conversation {position} of 2").wait_for()
    page.get_by_text("Every message is saved when you send it").wait_for()
    expect(page.get_by_text("talk to the coordinator")).to_be_visible()
    if position == 1:
        screen(page, "40-chat-start")
    write(page, OWN[position][0])
    if position == 1:
        page.locator("#chat-typing").wait_for()
        screen(page, "41-chat-typing")
    wait_for_reply(page, 2)
    # A draft survives a reload, and so does the size of the page.
    page.get_by_label("Your message").fill(OWN[position][1])
    expect(page.get_by_label("Your message")).to_have_value(OWN[position][1])
    page.set_viewport_size({"width": SIZES[1][0], "height": SIZES[1][1]})
    page.reload()
    page.locator(".chat-system[data-number='2']").wait_for()
    expect(page.get_by_label("Your message")).to_have_value(OWN[position][1])
    page.get_by_role("button", name="Send").tap()
    wait_for_reply(page, 4)
    expect(page.get_by_label("Your message")).to_have_value("")
    screen(page, "42-chat")
    page.get_by_role("button", name="End the conversation").tap()
    page.get_by_role("button", name="Go on to the questions").tap()
    page.get_by_role("radiogroup").nth(5).wait_for()
    expect(page.get_by_text(OWN[position][1])).to_be_visible()
    screen(page, "43-chat-questions")


def test_a_whole_session_by_touch_at_three_sizes(
    site: ChatSite, open_tablet: Callable[..., RaterPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in site.backends.values():
        monkeypatch.setattr(backend, "replies", REPLIES)
        # Replies go by how many were given, and other tests of this file may have come before.
        backend.given.clear()
    rater = site.server.new_rater()
    tablet = open_tablet(site.server.link(rater))
    page = tablet.page
    tablet.consent()
    tablet.tell_about_self()
    page.get_by_role("radiogroup").nth(5).wait_for()
    for item in page.get_by_role("radiogroup").all():
        item.get_by_role("radio").nth(2).tap()
    expect(page.get_by_text("stand for a whole conversation")).to_be_visible()
    tablet.button("Start rating").tap()
    for position, size in ((1, SIZES[0]), (2, SIZES[2])):
        converse(page, position, size)
        for item in page.get_by_role("radiogroup").all():
            item.get_by_role("radio").nth(3).tap()
        tablet.save()
    page.get_by_role("heading", name="Thank you").wait_for()
    page.get_by_text("All 2 conversations are rated and saved").wait_for()
    first, second = site.talks(rater)
    for position, talk in enumerate((first, second), start=1):
        assert [t.role for t in talk.turns] == ["rater", "system"] * 2
        mine = [t.text for t in talk.turns if t.role == "rater"]
        assert mine == list(OWN[position])
        assert [t.text for t in talk.turns if t.role == "system"] == list(REPLIES)
        # Whether a machine keeps the pace is its own affair; test_survey_app_chat_pacing has the clock.
        assert all(t.outcome is FINISHED for t in talk.turns)
        assert talk.ended_by is ConversationEnd.RATER
    # Each conversation is with another system, which saw its own messages only.
    given = [backend.given[-1] for backend in site.backends.values()]
    assert {messages[0]["content"] for messages in given} == {OWN[1][0], OWN[2][0]}
    assert [len(messages) for messages in given] == [3, 3]
    own = {talk.assignment_id for talk in (first, second)}
    values = [r.answer.number for r in read_ratings(site.study) if r.assignment_id in own]
    assert [value for value in values if value is not None] == [4] * 12
    assert find_by_code(site.study, rater.code).status is RaterStatus.FINISHED
    assert study_faults(site.study) == []


def test_double_taps_and_a_second_tab_keep_every_message_once(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    tablet = open_tablet(site.server.link(rater))
    page = tablet.page
    page.get_by_label("Your message").fill("only once")
    # Two clicks in one turn of the page's event loop: faster than any finger.
    page.get_by_role("button", name="Send").evaluate("b => { b.click(); b.click(); }")
    wait_for_reply(page, 2)
    other = tablet.new_tab(site.server.address).page
    other.locator(".chat-system[data-number='2']").wait_for()
    eventually(lambda: bubbles(other), bubbles(page))
    # Both write the next message; the one that came first counts, the other stays as a draft.
    page.get_by_label("Your message").fill("from the first window")
    other.get_by_label("Your message").fill("from the second window")
    for each in (page, other):
        # Wrapped: a function that an expression gives, Playwright would call at once.
        each.evaluate("() => { window.send = () => document.getElementById('chat-send').click(); }")
    page.evaluate("send()")
    page.locator(".chat-rater[data-number='3']").wait_for()
    other.locator(".chat-rater[data-number='3']").wait_for()
    wait_for_reply(other, 4)
    expect(other.get_by_label("Your message")).to_have_value("from the second window")
    other.evaluate("send()")
    wait_for_reply(other, 6)
    page.locator(".chat-system[data-number='6']").wait_for()
    talk = site.talks(rater)[0]
    mine = [turn.text for turn in talk.turns if turn.role == "rater"]
    assert mine == ["only once", "from the first window", "from the second window"]
    assert [turn.number for turn in talk.turns] == [1, 2, 3, 4, 5, 6]


def test_the_same_link_goes_on_with_the_conversation_on_another_device(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    first = open_tablet(site.server.link(rater)).page
    write(first, "begun on the tablet")
    wait_for_reply(first, 2)
    second = open_tablet(site.server.link(rater), 360, 740).page
    second.locator(".chat-system[data-number='2']").wait_for()
    write(second, "gone on with on the phone")
    wait_for_reply(second, 4)
    first.locator(".chat-system[data-number='4']").wait_for()
    eventually(lambda: bubbles(first), bubbles(second))
    # Ended there, the other page leaves the conversation, too.
    second.get_by_role("button", name="End the conversation").tap()
    second.get_by_role("button", name="Go on to the questions").tap()
    first.get_by_role("radiogroup").nth(5).wait_for()
    mine = [t.text for t in site.talks(rater)[0].turns if t.role == "rater"]
    assert mine == ["begun on the tablet", "gone on with on the phone"]


def test_two_windows_that_write_at_the_same_place_keep_the_first_and_the_draft(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    tablet = open_tablet(site.server.link(rater))
    page = tablet.page
    page.get_by_text("Every message is saved").wait_for()
    talk = site.talks(rater)[0].assignment_id
    script = """async ([page, text]) => (await fetch('/chat/turn', {method: 'POST',
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({page, number: 1, text})})).status"""
    for where, text, status in (
        (talk, "first", 200),
        (talk, "first", 200),
        (talk, "second", 409),
        ("0" * 24, "elsewhere", 409),
        (talk, "x" * 5000, 400),
    ):
        # on purpose: what the server answered, and not what the page shows
        assert page.evaluate(script, [where, text]) == status, text[:10]
    wait_for_reply(page, 2)
    assert said(site.talks(rater)[0])[0] == ("rater", "first")
    assert len(site.talks(rater)[0].turns) == 2


def test_a_reply_that_is_stopped_is_kept_as_far_as_it_was_shown(
    site: ChatSite,
    half_way: Callable[[ChatSite], threading.Event],
    open_tablet: Callable[..., RaterPage],
) -> None:
    rater = site.new_talker()
    page = open_tablet(site.server.link(rater)).page
    write(page, "please answer")
    reply = page.locator(".chat-system[data-number='2'] .chat-bubble")
    reply.wait_for()
    page.get_by_role("button", name="Stop the reply").tap()
    page.get_by_text("You stopped this reply").wait_for()
    shown = reply.inner_text()  # on purpose: the sentence after it says that it is whole
    turn = site.talks(rater)[0].turns[1]
    assert (turn.outcome, turn.text) == (TurnOutcome.STOPPED, shown)
    assert 1 <= len(shown.split()) < 30
    write(page, "and now?")
    wait_for_reply(page, 4)
    given = site.backend_of(rater).given[-1]
    assert [m["content"] for m in given] == ["please answer", shown, "and now?"]
    assert study_faults(site.study) == []


def test_the_turn_budget_ends_a_conversation_and_the_empty_box_says_so(
    tmp_path: Path, open_tablet: Callable[..., RaterPage]
) -> None:
    with chat_site(tmp_path, raters=1, turns=2, longest_message=40) as small:
        rater = small.new_talker()
        page = open_tablet(small.server.link(rater)).page
        page.get_by_text("2 messages left").wait_for()
        page.get_by_role("button", name="Send").tap()
        page.get_by_text("Please write a message first").wait_for()
        write(page, "x" * 41)
        page.get_by_text("at most 40 characters").wait_for()
        write(page, "one")
        wait_for_reply(page, 2)
        page.get_by_text("1 message left").wait_for()
        write(page, "two")
        page.get_by_text("come to its planned end").wait_for()
        expect(page.get_by_label("Your message")).to_be_hidden()
        screen(page, "44-chat-over")
        page.get_by_role("button", name="Go on to the questions").tap()
        page.get_by_role("radiogroup").nth(5).wait_for()
        talk = small.talks(rater)[0]
        assert (len(talk.turns), talk.ended_by) == (4, ConversationEnd.TURN_BUDGET)
        # Going back to the chat's address leads to the questions.
        page.goto(f"{small.server.address}/chat")
        page.get_by_role("radiogroup").nth(5).wait_for()


@pytest.mark.parametrize("seconds", [0, pytest.param(30, marks=pytest.mark.slow)])
def test_the_network_is_cut_in_the_middle_of_a_reply(
    site: ChatSite, open_tablet: Callable[..., RaterPage], seconds: int
) -> None:
    rater, line = site.new_talker(), Line(site.server.port)
    link = site.server.link(rater).replace(f":{site.server.port}/", f":{line.port}/")
    page = open_tablet(link).page
    write(page, "before the cut")
    page.locator(".chat-system[data-number='2'] .chat-bubble").wait_for()
    line.cut()
    page.locator(".evenhand-offline", has_text="No connection").wait_for()
    screen(page, "45-chat-no-connection")
    # The reply goes on without the page, which is written on meanwhile.
    page.get_by_label("Your message").fill("a draft during the cut")
    page.wait_for_timeout(seconds * 1000)  # on purpose: the length of the cut
    line.mend()
    page.locator(".evenhand-offline:empty").wait_for(state="attached")
    wait_for_reply(page, 2)
    expect(page.get_by_label("Your message")).to_have_value("a draft during the cut")
    page.get_by_role("button", name="Send").tap()
    wait_for_reply(page, 4)
    talk = site.talks(rater)[0]
    assert [t.outcome for t in talk.turns] == [FINISHED] * 4
    mine = [t.text for t in talk.turns if t.role == "rater"]
    assert mine == ["before the cut", "a draft during the cut"]
    line.cut()


def test_a_message_sent_without_a_connection_stays_in_the_box(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    page = open_tablet(site.server.link(rater)).page
    page.get_by_text("Every message is saved").wait_for()
    page.context.set_offline(True)
    write(page, "into the void")
    page.get_by_text("could not be sent just now").wait_for()
    expect(page.get_by_label("Your message")).to_have_value("into the void")
    page.context.set_offline(False)
    page.get_by_role("button", name="Send").tap()
    wait_for_reply(page, 2)
    assert said(site.talks(rater)[0])[0] == ("rater", "into the void")


def test_the_server_is_killed_in_the_middle_of_a_reply(
    mortal_site: ChatSite,
    half_way: Callable[[ChatSite], threading.Event],
    open_tablet: Callable[..., RaterPage],
) -> None:
    site = mortal_site
    go = half_way(site)
    rater = site.new_talker()
    page = open_tablet(site.server.link(rater)).page
    write(page, "before the kill")
    page.locator("#chat-typing").wait_for()
    page.get_by_label("Your message").fill("a draft during the kill")
    site.server.stop(signal.SIGKILL)
    half = site.talks(rater)[0]
    assert (half.turns[0].text, half.turns[1].outcome) == ("before the kill", None)
    page.locator(".evenhand-offline", has_text="No connection").wait_for()
    go.set()
    site.server.start()
    page.get_by_text("The reply did not come through").wait_for()
    page.locator(".evenhand-offline:empty").wait_for(state="attached")
    assert site.talks(rater)[0].turns[1].outcome is TurnOutcome.CUT_OFF
    page.get_by_role("button", name="Try again").tap()
    wait_for_reply(page, 3)
    expect(page.get_by_label("Your message")).to_have_value("a draft during the kill")
    page.get_by_role("button", name="Send").tap()
    wait_for_reply(page, 5)
    eventually(lambda: len(bubbles(page)), 4)
    talk = site.talks(rater)[0]
    cut = TurnOutcome.CUT_OFF
    assert [t.outcome for t in talk.turns] == [FINISHED, cut, FINISHED, FINISHED, FINISHED]
    mine = [t.text for t in talk.turns if t.role == "rater"]
    assert mine == ["before the kill", "a draft during the kill"]
    given = site.backend_of(rater).given[-1]
    assert [m["role"] for m in given] == ["user", "assistant", "user"]
    assert study_faults(site.study) == []


def test_stopping_the_server_is_quiet_while_a_chat_page_is_open(
    mortal_site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    site = mortal_site
    page = open_tablet(site.server.link(site.new_talker())).page
    page.get_by_text("12 messages left").wait_for()
    assert site.server.stop(signal.SIGINT) == 0
    assert "Traceback" not in site.server.log.read_text()
    site.server.start()
    page.locator(".evenhand-offline:empty").wait_for(state="attached")


def test_a_withdrawn_rater_leaves_the_page(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    page = open_tablet(site.server.link(rater)).page
    page.get_by_text("Every message is saved").wait_for()
    withdraw(site.study, rater.code)
    write(page, "too late")
    page.get_by_role("heading", name="This link does not work").wait_for()
    assert site.talks(rater)[0].turns == ()
    eventually(lambda: "draft" in page.evaluate("Object.keys(sessionStorage).join()"), False)


def test_a_conversation_by_keyboard_alone(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = site.new_talker()
    page = open_tablet(site.server.link(rater), 1024, 768).page
    page.get_by_text("Every message is saved").wait_for()
    keys = page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(20):
            keys.press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                return
        raise AssertionError(f"Tab never reached {name}")

    tab_to("chat-text")
    keys.type("by keyboard")
    keys.press("Control+Enter")
    wait_for_reply(page, 2)
    # The focus did not leave the box, so the next message can be written at once.
    expect(page.locator("#chat-text")).to_be_focused()
    tab_to("chat-end")
    wait_until_served(page)
    keys.press("Enter")
    expect(page.locator("#chat-go")).to_be_focused()
    wait_until_served(page)
    keys.press("Enter")
    page.get_by_role("radiogroup").nth(5).wait_for()
    assert said(site.talks(rater)[0])[0] == ("rater", "by keyboard")


def test_a_reply_is_text_whatever_a_system_writes(
    site: ChatSite, open_tablet: Callable[..., RaterPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = site.new_talker()
    hostile = (
        "<img src=x onerror=alert(1)> ![x](http://example.org/b.png) **bold** <script>1</script>"
    )
    backend = site.backend_of(rater)
    plain = type(backend).generate

    def generate(self, messages, settings, *, on_text=None):  # type: ignore[no-untyped-def]
        reply = plain(self, messages, settings, on_text=None)
        for piece in re.findall(r"\S+\s*", hostile):
            on_text(piece)
        return reply

    monkeypatch.setattr(type(backend), "generate", generate)
    page = open_tablet(site.server.link(rater)).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    write(page, "<b>hello</b> <img src=y>")
    wait_for_reply(page, 2)
    shown = page.locator(".chat-bubble:visible")
    expect(shown.nth(0)).to_have_text("<b>hello</b> <img src=y>")
    expect(shown.nth(1)).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".chat-bubble strong")).to_have_text("bold")
    expect(page.locator(".chat-bubble img, .chat-bubble script, .chat-bubble b")).to_have_count(0)
    assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{site.server.port}"}


OUT_OF_SIGHT = (
    "return ['#chat-text', '#chat-send', '#chat-topic summary', '#chat-support summary']"
    ".filter(s => { const b = document.querySelector(s).getBoundingClientRect();"
    " return b.height === 0 || b.top < 0 || b.bottom > innerHeight; })"
)


def out_of_sight(page: Page) -> list[str]:
    """Which of the box, its button and the switches of the two texts are not in sight."""
    wait_until_still(page)
    found: list[str] = page.evaluate(f"() => {{ {OUT_OF_SIGHT} }}")
    return found


def test_the_texts_beside_a_conversation_on_a_small_page(
    site: ChatSite, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: the browser's own boxes; a text is cut when it is higher than its box."""
    page = open_tablet(site.server.link(site.new_talker()), 360, 740).page
    page.locator("#chat-send:enabled").wait_for()
    cut = page.locator(".chat-fold").evaluate_all
    higher = "folds => folds.filter(f => f.scrollHeight > f.clientHeight + 1).map(f => f.id)"
    marked = "folds => folds.filter(f => f.hasAttribute('data-cut')).map(f => f.id)"
    eventually(lambda: out_of_sight(page), [])
    eventually(lambda: (cut(higher), cut(marked)), ([], []))

    # With the keyboard open there is no room for all of it; what is cut says so until its end.
    page.set_viewport_size({"width": 360, "height": 420})
    eventually(lambda: out_of_sight(page), [])
    both = ["chat-topic", "chat-support"]
    eventually(lambda: (cut(higher), cut(marked)), (both, both))
    sign = "f => getComputedStyle(f, '::after').content"
    eventually(lambda: page.locator("#chat-support").evaluate(sign), '"\u25bc"')
    page.locator("#chat-support").evaluate("f => f.scrollTo(0, f.scrollHeight)")
    eventually(lambda: out_of_sight(page), [])
    eventually(lambda: cut(marked), ["chat-topic"])

    write(page, "I cannot sleep.")
    wait_for_reply(page, 2)
    eventually(lambda: out_of_sight(page), [])
    page.locator("#chat-support summary").tap()
    eventually(lambda: out_of_sight(page), [])
    eventually(lambda: cut(marked), ["chat-support"])
    end = page.locator("#chat-end").bounding_box()
    assert end is not None and end["y"] + end["height"] <= 420


def test_what_is_read_aloud_of_a_reply(
    site: ChatSite, open_tablet: Callable[..., RaterPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = site.new_talker()
    backend = site.backend_of(rater)
    monkeypatch.setattr(backend, "replies", ("I hear you.\n\nWhat would\nhelp?",))
    page = open_tablet(site.server.link(rater)).page
    page.locator("#chat-send:enabled").wait_for()
    page.evaluate(
        "window.heard = []; new MutationObserver(() => heard.push("
        "document.getElementById('chat-spoken').textContent)).observe("
        "document.getElementById('chat-spoken'), {childList: true})"
    )
    write(page, "Hello.")
    wait_for_reply(page, 2)
    # on purpose: a conversation's partner has one name
    partner = page.locator(".chat-system .chat-name").inner_text()
    whole = f"{partner}: I hear you. What would help?"
    page.wait_for_function("whole => heard.includes(whole)", arg=whole)

    def fail(*_: object, **__: object) -> None:
        raise ModelError("No reply.")

    monkeypatch.setattr(backend, "generate", fail)
    write(page, "Are you there?")
    page.get_by_role("button", name="Try again").wait_for()
    wait_until_still(page)
    heard = page.evaluate("heard")
    assert heard[-1] == "Your message is sent."
    assert [words for words in heard if words.rstrip().endswith(":")] == []
