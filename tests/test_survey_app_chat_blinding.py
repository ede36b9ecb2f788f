"""Chat pages tell no systems apart: by names, by traffic, by time, or by how they fail.

Oracle: two systems of very different speed; every byte that a browser received, with the browser's own
times, and the two-sample Kolmogorov-Smirnov test.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from scipy.stats import ks_2samp

from models.backends.decoding import Generated
from study.blinding import chat_model_name, system_codes
from study.entities import Rater, TurnOutcome
from study.errors import GenerationError
from study.store import conversations
from tests.conftest import WAIT_MS
from tests.fixtures_chat import ChatSite, TimedBackend, chat_site
from tests.test_survey_app_blinding import Traffic, found_names
from tests.test_survey_app_chat import wait_for_reply, write
from tests.test_survey_app_drafts import wait_until_kept

if TYPE_CHECKING:
    from conftest import RaterPage
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FAST, SLOW = "zebrafinch", "quokka"
WORDS, TURNS = 30, 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    # Each reply is there before the shortest typing time: 30 words of 60 ms after 150 ms.
    pace = {"typing_from_s": 2.3, "typing_to_s": 2.8, "words_per_second": 15, "jitter": 0.4}
    folder = tmp_path_factory.mktemp("blind")
    with chat_site(folder, raters=12, pace=pace, longest_wait_s=4) as made:
        made.backends[FAST].token_s, made.backends[FAST].first_s = 0.005, 0.005
        made.backends[SLOW].token_s, made.backends[SLOW].first_s = 0.06, 0.15
        yield made


def system_of(site: ChatSite, rater: Rater) -> str:
    return conversations.system_of(site.study, site.talks(rater)[0].assignment_id)


def talkers(site: ChatSite) -> dict[str, Rater]:
    """Two new raters: one begins with the fast system, one with the slow one."""
    found: dict[str, Rater] = {}
    while len(found) < 2:
        rater = site.new_talker()
        found.setdefault(system_of(site, rater), rater)
    return found


@pytest.fixture(scope="module")
def recorded(site: ChatSite, chromium: Browser) -> Iterator[tuple[Traffic, dict[str, Page]]]:
    """A conversation with each system at the same time, three turns each, all traffic recorded."""
    traffic, pages = Traffic(), {}
    for system, rater in talkers(site).items():
        context = chromium.new_context(has_touch=True, reduced_motion="reduce")
        context.set_default_timeout(WAIT_MS)
        traffic.listen(context)
        page = pages[system] = context.new_page()
        traffic.listen_to_events(page)
        page.goto(site.server.link(rater))
        page.get_by_text("12 messages left").wait_for()
    for turn in range(TURNS):
        for page in pages.values():
            page.get_by_label("Your message").fill(f"message {turn}")
            # A draft that comes after its message is refused, which the console would tell.
            wait_until_kept(page)
            page.get_by_role("button", name="Send").tap()
        for page in pages.values():
            traffic.read_state(page)
            wait_for_reply(page, 2 * turn + 2)
    for page in pages.values():
        traffic.read_state(page)
    traffic.read_bodies()
    yield traffic, pages
    for page in pages.values():
        page.context.close()


def names_of(site: ChatSite) -> set[str]:
    protocol, key = site.study.protocol, site.study.key
    names = {chat_model_name(key, system.id) for system in protocol.systems}
    names |= {part for s in protocol.systems for part in (s.id, s.title)}
    names |= {site.address, f":{site.address.split(chr(58))[2]}", "7c" * 32}
    names |= {"scripted", "timed", "fp_", "latency", "provenance", "seed", "serve-model"}
    return {name.lower() for name in names}


def test_no_byte_names_a_system_or_its_address(
    site: ChatSite, recorded: tuple[Traffic, dict[str, Page]]
) -> None:
    traffic, _ = recorded
    events = b"".join(content for where, content in traffic.parts if where == "server-sent event")
    assert b"w3x29" in events  # what is searched did hold the replies
    assert found_names(traffic.parts, names_of(site)) == []
    assert traffic.hosts == {f"127.0.0.1:{site.server.port}"}
    console = [text for where, text in traffic.parts if where == "console"]
    assert console == []
    # The search would find a name.
    leak = ("server-sent event", b"... Quokka ...")
    assert found_names([*traffic.parts, leak], names_of(site)) == [("server-sent event", "quokka")]


def replies(events: list[tuple[float, str, str]]) -> list[list[tuple[float, str, str]]]:
    """The events of each reply: from the state that says it is being written to the next state."""
    found: list[list[tuple[float, str, str]]] = []
    for event in events:
        if event[1] == "state":
            writes = json.loads(event[2])["phase"] == "reply"
            found += [[event]] if writes else []
        elif event[1] == "reply":
            found[-1].append(event)
    return found


# Alone on the machine: what is measured here is its pace, too.
@pytest.mark.slow
@pytest.mark.alone
def test_the_browsers_own_times_and_numbers_of_messages_tell_no_systems_apart(
    site: ChatSite, recorded: tuple[Traffic, dict[str, Page]]
) -> None:
    traffic, pages = recorded
    gaps: dict[str, list[float]] = {}
    kinds: dict[str, list[str]] = {}
    for system, page in pages.items():
        own = replies(traffic.events[page])
        assert len(own) == TURNS
        gaps[system] = []
        for events in own:
            # Words fall together where the machine stalls, in both conversations at the same time.
            assert WORDS / 2 <= len(events) - 1 <= WORDS
            times = [at for at, _, _ in events]
            assert 2.2 <= times[1] - times[0] <= 3.3
            gaps[system] += [b - a for a, b in itertools.pairwise(times[1:])]
        kinds[system] = [name for _, name, _ in traffic.events[page] if name == "state"]
    assert ks_2samp(gaps[FAST], gaps[SLOW]).pvalue > 0.001
    assert abs(len(gaps[FAST]) - len(gaps[SLOW])) <= TURNS * WORDS / 10
    assert kinds[FAST] == kinds[SLOW]
    # The systems themselves were far apart.
    latency: dict[str, float] = {}
    for talk, made_by in conversations.read_all(site.study):
        for turn, told in zip(talk.turns, made_by, strict=True):
            if turn.role == "system":
                assert not turn.pace_missed
                system = conversations.system_of(site.study, talk.assignment_id)
                latency[system] = min(latency.get(system, 99.0), told["latency_s"])
    assert latency[SLOW] > 5 * latency[FAST]


class Broken(TimedBackend):
    """Fails in one of several ways until it is mended."""

    how = ""

    def generate(self, messages, settings, *, on_text=None) -> Generated:  # type: ignore[no-untyped-def]
        if self.how == "at once":
            raise GenerationError("no memory on the card")
        if self.how == "in the middle":
            on_text("I hear you and ")
            raise GenerationError("the process ended")
        if self.how == "silent":
            time.sleep(5)  # on purpose: longer than the deadline of the site's replies
        return super().generate(messages, settings, on_text=on_text)


def page_as_seen(page: Page) -> str:
    """All visible words, without the partner's label and the time that is left."""
    # on purpose: the last sentence of the page was waited for
    return re.sub(r"Partner \w+|About .*left", "", page.inner_text("body"))


@pytest.mark.slow
@pytest.mark.alone
def test_all_failures_look_the_same_and_the_coordinator_is_told(
    site: ChatSite, open_tablet: Callable[..., RaterPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in site.backends.values():
        monkeypatch.setattr(backend, "__class__", Broken)
    broken: dict[str, Any] = site.backends
    coordinator = open_tablet(site.server.coordinator_link(), 1024, 768)
    coordinator.page.get_by_role("heading", name="Who is where").wait_for()
    seen: dict[tuple[str, str], str] = {}
    pages: dict[tuple[str, str], tuple[Rater, Page]] = {}
    ways = {FAST: ("at once", "in the middle"), SLOW: ("silent", "at once")}
    for turn in range(2):
        for system, rater in talkers(site).items():
            broken[system].how = ways[system][turn]
            page = open_tablet(site.server.link(rater)).page
            write(page, "hello")
            pages[system, ways[system][turn]] = rater, page
        for place, (_, page) in list(pages.items())[2 * turn :]:
            page.get_by_text("The reply did not come through").wait_for()
            seen[place] = page_as_seen(page)
    broken_off = seen.pop((FAST, "in the middle"))
    assert len(set(seen.values())) == 1 and len(seen) == 3
    # A reply that broke off differs only by what was already there of it.
    assert broken_off.replace("This reply broke off.", "").split() != []
    codes = system_codes(site.study.key, [FAST, SLOW])
    for system, number in ((FAST, 2), (SLOW, 2)):
        alert = coordinator.page.get_by_text(re.compile(f"System {codes[system]}: {number} of "))
        alert.wait_for()
    # on purpose: both alerts were waited for
    words = coordinator.page.inner_text("body").lower()
    assert not [name for name in (FAST, SLOW, "memory", site.address) if name in words]
    assert not [name for name in (FAST, SLOW) if name in site.server.log.read_text()]
    # The models are back: the same button, and everything written is still there.
    for (system, how), (rater, page) in pages.items():
        broken[system].how = ""
        page.get_by_role("button", name="Try again").tap()
        wait_for_reply(page, 3)
        talk = site.talks(rater)[0]
        assert [t.outcome for t in talk.turns][1:] == [TurnOutcome.FAILED, TurnOutcome.COMPLETE], (
            how
        )
        expect(page.locator(".chat-bubble:visible")).to_have_count(2)
