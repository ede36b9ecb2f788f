"""Checks in a rater's session: comprehension of the instructions, and attention between responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.entities import Rater
from study.errors import RatingError
from study.protocol.session import AttentionCheck, ComprehensionQuestion
from study.store import check_answers
from study.store.check_answers import CheckAnswer
from study.store.study import Study

COMPREHENSION, ATTENTION = "comprehension", "attention"


def questions(study: Study) -> tuple[ComprehensionQuestion, ...]:
    """The questions about the instructions, none by default."""
    checks = study.protocol.checks
    return checks.comprehension.questions if checks and checks.comprehension else ()


def attempts_allowed(study: Study) -> int:
    """How often a rater may try the questions about the instructions."""
    checks = study.protocol.checks
    return checks.comprehension.attempts if checks and checks.comprehension else 0


def next_attention_check(
    study: Study, given: Sequence[CheckAnswer], rated: int
) -> AttentionCheck | None:
    """The first attention check that is due after so many rated responses and not answered yet."""
    checks = study.protocol.checks
    answered = {answer.check_id for answer in given}
    due = [c for c in (checks.attention if checks else ()) if c.after <= rated]
    return next((c for c in sorted(due, key=lambda c: c.after) if c.id not in answered), None)


def answer_comprehension(
    study: Study, rater: Rater, attempt: int, chosen: Mapping[str, int]
) -> bool:
    """Save one attempt at all questions; returns whether all answers are right.

    The last wrong attempt ends the rater's session, a right one starts the rating.

    Raises
    ------
    RatingError
        When a question is open or an answer is none of its options.
    """
    checked: dict[str, tuple[int, bool]] = {}
    for question in questions(study):
        value = chosen.get(question.id)
        if value not in [option.value for option in question.options]:
            raise RatingError(f"Please answer every question. Still open: {question.text}")
        checked[question.id] = (value, value == question.answer)
    right = all(passed for _, passed in checked.values())
    last = attempt >= attempts_allowed(study)
    check_answers.save_check_answers(
        study,
        rater,
        COMPREHENSION,
        attempt,
        checked,
        screened_out_because=COMPREHENSION if last and not right else None,
        starts_rating=right,
    )
    return right


def answer_attention(study: Study, rater: Rater, check: AttentionCheck, value: int) -> bool:
    """Save the answer to an attention check; returns whether it passes.

    Too many failures, where the protocol sets a limit, end the rater's session.

    Raises
    ------
    RatingError
        When the value is no point of the check's scale.
    """
    if value not in study.protocol.scale_of_check(check).values:
        raise RatingError(f"{value!r} is not a point of the scale of this question.")
    passed = value == check.answer
    allowed = study.protocol.checks.attention_failures_allowed if study.protocol.checks else None
    failed = int(not passed) + sum(
        answer.kind == ATTENTION and not answer.passed and answer.check_id != check.id
        for answer in check_answers.answers_of(study, rater)
    )
    too_many = allowed is not None and failed > allowed
    check_answers.save_check_answers(
        study,
        rater,
        ATTENTION,
        1,
        {check.id: (value, passed)},
        screened_out_because=ATTENTION if too_many and not passed else None,
    )
    return passed
