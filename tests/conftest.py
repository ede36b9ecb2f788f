"""What all tests share."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from playwright.sync_api import expect
from ruamel.yaml import YAML

from study import participation
from study.blinding import coordinator_token
from study.entities import Rater
from study.protocol.loading import resolve_includes
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, link_secret, read_raters
from study.store.responses import save_response
from study.store.study import Study, create_study, open_study
from tests.fixtures_commands import said
from tests.fixtures_fork_server import FORK_SERVER, ForkedServer
from tests.fixtures_process import leaves_the_process_as_it_was
from tests.fixtures_study import (
    locked,
    make_study,
    memory_folder,
    postgres_database,
    store_url,
)

# A run that a script started with & ignores Ctrl-C, and every program that a test starts and interrupts
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two test workers on two cores: with more threads each, matrix products wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[1]
WAIT_MS = 120_000
T = TypeVar("T")

__all__ = [
    "leaves_the_process_as_it_was",
    "locked",
    "make_study",
    "memory_folder",
    "postgres_database",
    "said",
    "store_url",
]

# Chromium itself, as the survey's people have it; its headless shell takes two thirds of the time, but a
# panel participant's way did not come to its end in it.
_BROWSERS = ("chromium", "chromium-browser", "chrome")

_NEEDED = ("browser", "postgres", "offline_model")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long it took, in which order, and what was skipped; name what must not be."""
    minutes, seconds = divmod(round(terminalreporter._session_start.elapsed().seconds), 60)
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.section("the run")
    terminalreporter.line(f"took {minutes} min {seconds} s; skipped: {skipped or 'nothing'}")
    seed = terminalreporter.config.getoption("randomly_seed", None)
    if seed is not None:
        terminalreporter.line(f"the same order again: make test SEED={seed}")
    missed = _missed(terminalreporter)
    if missed:
        terminalreporter.section("skipped, but needed for a full run")
        for report in missed:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With EVENHAND_REQUIRE_ALL=1, a skipped browser, database or model test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and os.environ.get("EVENHAND_REQUIRE_ALL") == "1" and _missed(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missed(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    return [
        report
        for report in reporter.stats.get("skipped", [])
        if any(marker in report.keywords for marker in _NEEDED)
    ]


def make_small_study(folder: Path, *, raters: int = 12, simulated: int = 0) -> Study:
    """A locked study of 3 prompts by 2 systems, from the demo protocol, its responses written here.

    No model is needed: the texts differ by prompt and system, and name no system.
    """
    protocol = YAML().load(resolve_includes(ROOT / "protocols" / "demo.yaml"))
    protocol["systems"] = [s for s in protocol["systems"] if s["id"] != "reflective-script"]
    source = folder.with_suffix(".yaml")
    with source.open("w") as file:
        YAML().dump(protocol, file)
    study = create_study(folder, source)
    openings = ("That sounds hard to carry.", "Thank you for telling me this.")
    for prompt in study.protocol.prompts:
        for system, opening in zip(study.protocol.systems, openings, strict=True):
            text = (
                f"{opening} Many people know this feeling about {prompt.topic.replace('-', ' ')}.\n\n"
                "1. Write down what worries you most.\n2. Talk to a person whom you trust.\n\n"
                "What would help **a little** today?"
            )
            save_response(study, prompt.id, system.id, text, {"file_sha256": "5b" * 32})
    lock_study(study)
    enrol(study, "student", raters)
    if simulated:
        enrol(study, "professional", simulated, simulated=True)
    return study


@dataclasses.dataclass
class SurveyServer:
    """A real server process on loopback, serving a study."""

    study: Study
    port: int
    log: Path
    process: ForkedServer | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    taken: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.process = ForkedServer.start(self.study.folder, self.port, self.log, self.environment)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:  # noqa: S310
                    assert answer.status == 200
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)  # on purpose: between two looks
        raise AssertionError(f"the server did not answer within 120 s: {self.log.read_text()}")

    def ask_to_stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.ask_to_stop(how)
        assert self.process is not None
        return self.process.wait(timeout=WAIT_MS / 1000)

    def new_rater(self, *, rating: bool = False) -> Rater:
        """A rater whom no other test uses; ``rating``: past consent, questions and practice."""
        rater = [r for r in read_raters(self.study) if not r.simulated][self.taken]
        self.taken += 1
        if rating:
            participation.consent(self.study, rater)
            about = {"gender": "woman", "experience": "never"}
            participation.save_demographics(self.study, rater, about)
            participation.finish_practice(self.study, rater)
        return find_by_code(self.study, rater.code)

    def link(self, rater: Rater) -> str:
        return f"{self.address}/j/{link_secret(self.study, rater)}"

    def coordinator_link(self) -> str:
        return f"{self.address}/coordinator/{coordinator_token(self.study.key)}"


def stop_all(servers: Collection[SurveyServer]) -> None:
    """Stop servers all at once, as each takes seconds to let its pages go, and close their studies."""
    for server in servers:
        server.ask_to_stop()
    for server in servers:
        server.stop()
        server.study.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(name="make_small_study")
def make_small_study_fixture() -> Callable[..., Study]:
    return make_small_study


@pytest.fixture
def small_study(tmp_path: Path) -> Iterator[Study]:
    study = make_small_study(tmp_path / "study")
    yield study
    study.close()


@pytest.fixture(scope="session")
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., SurveyServer]]:
    """Starts servers, each with a study of its own, and stops them at the end."""
    servers: list[SurveyServer] = []

    def start(*, raters: int = 12, simulated: int = 0) -> SurveyServer:
        folder = tmp_path_factory.mktemp("served")
        make_small_study(folder / "study", raters=raters, simulated=simulated).close()
        study = open_study(folder / "study")
        server = SurveyServer(study, free_port(), folder / "server.log")
        servers.append(server)
        server.start()
        return server

    yield start
    stop_all(servers)


@pytest.fixture(scope="session", autouse=True)
def _fork_server_ends_with_the_run() -> Iterator[None]:
    yield
    FORK_SERVER.close()


@pytest.fixture(scope="session")
def survey_server(start_server: Callable[..., SurveyServer]) -> SurveyServer:
    """The server that the tests share; each takes raters of its own."""
    return start_server(raters=40)


# Of one module and not of the session: while playwright runs, its event loop is the thread's running
# loop, and asyncio.run() of later modules in the same worker would be refused.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # How long a page may take before a test gives up: no bound of what is right, so a loaded machine's.
    expect.set_options(timeout=WAIT_MS)
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("Chromium is not installed (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            # Under a name, the server is what it is to a tablet: a host over plain http.
            args=["--no-sandbox", "--host-resolver-rules=MAP classroom.test 127.0.0.1"],
        )
        yield browser
        browser.close()


def eventually(read: Callable[[], T], want: T) -> None:
    """Until what is read of a page is what is wanted: ``expect``, for what it has no word for.

    A page answers when it gets to it; what is read right after a tap is another moment on every machine.
    """
    deadline = time.monotonic() + WAIT_MS / 1000
    while (found := read()) != want and time.monotonic() < deadline:
        time.sleep(0.05)  # on purpose: between two looks
    assert found == want


def wait_until_still(page: Page) -> None:
    """Until nothing fades or moves, every lazy widget is drawn and what was drawn is painted."""
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    page.wait_for_function(
        "document.getAnimations().every(a => a.playState !== 'running'"
        " || a.effect.getComputedTiming().iterations === Infinity)"
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def after_the_pages_timers(page: Page, milliseconds: int) -> None:
    """Until every timer is over that the page has set up to now for at most so long.

    By a timer of the page itself, which cannot come before them however slow the machine is.
    """
    page.evaluate("ms => new Promise(done => setTimeout(done, ms + 1))", milliseconds)


def wait_until_settled(page: Page) -> None:
    """Until the run of the page is over, nothing of the page before is left, and taps are served."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    wait_until_served(page)


def wait_until_served(page: Page) -> None:
    """Until the page takes taps and keys; Playwright's own taps wait for that by themselves."""
    page.locator("html:not([data-evenhand-quiet])").wait_for(state="attached")


@dataclasses.dataclass
class RaterPage:
    """A person at a tablet: what the tests do, they do by touch."""

    page: Page

    def new_tab(self, address: str) -> RaterPage:
        tab = self.page.context.new_page()
        tab.goto(address)
        return RaterPage(tab)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def items(self) -> list[Locator]:
        self.page.get_by_role("radiogroup").nth(7).wait_for()
        wait_until_settled(self.page)
        return self.page.get_by_role("radiogroup").all()

    def consent(self) -> None:
        self.button("I have read this and I take part").tap()
        self.page.get_by_role("heading", name="About you").wait_for()
        wait_until_settled(self.page)

    def tell_about_self(self) -> None:
        self.page.get_by_text("Woman", exact=True).tap()
        self.page.get_by_text("Never", exact=True).tap()
        self.button("Save and continue").tap()
        self.page.get_by_role("heading", name="What you will do").wait_for()

    def practise(self) -> None:
        self.answer([3] * 8)
        self.button("Start rating").tap()
        self.wait_for_response(1)

    def answer(self, points: list[int]) -> None:
        for item, point in zip(self.items(), points, strict=False):
            target = item.get_by_role("radio").nth(point - 1)
            target.tap()
            expect(target).to_have_attribute("aria-checked", "true")

    def save(self) -> None:
        self.button("Save and continue").tap()

    def wait_for_response(self, position: int, total: int = 6) -> None:
        self.page.get_by_role("heading", name=f"Response {position} of {total}").wait_for()
        self.page.get_by_role("radiogroup").nth(7).wait_for()

    def wait_for_saved(self, done: int, total: int = 6) -> None:
        self.page.get_by_text(f"Saved: {done} of {total}").wait_for()


@pytest.fixture
def open_tablet(chromium: Browser) -> Iterator[Callable[..., RaterPage]]:
    """Opens tablets (820 x 1180 unless told), each a browser of its own."""
    contexts = []

    def open_one(link: str, width: int = 820, height: int = 1180) -> RaterPage:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, has_touch=True, reduced_motion="reduce"
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(link)
        return RaterPage(page)

    yield open_one
    for context in contexts:
        context.close()
