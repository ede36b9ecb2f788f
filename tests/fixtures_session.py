"""A protocol with checks, breaks, two practice responses and a panel, for several test files."""

from __future__ import annotations

from pathlib import Path

from study import participation, session_checks
from study.entities import Enrolment
from study.participation import Place, Step, find_place
from study.store.study import Study
from tests.fixtures_study import answers, small_protocol

SESSION = """\
checks:
  comprehension:
    questions:
      - id: what-to-rate
        text: What do you rate?
        options: [{value: 1, label: The response}, {value: 2, label: The person who wrote}]
        answer: 1
      - id: may-stop
        text: May you stop at any time?
        options: [{value: 1, label: Yes I may}, {value: 2, label: No I may not}]
        answer: 1
  attention:
    - {id: choose-two, after: 1, text: Please choose the second point here., answer: 2}
    - {id: choose-four, after: 3, text: Please choose the fourth point here., answer: 4}
  attention_failures_allowed: 1
  ending: {title: Thank you for your time, text: This study ends here for you.}
breaks: {after_every: 2, minimum_seconds: 1, title: A short rest, text: Look out of the window.}
completion:
  panel: {participant_parameter: PROLIFIC_PID, group: student, completion_code: C1ABCDEF}
  redirect:
    finished: "https://panel.example/complete?cc=C1ABCDEF&who={participant}&receipt={receipt}"
    declined: https://panel.example/complete?cc=NOCONSENT
    failed_checks: https://panel.example/complete?cc=SCREENED
"""


def session_protocol(folder: Path, **replaced: str) -> Path:
    """The small protocol with all of this; two practice responses."""
    file = small_protocol(folder)
    text = file.read_text(encoding="utf-8").replace(
        "practice: {prompt: I am late., response: That happens.}",
        "practice:\n"
        "    - {prompt: I am late., response: That happens.}\n"
        "    - {prompt: I lost my keys., response: How annoying.}",
    )
    text += SESSION
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return file


def go_on(study: Study, place: Place, *, right: bool = True, point: int = 3) -> None:
    """What a rater does at a place; ``right``: with the right answers to checks."""
    rater = place.rater
    if place.step is Step.CONSENT:
        participation.consent(study, rater)
    elif place.step is Step.DEMOGRAPHICS:
        participation.save_demographics(study, rater, {"gender": "woman", "age": 33})
    elif place.step is Step.INSTRUCTIONS:
        participation.finish_practice(study, rater, place.practice)
    elif place.step is Step.COMPREHENSION:
        chosen = {q.id: q.answer for q in session_checks.questions(study)}
        if not right:
            chosen["may-stop"] = 2
        session_checks.answer_comprehension(study, rater, place.attempt, chosen)
    elif place.step is Step.ATTENTION:
        assert place.check is not None
        value = place.check.answer if right else 5
        session_checks.answer_attention(study, rater, place.check, value)
    elif place.step is Step.BREAK:
        participation.end_break(study, rater, place.rated)
    elif place.assignment is not None:
        participation.submit(study, rater, place.assignment.id, answers(study, point))


def come_to(study: Study, enrolled: Enrolment, step: Step) -> Place:
    """Let a rater go on until a step; the break's minimum time must be over or 0."""
    for _ in range(60):
        place = find_place(study, enrolled.token)
        if place.step is step:
            return place
        go_on(study, place)
    raise AssertionError(f"never came to {step}")
