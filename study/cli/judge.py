"""The command judge: verdicts of the LLM judge, their cost, their failures and probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import (
    cluster_option,
    json_option,
    packed,
    print_json,
    print_table,
    refuse_where_nobody_can_answer,
    say,
    with_study,
)
from study.errors import Finding, LockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.judge.asking.running import JudgeStep, RunSummary
    from models.judge.session import Estimate, JudgeSession
    from models.judge.verdicts.outcomes import OutcomeRow
    from models.judge.wording.plan import JudgeCall
    from models.judge.wording.probes import ProbePlan
    from study.store.study import Study


@dataclass(frozen=True)
class Options:
    """The options of ``judge``."""

    yes: bool
    only_estimate: bool
    max_cost: float | None
    replay: bool
    reparse: bool
    again: tuple[str, ...]
    probes: tuple[str, ...]
    cluster: str | None


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask after the cost estimate.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Show the estimate and stop.")
@click.option("--max-cost", type=click.FloatRange(min=0), help="Stop before spending more in all.")
@click.option("--replay", is_flag=True, help="Use the ledger alone; ask nothing.")
@click.option("--reparse", is_flag=True, help="Read all raw replies anew; ask nothing.")
@click.option(
    "--again",
    multiple=True,
    metavar="OUTCOME",
    help="Ask once more what ended so, for example truncated; may be given several times.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME",
    help="Put a probe: identical, longer, degraded, swapped, paraphrased, or all.",
)
@cluster_option
@json_option
@with_study
@packed(Options)
def judge(study: Study, options: Options, as_json: bool) -> None:
    """Let the LLM judge score the locked responses; goes on where it stopped.

    Shows first what it will cost. Every request and reply is kept in the study's ledger. A reply that
    has no score is counted with its reason and never left out.

    \b
    Examples:
      evenhand judge --estimate
      evenhand judge --yes --max-cost 5
      evenhand judge --replay
      evenhand judge --probe swapped --probe longer
      evenhand judge --yes --cluster tcp://192.168.1.10:8786
    """
    from models.judge.session import open_session
    from study.store.locking import read_lock

    session = open_session(study)
    if options.reparse:
        _reparse(study, as_json)
        return
    plans = session.probe_plans(options.probes)
    calls: Sequence[JudgeCall] = session.calls()
    only_estimate = options.only_estimate
    if read_lock(study) is None and not (only_estimate and calls):
        first = "" if calls else "evenhand generate (or evenhand import FILE), then: "
        raise LockError(
            f"The study is not locked yet, and the judge scores locked responses. Run: {first}evenhand lock"
        )
    if plans:
        calls = [call for plan in plans for call in plan.calls]
    estimate = session.estimate(calls)
    summary = None
    if only_estimate or not options.replay:
        _show_estimate(session, estimate, as_json and not only_estimate)
    if only_estimate:
        if as_json:
            print_json(vars(estimate))
        return
    if not options.replay:
        keys = session.ended_with(calls, options.again)
        if estimate.calls or keys:
            _confirm(options.yes, as_json)
        summary = _run(session, calls, options.max_cost, keys, options.cluster or "")
    _show_results(session, plans, estimate, summary, as_json)


def _reparse(study: Study, as_json: bool) -> None:
    from models.judge.verdicts.cases import open_review_cases
    from models.judge.verdicts.readings import reparse

    done = reparse(study)
    opened = open_review_cases(study)
    if as_json:
        print_json(done | {"cases_opened": opened})
    else:
        say(f"{done['read']} replies read again, {done['changed']} outcomes changed.")


def _show_estimate(session: JudgeSession, estimate: Estimate, silent: bool) -> None:
    def line(text: str) -> None:
        click.echo(text, err=silent)

    who = session.identity
    line(f"Judge: {who.model} at {who.endpoint}" + (" (SIMULATED)" if who.simulated else ""))
    line(f"Rubrics: {', '.join(f'{r.id} {r.version}' for r in session.rubrics)}")
    line(f"{estimate.calls} calls to make, {estimate.already} are answered already.")
    if estimate.in_doubt:
        line(
            f"{estimate.in_doubt} of them were sent by a run that was lost and may be charged twice, "
            "unless the endpoint knows idempotency keys."
        )
    line(
        f"Expected: {estimate.prompt_tokens} input and {estimate.completion_tokens} output tokens."
    )
    if estimate.cost is None or estimate.cost_at_most is None:
        line("Cost: not known, because the protocol names no judge.price.")
    else:
        line(
            f"Cost: about {estimate.cost:.4f} {estimate.currency}, without lost answers at most "
            f"{estimate.cost_at_most:.4f}; spent so far {estimate.spent:.4f}."
        )


def _confirm(yes: bool, as_json: bool) -> None:
    if yes:
        return
    refuse_where_nobody_can_answer(as_json, "no call was made; give --yes to start the calls.")
    click.confirm("Start", abort=True)


def _run(
    session: JudgeSession,
    calls: Sequence[JudgeCall],
    max_cost: float | None,
    again: frozenset[str],
    cluster: str,
) -> RunSummary:
    from models.judge.verdicts.cases import open_review_cases

    try:
        with _progress(session.judge.price.currency if session.judge.price else "") as show:
            return session.run(calls, max_cost=max_cost, again=again, on_step=show, cluster=cluster)
    finally:
        open_review_cases(session.study)


def _progress(currency: str) -> Any:
    """A progress bar with the running cost, on the error stream."""
    import contextlib

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    @contextlib.contextmanager
    def shown() -> Any:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("Judging", total=None)

            def show(step: JudgeStep) -> None:
                cost = f", {step.spent:.4f} {currency}" if currency else ""
                progress.update(
                    task, completed=step.done, total=step.total, description=f"Judging{cost}"
                )

            yield show

    return shown()


def _show_results(
    session: JudgeSession,
    plans: Sequence[ProbePlan],
    estimate: Estimate,
    summary: RunSummary | None,
    as_json: bool,
) -> None:
    from models.judge.verdicts.outcomes import tabulate_outcomes
    from models.judge.wording.probes import probe_table
    from study.store.judge.models import model_changes
    from study.store.judge.review_cases import read_cases
    from study.store.judge.verdicts import read_ledger
    from study.store.locking import code_of_response

    study = session.study
    ledger = read_ledger(study)
    codes = code_of_response(study)
    mine = {call.planned.cache_key for call in session.calls()}
    verdicts = [v for v in ledger.verdicts() if v.call.cache_key in mine]
    table = tabulate_outcomes(verdicts, codes)
    changes = model_changes(ledger.calls)
    open_now = sum(case.state == "open" for case in read_cases(study))
    probed = []
    for plan in plans:
        both = [*ledger.verdicts(), *ledger.verdicts(plan.probe)]
        probed += probe_table(plan, both)
    if as_json:
        print_json(
            {
                "run": None if summary is None else vars(summary),
                "missing": estimate.calls if summary is None else summary.not_asked,
                "outcomes": [vars(row) | {"counts": dict(row.counts)} for row in table],
                "probes": [vars(row) for row in probed],
                "model_changes": changes,
                "open_cases": open_now,
            }
        )
    else:
        _say_results(summary, estimate, table, open_now)
        if probed:
            _print_probes(probed)
    findings = [*_run_findings(session, summary), *(f"{_sentence(c)}." for c in changes)]
    if findings:
        raise Finding("\n".join(findings))


def _run_findings(session: JudgeSession, summary: RunSummary | None) -> list[str]:
    if summary is None:
        return []
    who, found = session.identity, []
    if summary.asked and summary.failed == summary.asked:
        found.append(
            f"All {summary.asked} calls to {who.model} at {who.endpoint} failed: {summary.why}. Mend this "
            "and run `evenhand judge` again: it asks only what is missing."
        )
    if summary.not_asked:
        found.append(
            f"{summary.not_asked} calls were not made: {summary.stopped}. What was answered is kept; "
            "run `evenhand judge` again to go on."
        )
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _say_results(
    summary: RunSummary | None, estimate: Estimate, table: Sequence[OutcomeRow], open_cases: int
) -> None:
    if summary is None:
        say(f"From the ledger alone; {estimate.calls} calls of the plan are not in it.")
    else:
        spent = f" Spent in all: {summary.spent:.4f}." if summary.spent is not None else ""
        say(f"{summary.asked} calls made, {summary.already} were answered already.{spent}")
        for fault, n in sorted(summary.usage_faults.items()) if estimate.currency else ():
            say(
                f"{n} answers reported {fault}; each is counted at the most that it can have cost. The "
                "endpoint's own bill may differ."
            )
        if summary.failed:
            say(f"{summary.failed} of them brought no reply, most often: {summary.why}.")
    if any(row.simulated for row in table):
        say("SIMULATED: these verdicts were made up by a rule.")
    print_outcomes(table)
    if open_cases:
        say(f"{open_cases} cases wait for a person: evenhand review")


def print_outcomes(table: Sequence[OutcomeRow]) -> None:
    """The outcome table, by criterion and blind code."""
    from study.store.judge.verdicts import Outcome

    number: Callable[[float | None], str] = lambda v: "" if v is None else f"{v:.2f}"  # noqa: E731
    columns = [
        "rubric",
        "criterion",
        "system",
        "n",
        *Outcome,
        "mean",
        "worst case",
        "best case",
        "won",
        "tied",
    ]
    print_table(
        columns,
        [
            [
                *(row.rubric, row.criterion, row.system, row.n),
                *(row.counts[outcome] for outcome in Outcome),
                *(number(row.mean), number(row.worst), number(row.best)),
                *(("", "") if row.low is not None else (row.won, row.tied)),
            ]
            for row in table
        ],
        title="Outcomes; the bounds give what has no score the lowest and the highest point",
    )


def _print_probes(rows: Sequence[Any]) -> None:
    print_table(
        ["probe", "rubric", "criterion", "n", "compared", "up", "same", "down", "mean shift"],
        [
            [
                *(r.probe, r.rubric, r.criterion, r.n, r.compared, r.up, r.same, r.down),
                "" if r.mean_shift is None else f"{r.mean_shift:+.3f}",
            ]
            for r in rows
        ],
        title="Probes; in comparisons, up prefers what stands first and down what stands later",
    )
