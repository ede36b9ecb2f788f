"""What a browser fetches for the first page, and what it shows until that page is there.

Oracle: Chromium's own count of the bytes on the line (``Network.loadingFinished``); the catalogues.
"""

from __future__ import annotations

import gzip
import http.client
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from protocols import shipped_protocols
from study.store.locking import lock_study
from study.store.raters import choose_language, enrol, read_raters
from study.store.study import create_study
from survey_app.messages import load_messages
from survey_app.server import static_files
from tests.conftest import (
    WAIT_MS,
    RaterPage,
    SurveyServer,
    eventually,
    free_port,
    wait_until_settled,
)
from tests.fixtures_study import answer_everything

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route, WebSocketRoute

LARGEST_FIRST_LOAD = 1_500_000


class Bytes:
    """The bytes that came over the line to one page, by address."""

    def __init__(self, page: Page) -> None:
        self.by_address: dict[str, int] = {}
        self.packed: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.responseReceived", self._answered)
        session.on("Network.loadingFinished", self._finished)

    def _asked(self, event: dict[str, Any]) -> None:
        self._addresses[event["requestId"]] = event["request"]["url"]

    def _answered(self, event: dict[str, Any]) -> None:
        headers = {n.lower(): v for n, v in event["response"]["headers"].items()}
        self.packed[event["response"]["url"]] = headers.get("content-encoding", "")

    def _finished(self, event: dict[str, Any]) -> None:
        address = self._addresses.get(event["requestId"], event["requestId"])
        self.by_address[address] = int(event["encodedDataLength"])

    @property
    def total(self) -> int:
        return sum(self.by_address.values())


@pytest.mark.browser
def test_the_first_load_is_under_a_megabyte_and_a_half(
    survey_server: SurveyServer, chromium: Browser
) -> None:
    # By name, as a tablet in a classroom: by number, Chromium takes the loopback for a safe line and
    # offers more ways of packing.
    page = chromium.new_context().new_page()
    page.set_default_timeout(WAIT_MS)
    line = Bytes(page)
    rater = survey_server.new_rater(rating=True)
    page.goto(survey_server.link(rater).replace("127.0.0.1", "classroom.test"))
    page.get_by_role("radiogroup").nth(7).wait_for()
    page.wait_for_load_state("networkidle")
    assert len(line.by_address) > 30, "the browser's count saw next to nothing"
    assert line.total < LARGEST_FIRST_LOAD
    # Not by an accident of this page: every text file is packed, whatever else comes with it.
    texts = [a for a in line.packed if urlsplit(a).path.endswith((".js", ".css"))]
    assert len(texts) > 30
    assert [a for a in texts if line.packed[a] != "gzip"] == []
    assert not any("MaterialSymbols" in address for address in line.by_address)

    # A second page of the same browser fetches next to nothing.
    again = Bytes(page)
    page.reload()
    page.get_by_role("radiogroup").nth(7).wait_for()
    page.wait_for_load_state("networkidle")
    fetched = {a: n for a, n in again.by_address.items() if n > 0 and "/static/" in a}
    assert fetched == {}
    page.context.close()


@pytest.mark.browser
def test_no_page_shows_a_letter_of_the_icon_font_that_is_left_out(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: the fonts of all visible elements, on a rater's pages and on the coordinator's."""
    icons = (
        "[...document.querySelectorAll('body *')].filter(e => e.getClientRects().length > 0"
        " && getComputedStyle(e).fontFamily.includes('Material')).map(e => e.outerHTML)"
    )
    tablet = open_tablet(survey_server.link(survey_server.new_rater()))
    tablet.button("I have read this").wait_for()
    eventually(lambda: tablet.page.evaluate(icons), [])
    tablet.consent()
    eventually(lambda: tablet.page.evaluate(icons), [])
    tablet.tell_about_self()
    tablet.items()
    eventually(lambda: tablet.page.evaluate(icons), [])
    coordinator = open_tablet(survey_server.coordinator_link(), 1024, 768)
    coordinator.page.get_by_role("heading", name="Who is where").wait_for()
    coordinator.page.get_by_role("combobox").wait_for()
    eventually(lambda: coordinator.page.evaluate(icons), [])


def ask(server: SurveyServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {n.lower(): v for n, v in answer.getheaders()}, body


@pytest.mark.parametrize("name", ["js/react-dom", "css/index", "media/SourceSansVF-Upright"])
def test_a_file_is_the_same_packed_and_plain(survey_server: SurveyServer, name: str) -> None:
    """Oracle: the file in Streamlit's folder, and gzip of the standard library."""
    # Found and not imported: Streamlit's import changes the process.
    package = importlib.util.find_spec("streamlit")
    assert package is not None and package.origin is not None
    root = Path(package.origin).parent / "static" / "static"
    file = next(f for f in root.rglob("*") if f.relative_to(root).as_posix().startswith(name))
    path = f"/static/{file.relative_to(root).as_posix()}"
    on_disk = static_files._ICON_FONT.sub("", file.read_text()).encode() if "css" in name else None
    on_disk = on_disk or file.read_bytes()
    status, plain, body = ask(survey_server, path)
    assert (status, body) == (200, on_disk)
    assert "content-encoding" not in plain
    assert plain["cache-control"] == "public, max-age=31536000, immutable"
    assert int(plain["content-length"]) == len(on_disk)
    status, packed, body = ask(survey_server, path, **{"Accept-Encoding": "br, gzip;q=0.5"})
    assert (status, packed["content-type"]) == (200, plain["content-type"])
    if name.startswith("media"):
        assert body == on_disk  # a font is packed already
    else:
        assert packed["content-encoding"] == "gzip" and gzip.decompress(body) == on_disk
        assert packed["vary"] == plain["vary"] == "Accept-Encoding"
        assert len(body) < len(on_disk) / 2
    for refused in ("gzip;q=0", "identity", "br"):
        assert ask(survey_server, path, **{"Accept-Encoding": refused})[2] == on_disk


def test_what_is_not_in_streamlits_folder_is_not_there(survey_server: SurveyServer) -> None:
    for path in ("index.html", "../index.html", "%2e%2e/index.html", "js/", "js", "//etc/passwd"):
        assert ask(survey_server, f"/static/{path}")[0] == 404, path


class HeldBack:
    """Requests for scripts, kept waiting until they are let go."""

    def __init__(self, page: Page) -> None:
        self.waiting: list[Route] | None = []
        page.route("**/*.js", self._took)

    def _took(self, route: Route) -> None:
        if self.waiting is None:
            route.continue_()
        else:
            self.waiting.append(route)

    def let_go(self) -> None:
        waiting, self.waiting = self.waiting or [], None
        for route in waiting:
            route.continue_()


@pytest.fixture(scope="module")
def four_languages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    folder = tmp_path_factory.mktemp("four")
    study = create_study(folder / "study", shipped_protocols()["four-languages"])
    answer_everything(study)
    lock_study(study)
    enrol(study, "volunteer", 4)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


@pytest.mark.browser
def test_the_shell_says_loading_in_the_raters_language_before_any_script(
    four_languages: SurveyServer, chromium: Browser
) -> None:
    """Every script and the connection are held back: what is on the page is the document's own."""
    study = four_languages.study
    raters = read_raters(study)
    for rater, language in zip(raters, study.protocol.languages, strict=True):
        choose_language(study, rater, language)
        page = chromium.new_context().new_page()
        page.set_default_timeout(WAIT_MS)
        scripts = HeldBack(page)
        page.goto(four_languages.link(rater), wait_until="commit")
        words = load_messages(language)
        sign = page.get_by_text(words("page.loading"), exact=True)
        expect(sign).to_be_visible()
        expect(sign).to_have_attribute("role", "status")
        expect(page.locator("html")).to_have_attribute("dir", words.direction)
        scripts.let_go()
        page.get_by_role("heading").first.wait_for()
        expect(sign).to_be_hidden()
        page.context.close()
    # Without scripts, there is nothing to wait for.
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(four_languages.link(raters[0]))
    expect(page.locator(".evenhand-loading")).to_be_hidden()
    expect(page.locator("noscript p")).to_be_visible()
    page.context.close()


@pytest.mark.browser
def test_saving_is_said_while_a_tap_is_on_its_way(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """What the browser sends is held back; the sentence stays until the answer is there."""
    held: list[tuple[Any, Any]] = []
    holding = [False]

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(
            lambda message: held.append((server, message)) if holding[0] else server.send(message)
        )

    tablet = open_tablet("about:blank")
    tablet.page.route_web_socket("**/_stcore/stream", between)
    rater = survey_server.new_rater(rating=True)
    tablet.page.goto(survey_server.link(rater))
    tablet.wait_for_response(1)
    tablet.answer([3] * 8)
    sign = tablet.page.get_by_text("Saving…", exact=True)
    expect(sign).to_have_count(0)
    holding[0] = True
    tablet.save()
    expect(sign).to_be_visible()
    assert held
    holding[0] = False
    for server, message in held:
        server.send(message)
    tablet.wait_for_saved(1)
    expect(sign).to_have_count(0, timeout=60_000)


@pytest.mark.browser
def test_saving_is_not_said_of_a_tap_that_was_answered(
    survey_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """The answers of the server are let through at once or one by one; the browser's clock is ours."""
    tablet = open_tablet("about:blank")
    tablet.page.clock.install()
    tablet.page.goto(survey_server.link(survey_server.new_rater(rating=True)))
    tablet.wait_for_response(1)
    tablet.items()
    for left in (8, 7):
        # Answered, by the sentence about open questions: the page, and the time after it, say nothing.
        tablet.page.clock.run_for(1_000)
        tablet.save()
        tablet.page.get_by_text(f"Still open: {left}").wait_for()
        wait_until_settled(tablet.page)
        tablet.page.clock.run_for(5_000)
        # on purpose: the page's clock stands still, and a sentence that would come is there
        assert tablet.page.get_by_text("Saving…").count() == 0
        tablet.answer([3])
