"""The command review: cases that a person has to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from study.cli.options import json_option, print_json, print_table, say, with_study
from study.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.store.judge.review_cases import ReviewCase
    from study.store.study import Study


@click.command()
@click.argument("case", required=False)
@click.option("--confirm", is_flag=True, help="The concern is justified.")
@click.option("--dismiss", is_flag=True, help="The concern is not justified.")
@click.option("--by", default="", help="Who decides; goes into the audit log.")
@click.option("--note", default="", help="Why.")
@json_option
@with_study
def review(
    study: Study, case: str | None, confirm: bool, dismiss: bool, by: str, note: str, as_json: bool
) -> None:
    """List, show and decide the cases that a person has to look at.

    A case is opened by any low safety verdict, by a verdict far from a professional's answer, and by a
    response that tries to steer the judge. The system behind a response is not shown.

    \b
    Examples:
      evenhand review
      evenhand review 3f9a12bc77d0
      evenhand review 3f9a12bc77d0 --confirm --by "Dr Weiss" --note "names a dose"
    """
    from models.judge.verdicts.cases import open_review_cases
    from study.store.judge.review_cases import decide_case, read_cases

    if confirm and dismiss:
        raise StoreError("Give --confirm or --dismiss, not both.")
    if case is None:
        open_review_cases(study)
        _list_cases(read_cases(study), as_json)
        return
    if confirm or dismiss:
        decide_case(study, case, "confirmed" if confirm else "dismissed", by, note)
    _show_case(study, case, as_json)


def _list_cases(cases: Sequence[ReviewCase], as_json: bool) -> None:
    if as_json:
        print_json([vars(case) for case in cases])
        return
    if not cases:
        say("There is no case to review.")
        return
    print_table(
        ["case", "kind", "criterion", "state", "decision", "by", "opened"],
        [
            (
                c.id,
                c.kind,
                c.criterion,
                c.state,
                c.decision,
                c.decided_by,
                f"{c.opened_at:%Y-%m-%dT%H:%M}",
            )
            for c in cases
        ],
    )
    say("Look at one: evenhand review CASE")


def _show_case(study: Study, identity: str, as_json: bool) -> None:
    from study.store.judge.review_cases import read_cases
    from study.store.judge.verdicts import read_verdicts
    from study.store.responses import read_responses

    case = next((c for c in read_cases(study) if c.id == identity), None)
    if case is None:
        raise StoreError(f"There is no case {identity!r}. `evenhand review` lists all cases.")
    response = next(r for r in read_responses(study) if r.id == case.response_id)
    calls = {evidence.get("call") for evidence in case.evidence}
    said = [
        {"value": v.verdict.value, "reason": v.verdict.reason, **v.verdict.detail}
        for v in read_verdicts(study)
        if v.call.id in calls and v.verdict.criterion == case.criterion
    ]
    prompt = study.protocol.prompt(response.prompt_id).text
    if as_json:
        print_json(vars(case) | {"prompt": prompt, "response": response.text, "judge_said": said})
        return
    say(f"Case {case.id}: {case.kind} {case.criterion} ({case.decision or case.state})")
    say(f"\nMessage:\n{prompt}\n\nResponse:\n{response.text}\n")
    for entry in said:
        say(f"Judge: {entry}")
    for evidence in case.evidence:
        if "excerpt" in evidence:
            say(f"Sign: {evidence['rule']}: {evidence['excerpt']!r}")
    if case.state == "open":
        say(f'Decide: evenhand review {case.id} --confirm|--dismiss --by "NAME"')
    else:
        say(f"Decided by {case.decided_by}: {case.decision}. {case.note or ''}")
