"""Until unblinding, nothing that a browser receives names a system.

Oracle: every name that the protocol and the provenance hold, searched in every byte received and sent
over HTTP and the WebSocket, in storage, cookies and the page itself.
"""

from __future__ import annotations

import platform
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import streamlit
from playwright.sync_api import expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.metrics_util import Installation

import survey_app
from study.store.raters import read_raters
from study.store.responses import read_responses
from survey_app.server.application import mask
from survey_app.server.first_message import without_server
from tests.conftest import WAIT_MS, wait_until_still

if TYPE_CHECKING:
    from conftest import RaterPage, SurveyServer
    from playwright.sync_api import BrowserContext, Page, Response, WebSocket

pytestmark = pytest.mark.browser


@dataclass
class Traffic:
    """All that a browser received and sent, by where it was."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)
    bundles: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    responses: list[Response] = field(default_factory=list)
    # (time in seconds, name, data) of the server-sent events of each page that was listened to.
    events: dict[Page, list[tuple[float, str, str]]] = field(default_factory=dict)

    def listen_to_events(self, page: Page) -> None:
        """Record a page's server-sent events with the browser's own times."""
        own = self.events.setdefault(page, [])

        def took(message: dict[str, Any]) -> None:
            own.append((message["timestamp"], message["eventName"], message["data"]))
            self.parts.append(("server-sent event", message["data"].encode()))

        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.eventSourceMessageReceived", took)

    def listen(self, context: BrowserContext) -> None:
        context.on("page", self._listen_to_page)

    def _listen_to_page(self, page: Page) -> None:
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("response", lambda response: self.responses.append(response))
        page.on("websocket", self._listen_to_socket)
        page.on("console", lambda line: self.parts.append(("console", line.text.encode())))

    def _listen_to_socket(self, socket: WebSocket) -> None:
        self.hosts.add(urlsplit(socket.url).netloc)
        for event in ("framereceived", "framesent"):
            socket.on(event, lambda data, e=event: self.parts.append((e, _as_bytes(data))))

    def read_bodies(self) -> None:
        """Read what has come since the last call; a browser forgets bodies when it goes elsewhere."""
        responses, self.responses = self.responses, []
        for response in responses:
            self.parts.append(("address", response.url.encode()))
            headers = "\n".join(f"{n}: {v}" for n, v in response.headers.items())
            self.parts.append((f"headers of {response.url}", headers.encode()))
            if urlsplit(response.url).path.startswith("/static/"):
                self.bundles.add(response.url)
            # An event stream has no end; its events are recorded as they come.
            elif urlsplit(response.url).path == "/draft":
                continue  # it says "kept" or not, perhaps to a page that is gone
            elif response.status not in (303, 304) and "event-stream" not in headers:
                self.parts.append((f"body of {response.url}", response.body()))

    def read_state(self, page: Page) -> None:
        for name, script in {
            "page": "document.documentElement.outerHTML",
            "local storage": "JSON.stringify({...localStorage})",
            "session storage": "JSON.stringify({...sessionStorage})",
            "title": "document.title",
        }.items():
            self.parts.append((name, str(page.evaluate(script)).encode()))
        self.parts.append(("cookies", repr(page.context.cookies()).encode()))


def _as_bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def forbidden_names(server: SurveyServer) -> set[str]:
    """All names of the systems, their models, files, backends and provenance, in small letters."""
    names: set[str] = set()
    for system in server.study.protocol.systems:
        names |= {system.id, system.title, system.model, system.tokenizer, system.backend}
        names |= {system.endpoint, system.model.removeprefix("shipped:")}
        names |= {system.tokenizer.removeprefix("shipped:")}
    names |= {str(v) for r in read_responses(server.study) for v in r.provenance.values()}
    names |= {".pte", "executorch", "transformers", "provenance", "system_id", "quantized"}
    return {name.lower() for name in names if name}


def found_names(parts: list[tuple[str, bytes]], names: set[str]) -> list[tuple[str, str]]:
    return [
        (where, name)
        for where, content in parts
        for name in names
        if name.encode() in content.lower()
    ]


@pytest.fixture(scope="module")
def recorded(survey_server: SurveyServer, chromium: object) -> Traffic:
    """A whole session: link, consent, questions, practice, six responses, reloads, wrong links."""
    from playwright.sync_api import Browser

    assert isinstance(chromium, Browser)
    traffic = Traffic()
    context = chromium.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    traffic.listen(context)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    rater = survey_server.new_rater()
    page.goto(survey_server.link(rater))
    page.get_by_role("button", name="I have read this").tap()
    page.get_by_text("Woman", exact=True).tap()
    page.get_by_text("Never", exact=True).tap()
    page.get_by_role("button", name="Save and continue").tap()
    page.get_by_role("heading", name="What you will do").wait_for()
    for button, heading in (
        ("Start rating", "Response 1 of 6"),
        *(("Save and continue", f"Response {n} of 6") for n in range(2, 7)),
        ("Save and continue", "Thank you"),
    ):
        page.get_by_role("radiogroup").nth(7).wait_for()
        if heading == "Response 3 of 6":
            traffic.read_bodies()
            page.reload()
            page.get_by_role("radiogroup").nth(7).wait_for()
        for item in page.get_by_role("radiogroup").all():
            item.get_by_role("radio").nth(3).tap()
        traffic.read_state(page)
        page.get_by_role("button", name=button).tap()
        page.get_by_role("heading", name=heading).wait_for()
        wait_until_still(page)
        traffic.read_state(page)
    traffic.read_bodies()
    for path in ("", "/j/unknown", "/responses"):
        page.goto(survey_server.address + path, wait_until="networkidle")
        traffic.read_state(page)
        traffic.read_bodies()
    context.close()
    return traffic


def test_a_whole_session_names_no_system(survey_server: SurveyServer, recorded: Traffic) -> None:
    names = forbidden_names(survey_server)
    assert {"tuned-offline", "base-full", "demo-tuned.pte", "executorch", "5b" * 32} <= names
    received = [part for part in recorded.parts if part[0] == "framereceived"]
    # What is searched did hold the session: its texts went over the WebSocket, in clear.
    shown = b"".join(content for _, content in received)
    for response in read_responses(survey_server.study):
        assert response.text.split("\n")[0].encode() in shown
    assert found_names(recorded.parts, names) == []


def facts_of_the_server() -> set[bytes]:
    """Where it lies, what it runs on and which installation it is: nobody's business but its owner's."""
    found = Installation.instance()
    return {
        text.lower().encode()
        for text in (
            str(Path(survey_app.__file__).parent),
            str(Path(streamlit.__file__).parent),
            str(Path.home()) + "/",
            sys.prefix,
            ".".join(map(str, sys.version_info)),
            platform.python_version(),
            streamlit.__version__,
            platform.node(),
            platform.release(),
            found.installation_id_v3,
            found.installation_id_v4,
        )
        if len(text) > 4  # a machine that is called "pc" is in every text
    }


def test_no_message_tells_where_and_on_what_the_server_runs(recorded: Traffic) -> None:
    facts = facts_of_the_server()
    assert len(facts) >= 8
    received = [content for where, content in recorded.parts if where == "framereceived"]
    # The message that told it did come, once a run at least, and the page worked with it.
    first = [f for f in map(ForwardMsg.FromString, received) if f.HasField("new_session")]
    assert first and all(f.new_session.main_script_path == "main.py" for f in first)
    assert {f.new_session.initialize.environment_info.ByteSize() for f in first} == {0}
    assert {f.new_session.initialize.user_info.ByteSize() for f in first} == {0}
    told = [
        (where, fact)
        for where, content in recorded.parts
        for fact in facts
        if where != "framesent" and fact in content.lower()
    ]
    assert told == []


def test_what_is_taken_out_of_the_first_message_was_in_it() -> None:
    # Filled in as streamlit/runtime/app_session.py does.
    message = ForwardMsg()
    message.new_session.main_script_path = "/home/anna/arm-b/survey_app/main.py"
    message.new_session.initialize.environment_info.python_version = "3.11.9"
    message.new_session.initialize.user_info.installation_id_v4 = "ab-12"
    message.new_session.initialize.session_id = "s1"
    told = ForwardMsg.FromString(without_server(message.SerializeToString())).new_session
    assert told.main_script_path == "main.py"
    assert told.initialize.session_id == "s1"
    assert told.initialize.HasField("environment_info") and told.initialize.HasField("user_info")
    assert b"anna" not in told.SerializeToString() and b"3.11.9" not in told.SerializeToString()
    other = ForwardMsg()
    other.delta.new_element.markdown.body = "/home/anna"
    assert without_server(other.SerializeToString()) == other.SerializeToString()


def test_the_search_would_find_a_name(survey_server: SurveyServer, recorded: Traffic) -> None:
    leak = ("framereceived", b"\x12\x04... Tuned-Offline ...")
    found = found_names([*recorded.parts, leak], forbidden_names(survey_server))
    assert found == [("framereceived", "tuned-offline")]


def test_the_frontends_own_bundles_hold_no_name_of_this_study(
    survey_server: SurveyServer, recorded: Traffic
) -> None:
    # The bundles are the same for every study. Names that are ordinary words of programs are left
    # out here: "transformers" and "quantized" occur in syntax highlighting and charts.
    names = forbidden_names(survey_server) - {"transformers", "quantized", "provenance", ".pte"}
    assert len(recorded.bundles) > 20
    for address in sorted(recorded.bundles):
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
            assert found_names([(address, answer.read())], names) == []


def test_the_frontends_own_bundles_do_not_tell_the_servers_version_and_place(
    survey_server: SurveyServer, recorded: Traffic
) -> None:
    # Python's version is left out: three numbers with dots stand in many scripts.
    python = {".".join(map(str, sys.version_info)), platform.python_version()}
    facts = facts_of_the_server() - {text.encode() for text in python}
    assert any("/static/js/index." in address for address in recorded.bundles)
    for address in sorted(recorded.bundles):
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
            body = answer.read().lower()
        assert [fact for fact in facts if fact in body] == [], address


def test_every_request_goes_to_the_server_itself(
    survey_server: SurveyServer, recorded: Traffic
) -> None:
    assert recorded.hosts == {f"127.0.0.1:{survey_server.port}"}
    console = [text for where, text in recorded.parts if where == "console"]
    assert [line for line in console if b"Content Security Policy" in line] == []


def test_what_a_browser_keeps_is_one_cookie_that_no_script_reads(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater()
    tablet = open_tablet(survey_server.link(rater))
    tablet.button("I have read this").wait_for()
    secret = survey_server.link(rater).rsplit("/", 1)[1]
    holders = [c for c in tablet.page.context.cookies() if secret in c["value"]]
    assert [(c["name"], c["httpOnly"], c["sameSite"]) for c in holders] == [
        ("evenhand_rater", True, "Lax")
    ]
    # on purpose: the page is drawn, and no script runs that could add to either later
    assert secret not in tablet.page.evaluate("document.cookie + location.href")
    assert secret not in tablet.page.content()


def test_the_coordinators_page_names_no_system_and_shows_no_answer(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage], chromium: object
) -> None:
    from playwright.sync_api import Browser

    assert isinstance(chromium, Browser)
    context = chromium.new_context()
    traffic = Traffic()
    traffic.listen(context)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(survey_server.coordinator_link())
    page.get_by_role("heading", name="Who is where").wait_for()
    raters = read_raters(survey_server.study)
    page.get_by_text(raters[-1].code).first.wait_for()
    page.get_by_label("Participant code").click()
    page.keyboard.type(raters[-1].code)
    page.get_by_role("option", name=raters[-1].code).click()
    page.get_by_role("img").wait_for()
    expect(page.locator("body")).to_contain_text(survey_server.link(raters[-1]))
    # It refreshes by itself: a rater who consents now is seen without a touch.
    rater = survey_server.new_rater()
    row = page.get_by_role("row", name=rater.code)
    expect(row).to_contain_text("Not started")
    tablet = open_tablet(survey_server.link(rater))
    tablet.consent()
    page.get_by_role("row", name=rater.code).get_by_text("About you").wait_for()
    traffic.read_state(page)
    traffic.read_bodies()
    assert found_names(traffic.parts, forbidden_names(survey_server)) == []
    expect(page.locator("body")).not_to_contain_text("Very good")
    context.close()


def test_the_coordinators_page_stays_closed_without_its_secret(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    rater = survey_server.new_rater()
    tablet = open_tablet(survey_server.link(rater))
    tablet.page.goto(f"{survey_server.address}/?view=coordinator")
    tablet.page.get_by_role("heading", name="Please open the coordinator's link").wait_for()
    expect(tablet.page.locator("body")).not_to_contain_text(rater.code)
    answer = tablet.page.goto(f"{survey_server.address}/coordinator/{'x' * 27}")
    assert answer is not None and answer.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/script-health-check",
        "/_stcore/agent/openapi.json",
        "/_stcore/upload_file/a/b",
        "/media/a.svg",
        "/component/a/b.js",
        "/app/static/study.db",
        "/study.db",
        "/static/../../study.key",
        "/docs",
    ],
)
def test_other_addresses_are_closed(survey_server: SurveyServer, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(survey_server.address + path, timeout=10)  # noqa: S310
    assert refused.value.code in (400, 403, 404)
    assert "default-src 'self'" in refused.value.headers["content-security-policy"]
    refused.value.close()


def test_secrets_and_drafts_are_masked_in_log_lines() -> None:
    # Hand-made line in the form of uvicorn's access log.
    line = '127.0.0.1:5 - "GET /j/AbC_123-x HTTP/1.1" 303'
    assert mask(line) == '127.0.0.1:5 - "GET /j/*** HTTP/1.1" 303'
    assert mask("GET /coordinator/AbC?x=1 HTTP/1.1") == "GET /coordinator/***?*** HTTP/1.1"
    assert mask("GET /?bf.1=4+Good HTTP/1.1") == "GET /?*** HTTP/1.1"
