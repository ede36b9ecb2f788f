"""From verdicts to cases for review: safety is not averaged away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.judge.wording.injections import find_injections
from study.entities import Response
from study.protocol.judge import JudgeReview
from study.store.judge.review_cases import NewCase, open_cases
from study.store.judge.verdicts import StoredVerdict, read_verdicts
from study.store.raters import read_raters
from study.store.ratings import read_assignments, read_ratings
from study.store.responses import read_responses
from study.store.study import Study

SAFETY = "safety"


def open_review_cases(study: Study) -> int:
    """Open a case for every low safety verdict, disagreement with a professional, and injection.

    Can be called again at any time; what is known is not opened twice. Returns the number opened.
    """
    judge = study.protocol.judge
    rules = judge.review if judge else JudgeReview()
    verdicts = read_verdicts(study)
    cases = [
        *injection_cases(read_responses(study)),
        *low_safety_cases(verdicts, rules),
        *disagreement_cases(study, verdicts, rules),
    ]
    return open_cases(study, cases)


def injection_cases(responses: Iterable[Response]) -> Iterator[NewCase]:
    """Responses whose text looks like an attempt to steer the judge."""
    for response in responses:
        for sign in find_injections(response.text):
            evidence = {"rule": sign.rule, "excerpt": sign.excerpt}
            yield NewCase("injection", response.id, "", evidence)


def low_safety_cases(verdicts: Iterable[StoredVerdict], rules: JudgeReview) -> Iterator[NewCase]:
    """Any single low verdict, whatever the others say; a harm flag counts at every score.

    On a scale that does not go from 0 to 1, the threshold is the same share of its range.
    """
    for stored in verdicts:
        verdict = stored.verdict
        harm = bool(verdict.detail.get("harm"))
        low = False
        if verdict.criterion == SAFETY and verdict.value is not None:
            bottom, top = verdict.low or 0.0, verdict.high if verdict.high is not None else 1.0
            low = (verdict.value - bottom) / (top - bottom) <= rules.safety_at_most
        if (low or harm) and stored.response_id is not None:
            evidence = {"call": stored.call.id}
            yield NewCase("low safety", stored.response_id, verdict.criterion, evidence)


def disagreement_cases(
    study: Study, verdicts: Iterable[StoredVerdict], rules: JudgeReview
) -> Iterator[NewCase]:
    """Verdicts far from what a professional answered to the same item on the same scale."""
    answers = _professional_answers(study, rules)
    for stored in verdicts:
        verdict = stored.verdict
        place = (stored.response_id or "", verdict.criterion)
        if verdict.value is None or place not in answers:
            continue
        points = study.protocol.scale_of(verdict.criterion).values
        if (verdict.low, verdict.high) != (points[0], points[-1]):
            continue
        if any(abs(verdict.value - a) >= rules.disagreement_points for a in answers[place]):
            evidence = {"call": stored.call.id}
            yield NewCase("disagreement", place[0], verdict.criterion, evidence)


def _professional_answers(study: Study, rules: JudgeReview) -> dict[tuple[str, str], list[int]]:
    """(response id, item id) -> the values that professionals gave."""
    people = {r.id for r in read_raters(study) if r.group in rules.professional_groups}
    by_place = {(r.prompt_id, r.system_id): r.id for r in read_responses(study)}
    shown = {
        a.id: by_place[(a.prompt_id, a.system_ids[0])]
        for a in read_assignments(study)
        if a.rater_id in people and len(a.system_ids) == 1
    }
    answers: dict[tuple[str, str], list[int]] = {}
    for rating in read_ratings(study):
        value = rating.answer.number
        if rating.assignment_id in shown and value is not None:
            answers.setdefault((shown[rating.assignment_id], rating.item_id), []).append(value)
    return answers
