"""Load: simulated raters who speak the pages' own WebSocket protocol to a server on this machine.

What is measured is what a rater waits for: the time from the message that a tap sends until the next
response is drawn in full. No browser is involved, so the browser's own time comes on top.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from study import participation
from study.errors import EvenhandError
from study.store.raters import enrol, find_by_code
from study.store.study import Study
from survey_app.server.settings import RATER_COOKIE

_PAGE = re.compile(r'data-evenhand-page="([^"]+)"')
_PATIENCE_S = 120
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class LoadError(EvenhandError):
    """A load test cannot be run as asked, or a page did not behave."""


@dataclass(frozen=True)
class LoadResult:
    """What many raters at once experienced.

    Parameters
    ----------
    raters, submissions : int
    seconds : float
        From the first to the last submission.
    p50_ms, p95_ms, p99_ms, max_ms : float
        From a submission to the next response, milliseconds.
    per_second : float
        Submissions a second.
    errors : tuple of str
        What went wrong, one line a rater; those raters' later submissions are missing.
    """

    raters: int
    submissions: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    per_second: float
    errors: tuple[str, ...]


def prepare_raters(study: Study, number: int) -> list[str]:
    """Enrol simulated raters and take them to their first response; gives their links' secrets.

    Raises
    ------
    LockError
        When the study is not locked.
    """
    about: dict[str, str | int | None] = {
        question.id: question.options[0].value if question.options else question.minimum or 0
        for question in study.protocol.demographics
    }
    tokens = []
    for enrolment in enrol(study, study.protocol.groups[0].id, number, simulated=True):
        rater = enrolment.rater
        participation.consent(study, rater)
        participation.save_demographics(study, rater, about)
        participation.finish_practice(study, find_by_code(study, rater.code))
        tokens.append(enrolment.token)
    return tokens


def measure_load(
    address: str,
    tokens: Sequence[str],
    *,
    responses: int,
    thinking_s: float = 0.0,
    seed: int = 1,
) -> LoadResult:
    """Let raters rate at the same time and measure how long each waits.

    Parameters
    ----------
    address : str
        Of a server on this machine, for example ``"http://127.0.0.1:8501"``.
    tokens : sequence of str
        Secrets of raters who have a response to rate.
    responses : int
        Responses that each rater rates; the last one that a rater has may be among them.
    thinking_s : float
        Mean time between two submissions of a rater; drawn evenly from half to one and a half of it.
    seed : int
        Of the answers and the thinking times.

    Raises
    ------
    LoadError
        When the address is not this machine's, or nobody could submit anything.
    """
    if urlsplit(address).hostname not in _LOCAL_HOSTS:
        raise LoadError(
            f"A load test runs against this machine only; found {address!r}, expected something like "
            "http://127.0.0.1:8501."
        )
    # In a thread of its own: the caller's may have an event loop already.
    with ThreadPoolExecutor(1) as thread:
        measuring = _measure(address, tokens, responses, thinking_s, seed)
        return thread.submit(asyncio.run, measuring).result()


async def _measure(
    address: str, tokens: Sequence[str], responses: int, thinking_s: float, seed: int
) -> LoadResult:
    raters = [
        _Rater(address, token, random.Random(f"{seed}-{number}"))  # noqa: S311 (no secret)
        for number, token in enumerate(tokens)
    ]
    try:
        errors = [e for e in await asyncio.gather(*(rater.open() for rater in raters)) if e]
        ready = [rater for rater in raters if rater.button]
        begin = time.perf_counter()
        outcomes = await asyncio.gather(*(rater.rate(responses, thinking_s) for rater in ready))
        seconds = time.perf_counter() - begin
    finally:
        await asyncio.gather(*(rater.close() for rater in raters))
    errors += [outcome for outcome in outcomes if outcome]
    waits = sorted(wait for rater in raters for wait in rater.waits_ms)
    if not waits:
        raise LoadError(f"No rater could submit anything: {'; '.join(errors[:3]) or 'no rater'}.")
    return LoadResult(
        raters=len(raters),
        submissions=len(waits),
        seconds=seconds,
        p50_ms=_quantile(waits, 0.50),
        p95_ms=_quantile(waits, 0.95),
        p99_ms=_quantile(waits, 0.99),
        max_ms=waits[-1],
        per_second=len(waits) / seconds,
        errors=tuple(errors),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between order statistics (type 7 of Hyndman and Fan)."""
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass
class _Rater:
    """One simulated rater's connection, with what the page last drew."""

    address: str
    token: str
    generator: random.Random
    waits_ms: list[float] = field(default_factory=list)
    items: list[tuple[str, list[str]]] = field(default_factory=list)
    button: str = ""
    page: str = ""
    socket: Any = None
    script: str = ""

    async def open(self) -> str | None:
        """Open the page; gives what went wrong."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException
        from websockets.typing import Origin, Subprotocol

        host = urlsplit(self.address).netloc
        try:
            self.socket = await connect(
                f"ws://{host}/_stcore/stream",
                origin=Origin(self.address),
                subprotocols=[Subprotocol("streamlit"), Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
                additional_headers={"Cookie": f"{RATER_COOKIE}={self.token}"},
                max_size=None,
                ping_interval=None,
                open_timeout=_PATIENCE_S,
            )
            await self._run([])
        except (OSError, WebSocketException, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return None if self.button else f"no response to rate on the page {self.page!r}"

    async def rate(self, responses: int, thinking_s: float) -> str | None:
        """Rate responses one after the other; gives what went wrong."""
        from websockets.exceptions import WebSocketException

        try:
            for _ in range(responses):
                await asyncio.sleep(thinking_s * self.generator.uniform(0.5, 1.5))
                before, states = self.page, self._answers()
                began = time.perf_counter()
                await self._run(states)
                if self.page == before:
                    return f"the page stayed at {before}"
                self.waits_ms.append((time.perf_counter() - began) * 1000)
                if not self.button:
                    break
        except (OSError, WebSocketException, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    async def close(self) -> None:
        """Give the connection back."""
        if self.socket is not None:
            await self.socket.close()

    def _answers(self) -> list[Any]:
        from streamlit.proto.WidgetStates_pb2 import WidgetState

        states = []
        for identity, options in self.items:
            state = WidgetState(id=identity)
            state.string_array_value.data.append(self.generator.choice(options))
            states.append(state)
        return [*states, WidgetState(id=self.button, trigger_value=True)]

    async def _run(self, states: list[Any]) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.page_script_hash = self.script
        message.rerun_script.widget_states.widgets.extend(states)
        await self.socket.send(message.SerializeToString())
        await asyncio.wait_for(self._read(), _PATIENCE_S)

    async def _read(self) -> None:
        """Read what the page draws, until the run is over."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        while True:
            message = ForwardMsg.FromString(await self.socket.recv())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.script = message.new_session.page_script_hash
                self.items, self.button = [], ""
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._see(message.delta.new_element)
            elif (
                kind == "script_finished"
                # A run that was cut short for a rerun is followed by that rerun.
                and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return

    def _see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "button_group":
            group = element.button_group
            self.items.append((group.id, [option.content for option in group.options]))
        elif kind == "button" and element.button.is_form_submitter:
            # The first one saves; the one below it goes back.
            self.button = self.button or element.button.id
        elif kind == "html" and (mark := _PAGE.search(element.html.body)):
            self.page = mark.group(1)
