"""A study's judge from its protocol: rubrics, plan, estimate and run in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.backends.model_files import locate_checkpoint, sha256_of_folder, sha256_of_hashes
from models.judge.asking.calls import Asker, EndpointAsker
from models.judge.asking.limits import RateLimits, cost_of
from models.judge.asking.running import (
    JudgeStep,
    Pending,
    RunOptions,
    RunSummary,
    pending,
    run_calls,
)
from models.judge.asking.sending import LocalSender
from models.judge.verdicts.readings import SCRIPTED_MODEL
from models.judge.wording.declaration import hard_faults, judge_hashes
from models.judge.wording.plan import JudgeCall, JudgeIdentity, Planner
from models.judge.wording.probes import PROBES, ProbePlan, plan_probe
from models.judge.wording.rubrics import Rubric, load_rubrics
from study.errors import LockError, ModelError, ProtocolError, StoreError
from study.protocol.endpoint_address import shown_address
from study.protocol.judge import Judge
from study.protocol.systems import System
from study.store.judge.verdicts import Outcome, read_calls, read_ledger
from study.store.locking import read_lock
from study.store.responses import read_responses
from study.store.study import Study

# Begins the address of a judge that is a checkpoint; the SHA-256 over its files follows.
LOCAL = "local:"


@dataclass(frozen=True)
class Estimate:
    """What a run would cost, before it starts.

    Attributes
    ----------
    calls, already, in_doubt : int
        Calls to make; answered before; sent by a run that was lost.
    prompt_tokens, completion_tokens : int
        Expected: four bytes a token for the input; for the output the mean of what the ledger holds
        for the same rubric, or the most that is allowed.
    cost : float or None
        Expected cost of the calls; None without a price.
    cost_at_most : float or None
        No run of these calls can cost more, retries after a lost answer apart.
    spent : float
        Cost of the ledger so far.
    currency : str
    """

    calls: int
    already: int
    in_doubt: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    cost_at_most: float | None
    spent: float
    currency: str


@dataclass(frozen=True)
class JudgeSession:
    """A study's judge, ready to plan and run.

    Make one with :func:`open_session`.
    """

    study: Study
    judge: Judge
    rubrics: tuple[Rubric, ...]
    identity: JudgeIdentity

    @property
    def planner(self) -> Planner:
        """Makes this judge's calls."""
        return Planner(self.judge, self.identity, self.study.key)

    def calls(self) -> list[JudgeCall]:
        """All calls on the study's responses."""
        responses = read_responses(self.study)
        return self.planner.plan(self.rubrics, self.study.protocol.prompts, responses)

    def estimate(self, calls: Sequence[JudgeCall]) -> Estimate:
        """What the calls that are missing would cost."""
        left = pending(self.study, calls, price=self.judge.price)
        prompt = sum(call.prompt_tokens_expected for call in left.todo)
        output = self._expected_output(left)
        price = self.judge.price
        most = [call.planned.cost_at_most or 0.0 for call in left.todo]
        return Estimate(
            calls=len(left.todo),
            already=left.already,
            in_doubt=left.in_doubt,
            prompt_tokens=prompt,
            completion_tokens=output,
            cost=cost_of(price, prompt, output),
            cost_at_most=sum(most) if price else None,
            spent=left.spent,
            currency=price.currency if price else "",
        )

    def _expected_output(self, left: Pending) -> int:
        seen: dict[str, list[int]] = {}
        for row in read_calls(self.study):
            if row.completion_tokens is not None:
                seen.setdefault(row.rubric_sha256, []).append(row.completion_tokens)
        total = 0.0
        for call in left.todo:
            known = seen.get(call.planned.rubric_sha256)
            total += sum(known) / len(known) if known else call.completion_tokens_at_most
        return round(total)

    def probe_plans(self, names: Sequence[str]) -> list[ProbePlan]:
        """The calls of each of these probes, once; ``all`` stands for every probe.

        Raises
        ------
        ProtocolError
            When there is no such probe, or no rubric of the protocol to which it can be put.
        """
        prompts, responses = self.study.protocol.prompts, read_responses(self.study)
        return [
            plan_probe(name, self.planner, self.rubrics, prompts, responses)
            for name in (PROBES if "all" in names else dict.fromkeys(names))
        ]

    def ended_with(self, calls: Sequence[JudgeCall], outcomes: Sequence[str]) -> frozenset[str]:
        """Cache keys of those calls of which any criterion ended with one of these outcomes.

        Raises
        ------
        StoreError
            When there is no such outcome.
        """
        unknown = [name for name in outcomes if name not in list(Outcome)]
        if unknown:
            raise StoreError(
                f"There is no outcome {unknown[0]!r}; expected one of: {', '.join(Outcome)}."
            )
        planned = {call.planned.cache_key for call in calls}
        ledger = read_ledger(self.study)
        return frozenset(
            stored.call.cache_key
            for probe in {call.planned.probe for call in calls}
            for stored in ledger.verdicts(probe)
            if stored.verdict.outcome in outcomes and stored.call.cache_key in planned
        )

    def run(
        self,
        calls: Sequence[JudgeCall],
        *,
        max_cost: float | None = None,
        again: frozenset[str] = frozenset(),
        on_step: Callable[[JudgeStep], None] | None = None,
        cluster: str = "",
    ) -> RunSummary:
        """Make the calls that are missing (see :func:`models.judge.asking.running.run_calls`).

        The protocol's ``max_cost`` holds as well; the smaller one counts.

        Parameters
        ----------
        cluster : str
            Address of a Dask scheduler whose workers send the requests; empty for this process.
        """
        caps = [cap for cap in (max_cost, self.judge.max_cost) if cap is not None]
        options = RunOptions(min(caps) if caps else None, again, on_step)
        if cluster:
            if self.judge.batch:
                raise ModelError(
                    "judge.batch is set: the endpoint itself works through the batch, so --cluster has "
                    "nothing to do. Leave it out."
                )
            return asyncio.run(self._run(self.judge, calls, options, cluster))
        with self._reachable() as judge:
            return asyncio.run(self._run(judge, calls, options, ""))

    async def _run(
        self,
        judge: Judge,
        calls: Sequence[JudgeCall],
        options: RunOptions,
        cluster: str,
    ) -> RunSummary:
        if judge.batch:
            from models.judge.asking.batches import run_batch

            return await run_batch(self.study, judge, calls, options)
        limits = RateLimits(judge.requests_per_minute, judge.tokens_per_minute)
        asker = await self._asker(judge, limits, cluster)
        try:
            return await run_calls(self.study, judge, calls, asker, limits, options)
        finally:
            await asker.close()

    async def _asker(self, judge: Judge, limits: RateLimits, cluster: str) -> Asker:
        if cluster:
            from models.judge.asking.cluster_sender import ClusterSender

            files = self.identity.endpoint.removeprefix(LOCAL) if self._is_local else ""
            sender = await ClusterSender.connect(
                cluster, judge, study_folder=self.study.folder, files=files
            )
            return EndpointAsker(judge, limits, sender)
        if self._is_local:
            from models.judge.asking.local import LocalAsker

            return LocalAsker(judge, self.study.folder)
        return EndpointAsker(judge, limits, LocalSender(judge))

    @property
    def _is_local(self) -> bool:
        return self.judge.backend == "transformers"

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[Judge]:
        """The judge with an address that answers; the scripted one is started here."""
        if self.judge.backend != "scripted":
            yield self.judge
            return
        from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving

        with serving(ScriptedJudge()) as address:
            yield self.judge.model_copy(update={"endpoint": address, "model": SCRIPTED_MODEL})


def open_session(study: Study) -> JudgeSession:
    """The judge that a study's protocol declares.

    Raises
    ------
    ProtocolError
        When none is declared, a field is missing or has no meaning, or a rubric cannot be read.
    ModelError
        When the checkpoint of a judge on this machine is not there.
    """
    judge = study.protocol.judge
    if judge is None:
        raise ProtocolError(
            "The protocol declares no judge. Add a block 'judge' with backend and rubrics to "
            "study.yaml before the lock."
        )
    if faults := hard_faults(judge):
        raise ProtocolError(faults[0])
    rubrics = load_rubrics(judge.rubrics, study.protocol, study_folder=study.folder)
    _refuse_other_than_locked(study)
    identity = _identity(judge, study.folder)
    return JudgeSession(
        study, judge.model_copy(update={"model": identity.model}), rubrics, identity
    )


def _refuse_other_than_locked(study: Study) -> None:
    present = judge_hashes(study.protocol, study.folder)
    lock = read_lock(study)
    for name, digest in present.items():
        # A study that was locked before the lock held these has none of them.
        locked = lock.hashes.get(name, digest) if lock else digest
        if locked != digest:
            what = "rubrics differ" if name == "judge_rubrics" else "prompts' wording differs"
            raise LockError(
                f"The judge's {what} from what was locked (SHA-256 {digest[:12]}..., locked "
                f"{locked[:12]}...), so its verdicts would not be those that were declared. Put the "
                "locked rubric files back, or use the evenhand with which the study was locked."
            )


def _identity(judge: Judge, study_folder: Path) -> JudgeIdentity:
    match judge.backend:
        case "scripted":
            return JudgeIdentity(SCRIPTED_MODEL, "scripted", simulated=True)
        case "openai":
            return JudgeIdentity(judge.model, shown_address(judge.endpoint))
        case "transformers":
            system = System(id="judge", title="Judge", backend="transformers", model=judge.model)
            folder = locate_checkpoint(system, study_folder)
            digest = sha256_of_hashes(sha256_of_folder(folder))
            return JudgeIdentity(judge.model, f"{LOCAL}{digest}")
    raise ModelError(
        f"judge.backend is {judge.backend!r}; expected openai, transformers, scripted."
    )
