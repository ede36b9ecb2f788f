"""Running the judge: what is missing is asked, every reply is kept, a killed run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from models.judge.asking.calls import Asker, RawReply
from models.judge.asking.ledger_writer import LedgerWriter
from models.judge.asking.limits import Budget, RateLimits, cost_at_most
from models.judge.verdicts.readings import call_result
from models.judge.wording.plan import JudgeCall
from study.errors import ModelError
from study.protocol.judge import Judge, JudgePrice
from study.store.exclusive import only_judge
from study.store.judge.verdicts import CallResult, log_judge_run, read_calls
from study.store.study import Study


@dataclass(frozen=True)
class JudgeStep:
    """Where a run is.

    Attributes
    ----------
    done, total : int
        Calls that have ended, of those that this run makes.
    spent : float
        Cost of the whole ledger so far, in the currency of the protocol's price.
    """

    done: int
    total: int
    spent: float


@dataclass
class RunSummary:
    """What one run did.

    Attributes
    ----------
    planned, already, asked, not_asked : int
        Calls of the plan; answered before; ended in this run; left for a later run.
    in_doubt : int
        Requests of earlier runs that were sent and whose answer was lost with the run.
    failed : int
        Of ``asked``: calls that brought no reply.
    reasons : Counter
        What was said of those, with how often.
    usage_faults : Counter
        What was wrong with the usage that answers reported; those are counted at the most.
    outcomes : Counter
        Outcomes of the criteria in this run.
    spent : float or None
        Cost of the whole ledger; None without a price.
    stopped : str
        Why the run ended early, or empty.
    """

    planned: int
    already: int
    in_doubt: int
    asked: int = 0
    not_asked: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    usage_faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    spent: float | None = None
    stopped: str = ""

    def count(self, result: CallResult, answer: RawReply) -> None:
        """One more call has ended."""
        self.asked += 1
        self.outcomes.update(str(v.outcome) for v in result.verdicts)
        if result.usage_fault:
            self.usage_faults[result.usage_fault] += 1
        if answer.failure is not None:
            self.failed += 1
            self.reasons[str(answer.failure["message"]).rstrip(".")] += 1

    @property
    def why(self) -> str:
        """What was said most often of the calls that failed; empty when none did."""
        return self.reasons.most_common(1)[0][0] if self.reasons else ""


class CallsFailedError(ModelError):
    """Call after call fails: what was asked was right, and the endpoint did not answer it."""

    exit_code = 1


@dataclass(frozen=True)
class Pending:
    """What a plan still lacks.

    Attributes
    ----------
    todo : list of JudgeCall
    already : int
        Calls that are answered.
    in_doubt : int
        Calls of ``todo`` that an earlier run has sent without reading an answer.
    spent : float
        What the ledger has cost so far, lost requests at the most that they can have cost.
    rounds : dict
        Cache key -> number of rounds that are answered.
    """

    todo: list[JudgeCall]
    already: int
    in_doubt: int
    spent: float
    rounds: dict[str, int]


def pending(
    study: Study,
    calls: Sequence[JudgeCall],
    *,
    again: frozenset[str] = frozenset(),
    price: JudgePrice | None = None,
) -> Pending:
    """Compare a plan with the ledger.

    Parameters
    ----------
    again : frozenset of str
        Cache keys that are asked once more although they are answered.
    price : JudgePrice, optional
        For what lost requests can have cost, also those that the plan no longer holds.
    """
    ledger = read_calls(study)
    rounds = Counter(call.cache_key for call in ledger if call.state == "answered")
    lost = {call.cache_key for call in ledger if call.state == "sent"}
    by_key = {call.planned.cache_key: call for call in calls}
    todo = [call for key, call in by_key.items() if key in again or key not in rounds]
    spent = sum(call.cost or 0.0 for call in ledger)
    spent += sum(cost_at_most(price, c.request) or 0.0 for c in ledger if c.state == "sent")
    doubtful = sum(call.planned.cache_key in lost for call in todo)
    return Pending(todo, len(by_key) - len(todo), doubtful, spent, dict(rounds))


@dataclass(frozen=True)
class RunOptions:
    """How one run is made.

    Attributes
    ----------
    max_cost : float or None
        Hard cap on the cost of the whole ledger, in the currency of the price.
    again : frozenset of str
        Cache keys that are asked once more although they are answered.
    on_step : callable or None
        Told after every call.
    """

    max_cost: float | None = None
    again: frozenset[str] = frozenset()
    on_step: Callable[[JudgeStep], None] | None = None


async def run_calls(
    study: Study,
    judge: Judge,
    calls: Sequence[JudgeCall],
    asker: Asker,
    limits: RateLimits,
    options: RunOptions,
) -> RunSummary:
    """Make the calls that the ledger lacks.

    Raises
    ------
    ModelError
        When the endpoint refuses the judge.
    CallsFailedError
        When call after call fails.
    StoreError
        When the ledger cannot be written; nothing more is asked then.
    """
    if options.max_cost is not None and judge.price is None:
        raise ModelError(
            f"The cost is capped at {options.max_cost:g}, but the protocol names no judge.price, so "
            "nobody can count it. Declare judge.price or leave the cap out."
        )
    left = pending(study, calls, again=options.again, price=judge.price)
    summary = RunSummary(len({c.planned.cache_key for c in calls}), left.already, left.in_doubt)
    budget = Budget(options.max_cost, left.spent)
    run = _Run(study, judge, asker, left, summary, budget, options.on_step)
    limits.prepare(max((call.tokens_at_most for call in left.todo), default=0))
    with only_judge(study), _quick_handover():
        try:
            await run.work()
        finally:
            summary.spent = run.budget.spent if judge.price else None
            summary.not_asked = len(left.todo) - summary.asked
            if summary.asked:
                log_judge_run(study, run.log_entry())
    return summary


@contextlib.contextmanager
def _quick_handover() -> Iterator[None]:
    """Let the event loop take the interpreter back from the ledger's thread after 0.5 ms.

    With Python's 5 ms, each reply that arrives during a commit waits that long: at 32 calls at a time
    of 200 ms, 95 % of the ceiling became 97 %.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@dataclass
class _Run:
    study: Study
    judge: Judge
    asker: Asker
    left: Pending
    summary: RunSummary
    budget: Budget
    on_step: Callable[[JudgeStep], None] | None
    failed_in_a_row: int = 0
    error: ModelError | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        todo = iter(self.left.todo)
        writer = LedgerWriter(self.study)
        try:
            with self._stopped_by_ctrl_c():
                # Only an error of the ledger or a defect ends calls that are under way.
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self.judge.concurrency, len(self.left.todo))):
                        group.create_task(self._worker(todo, writer, group))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await writer.close()
        if self.error is not None:
            raise self.error

    @contextlib.contextmanager
    def _stopped_by_ctrl_c(self) -> Iterator[None]:
        """The first Ctrl-C lets the calls under way end, so that their answers are kept."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.summary.stopped = self.summary.stopped or "stopped by Ctrl-C"
            loop.remove_signal_handler(signal.SIGINT)

        before = signal.getsignal(signal.SIGINT)
        # A job in the background has it ignored (`nohup`, `&` in a script); that holds.
        handles = (
            threading.current_thread() is threading.main_thread() and before is not signal.SIG_IGN
        )
        if handles:
            loop.add_signal_handler(signal.SIGINT, stop)
        try:
            yield
        finally:
            if handles:
                loop.remove_signal_handler(signal.SIGINT)
                # The loop leaves Python's own handler, whatever there was.
                if before is not None:
                    signal.signal(signal.SIGINT, before)

    async def _worker(
        self, todo: Iterator[JudgeCall], writer: LedgerWriter, group: asyncio.TaskGroup
    ) -> None:
        """One call after the other; the disk works while the endpoint does.

        While a call is under way, the row of the next one is committed, and while the next one is
        under way, the answer of this one. So a kill leaves at most two calls of each worker open.
        """
        ready = await self._prepare(todo, writer)
        kept: asyncio.Task[None] | None = None
        while ready is not None:
            call, call_id = ready
            if self.summary.stopped:
                unsent = RawReply(None, {"kind": "not sent", "message": "not sent"}, 0, 0, 0.0)
                await self._keep(call, call_id, unsent, writer, is_outcome=False)
                break
            coming = group.create_task(self._prepare(todo, writer))
            answer, refused = await self._ask(call, writer)
            if kept is not None:
                await kept
            kept = group.create_task(
                self._keep(call, call_id, answer, writer, is_outcome=not refused)
            )
            ready = await coming
        if kept is not None:
            await kept

    async def _prepare(
        self, todo: Iterator[JudgeCall], writer: LedgerWriter
    ) -> tuple[JudgeCall, int] | None:
        """The next call with its row committed, or None when there is none to make."""
        if self.summary.stopped or (call := next(todo, None)) is None:
            return None
        if not await self._reserve(call):
            return None
        return call, await writer.sent(call.planned)

    async def _ask(self, call: JudgeCall, writer: LedgerWriter) -> tuple[RawReply, bool]:
        """The answer, and whether the endpoint refused the judge as such."""

        async def again() -> bool:
            if not self.budget.charge(call.planned.cost_at_most):
                return False
            # On disk before the next attempt: a run that is killed then has lost no cost.
            await writer.sent(call.planned)
            return True

        round_ = self.left.rounds.get(call.planned.cache_key, 0) + 1
        answer = await self.asker.ask(
            call.planned.request,
            idempotency_key=f"{call.planned.cache_key}-{round_}",
            tokens=call.tokens_at_most,
            again=again,
        )
        if answer.ends_run:
            self._end(ModelError(answer.ends_run))
        return answer, bool(answer.ends_run)

    async def _keep(
        self,
        call: JudgeCall,
        call_id: int,
        answer: RawReply,
        writer: LedgerWriter,
        *,
        is_outcome: bool,
    ) -> None:
        """Commit how a call ended; only then does it count."""
        result = call_result(self.judge, call, call_id, answer)
        if not is_outcome:
            result = dataclasses.replace(result, verdicts=())
        await writer.ended(result)
        self.budget.settle(call.planned.cost_at_most, result.cost)
        self.settled.set()
        if is_outcome:
            self._count(result, answer)

    async def _reserve(self, call: JudgeCall) -> bool:
        at_most = call.planned.cost_at_most
        while not self.budget.reserve(at_most):
            if not self.budget.under_way or self.summary.stopped:
                self.summary.stopped = self.summary.stopped or (
                    f"the next call could cost {at_most:.6f}, and then the cap of "
                    f"{self.budget.cap:g} could be passed ({self.budget.spent:.6f} spent so far)"
                )
                return False
            # Calls under way usually cost less than was set aside for them.
            self.settled.clear()
            await self.settled.wait()
        return True

    def _end(self, error: ModelError) -> None:
        self.error = self.error or error
        self.summary.stopped = self.summary.stopped or str(error)

    def _count(self, result: CallResult, answer: RawReply) -> None:
        self.summary.count(result, answer)
        if self.on_step is not None:
            step = JudgeStep(self.summary.asked, len(self.left.todo), self.budget.spent)
            self.on_step(step)
        self.failed_in_a_row = 0 if answer.failure is None else self.failed_in_a_row + 1
        if answer.failure is not None and self.failed_in_a_row >= 5 + self.judge.concurrency:
            self._end(
                CallsFailedError(
                    f"The judge at {self.judge.endpoint or self.judge.model} failed "
                    f"{self.failed_in_a_row} times in a row, the last time: "
                    f"{str(answer.failure['message']).rstrip('.')}. What it answered before is kept. "
                    "Mend this and run `evenhand judge` again: it asks only what is missing."
                )
            )

    def log_entry(self) -> dict[str, object]:
        return {
            "model": self.judge.model,
            "asked": self.summary.asked,
            "outcomes": dict(self.summary.outcomes),
            "ledger_sha256": ledger_sha256(self.study),
        }


def ledger_sha256(study: Study) -> str:
    """SHA-256 (hex) over all raw replies; each run writes it into the audit log."""
    digest = hashlib.sha256()
    for call in read_calls(study):
        body = "" if call.reply is None else str(call.reply.get("body"))
        digest.update(f"{call.cache_key} {call.round} {call.state} {body}\n".encode())
    return digest.hexdigest()
