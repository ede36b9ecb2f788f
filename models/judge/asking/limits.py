"""What bounds a run: requests and tokens a minute, pauses that the endpoint asks for, and the cost."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import ModelError
from study.protocol.judge import JudgePrice

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

# Tokens of a chat template around one message, taken generously.
TEMPLATE_TOKENS = 16


# An endpoint may count the token that ends a reply, which max_tokens does not.
END_TOKENS = 1
# How the length of a reply is called, by endpoint.
LENGTH_PARAMETERS = ("max_tokens", "max_completion_tokens")


def prompt_tokens_at_most(request: Mapping[str, Any]) -> int:
    """More tokens than any usual tokenizer makes of what is sent: one for each byte.

    Byte-level vocabularies never need more than one token a byte, so a cap that counts with this
    holds. Endpoints count the schema of the reply as a part of the prompt.
    """
    described = request.get("response_format")
    schema = len(json.dumps(described).encode()) if described else 0
    texts = (str(message["content"]) for message in request["messages"])
    return schema + sum(len(text.encode()) + TEMPLATE_TOKENS for text in texts)


def completion_tokens_at_most(request: Mapping[str, Any]) -> int:
    """The most tokens that the reply to a request may have."""
    longest = next(int(request[name]) for name in LENGTH_PARAMETERS if name in request)
    return longest + END_TOKENS


def cost_at_most(price: JudgePrice | None, request: Mapping[str, Any]) -> float | None:
    """The most that one attempt at a request can cost, or None without a price."""
    return cost_of(price, prompt_tokens_at_most(request), completion_tokens_at_most(request))


def tokens_expected(messages: Sequence[Mapping[str, str]]) -> int:
    """A plain estimate for planning: four bytes a token."""
    return math.ceil(sum(len(m["content"].encode()) / 4 + TEMPLATE_TOKENS / 2 for m in messages))


def cost_of(price: JudgePrice | None, prompt_tokens: int, completion_tokens: int) -> float | None:
    """What a call costs, or None when the protocol names no price."""
    if price is None:
        return None
    return (
        prompt_tokens * price.input_per_million + completion_tokens * price.output_per_million
    ) / 1e6


class RateLimits:
    """Requests and tokens a minute, and a pause for all when the endpoint asks one to wait.

    In no window of ``period_s`` do more requests or tokens start than allowed: a bucket that holds
    up to a twentieth of the limit at once leaks at the rest of the rate. Where one request may take
    more than half of the limit, each starts as soon as the last ``period_s`` leave room for it.

    Parameters
    ----------
    requests, tokens : int or None
        Limit in each ``period_s``; None is no limit.
    period_s : float
        Seconds.
    """

    def __init__(self, requests: int | None, tokens: int | None, *, period_s: float = 60.0) -> None:
        self._tokens = tokens
        self._by_request = _bucket(requests, 1, period_s)
        self._period_s = period_s
        self._by_token: AsyncLimiter | _LastPeriod | None = None
        self._not_before = 0.0

    def prepare(self, largest_request: int) -> None:
        """Make room for the largest request, in tokens.

        Raises
        ------
        ModelError
            When one request alone is larger than the limit.
        """
        if self._tokens is not None and largest_request > self._tokens:
            raise ModelError(
                f"One request can take {largest_request} tokens (each byte counted as one, and "
                f"judge.sampling.max_tokens), but judge.tokens_per_minute is {self._tokens}. Raise "
                "the limit or lower max_tokens."
            )
        self._by_token = _bucket(self._tokens, largest_request, self._period_s)

    async def admit(self, tokens: int) -> None:
        """Wait until one more request of this size may start."""
        if self._by_request is not None:
            await self._by_request.acquire()
        if self._by_token is not None:
            await self._by_token.acquire(tokens)
        loop = asyncio.get_running_loop()
        while (wait := self._not_before - loop.time()) > 0:
            await asyncio.sleep(wait)

    def pause(self, seconds: float) -> None:
        """No request starts before this many seconds have passed."""
        until = asyncio.get_running_loop().time() + seconds
        self._not_before = max(self._not_before, until)


class _LastPeriod:
    """What started in the last period, each with its size; first come, first served."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._started: deque[tuple[float, float]] = deque()
        self._turn = asyncio.Lock()

    async def acquire(self, amount: float = 1) -> None:
        """Wait until the last period has room for this amount, and count it."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            while self._started and sum(n for _, n in self._started) + amount > self._limit:
                await asyncio.sleep(self._started[0][0] + self._period_s - loop.time())
                while self._started and self._started[0][0] + self._period_s <= loop.time():
                    self._started.popleft()
            self._started.append((loop.time(), amount))


def _bucket(limit: int | None, largest: int, period_s: float) -> AsyncLimiter | _LastPeriod | None:
    if limit is None:
        return None
    # In any one period a leaky bucket lets through what it holds and what leaks meanwhile: only if both
    # together are the limit does no window hold more. A request must fit into the bucket at once, so
    # that one of nearly the whole limit would leave nearly nothing to leak: hours for the next one.
    if largest > limit / 2:
        return _LastPeriod(limit, period_s)
    from aiolimiter import AsyncLimiter

    capacity = max(float(largest), limit / 20)
    leak = (limit - capacity) / period_s
    return AsyncLimiter(capacity, capacity / leak)


@dataclass
class Budget:
    """The cost so far and the most that calls under way can add.

    A call may start only when everything spent, everything that might have been charged and the
    most that all calls under way can cost stay within the cap.
    """

    cap: float | None
    spent: float = 0.0
    reserved: float = 0.0
    under_way: int = 0

    def reserve(self, at_most: float | None) -> bool:
        """Set the most that a call can cost aside; False when the cap leaves no room for it."""
        amount = at_most or 0.0
        # A trillionth over is none: three times 0.1 is more than 0.3 in floats.
        if self.cap is not None and self.spent + self.reserved + amount > self.cap + 1e-12:
            return False
        self.reserved += amount
        self.under_way += 1
        return True

    def charge(self, at_most: float | None) -> bool:
        """Count an attempt that may have been charged, and keep what is set aside for another one.

        False when the cap leaves no room for both; then there must be no other attempt.
        """
        amount = at_most or 0.0
        if self.cap is not None and self.spent + self.reserved + amount > self.cap + 1e-12:
            return False
        self.spent += amount
        return True

    def settle(self, at_most: float | None, cost: float | None) -> None:
        """A call has ended: what was set aside for it becomes what it cost."""
        self.under_way -= 1
        # Sums and differences of floats need not come back to 0.
        self.reserved = self.reserved - (at_most or 0.0) if self.under_way else 0.0
        self.spent += cost or 0.0
