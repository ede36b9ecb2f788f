"""Rehearsal: simulated raters who go the same way through the study as people on the pages.

Their answers follow a seeded latent-variable model, so that a report has something to show. They are
marked as simulated in the database from their first step on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from study import participation, rehearsed_conversation, session_checks
from study.conversation import ReplySource
from study.entities import Answer, BlindedAssignment, MissingReason, Rater, RaterStatus
from study.errors import StoreError
from study.participation import Place, Step
from study.protocol import DemographicField, Item, Protocol
from study.store import raters, ratings
from study.store.study import Study


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal did."""

    raters: int
    answers: int
    screened_out: int = 0


def rehearse(
    study: Study,
    seed: int,
    number: int | None = None,
    *,
    careless: float = 0.0,
    replies: ReplySource | None = None,
    on_rater: Callable[[int], None] | None = None,
) -> Rehearsed:
    """Let simulated raters complete the study.

    Parameters
    ----------
    number : int, optional
        New simulated raters in all, spread over the groups as planned. Without it, every enrolled
        rater who has not started becomes a simulated one, and simulated raters whom an earlier run
        left in the middle go on.
    careless : float
        Chance of each simulated rater (0 to 1) to answer the protocol's checks at random.
    replies : ReplySource, optional
        What answers for the systems; needed in a study of conversations.
    on_rater : callable, optional
        Told how many raters are done: 0 before the first one, then after each.

    Raises
    ------
    StoreError
        When nobody is enrolled, or a person has already started.
    """
    people = [
        rater
        for rater in raters.read_raters(study)
        if not rater.simulated and rater.status not in (RaterStatus.ENROLLED, RaterStatus.WITHDRAWN)
    ]
    if people:
        raise StoreError(
            f"{len(people)} people have already taken part (the first is {people[0].code}). Simulated "
            "raters must not be mixed with them: rehearse in a copy of the study made with "
            "`evenhand init`."
        )
    simulated = _enrol_simulated(study, number) if number else _waiting(study)
    if not simulated:
        raise StoreError(
            "Nobody who has not started is enrolled. Enrol raters first, or give the number of "
            "simulated raters: evenhand rehearse -n 12"
        )
    answers = 0
    systems = {record.id: record.system_ids for record in ratings.read_assignments(study)}
    tell = on_rater or (lambda _: None)
    tell(0)
    for done, rater in enumerate(simulated, start=1):
        answers += _complete(study, rater, seed, systems, careless, replies)
        tell(done)
    ids = {rater.id for rater in simulated}
    screened_out = sum(
        rater.id in ids and rater.status is RaterStatus.SCREENED_OUT
        for rater in raters.read_raters(study)
    )
    return Rehearsed(len(simulated), answers, screened_out)


def shares(protocol: Protocol, number: int) -> dict[str, int]:
    """``number`` raters spread over the groups in the planned proportions (largest remainders)."""
    planned = {group.id: group.planned for group in protocol.groups}
    total = sum(planned.values())
    whole = {group: number * size // total for group, size in planned.items()}
    rest = number - sum(whole.values())
    by_remainder = sorted(planned, key=lambda group: -(number * planned[group] % total))
    for group in by_remainder[:rest]:
        whole[group] += 1
    return whole


def _enrol_simulated(study: Study, number: int) -> list[Rater]:
    return [
        enrolment.rater
        for group, share in shares(study.protocol, number).items()
        if share
        for enrolment in raters.enrol(study, group, share, simulated=True)
    ]


def _waiting(study: Study) -> list[Rater]:
    raters.mark_simulated(study)
    done = (
        RaterStatus.FINISHED,
        RaterStatus.WITHDRAWN,
        RaterStatus.DECLINED,
        RaterStatus.SCREENED_OUT,
    )
    return [r for r in raters.read_raters(study) if r.simulated and r.status not in done]


def _complete(
    study: Study,
    rater: Rater,
    seed: int,
    systems: Mapping[str, tuple[str, ...]],
    careless: float,
    replies: ReplySource | None,
) -> int:
    """Take one simulated rater from the link to the end; gives the number of answers."""
    # Each step draws from a generator of its own, so that a rater who was left in the middle goes on
    # with the answers of an unbroken run.
    name = f"{seed}/{rater.group}/{rater.slot}"
    leniency = _draws(name).gauss(0, 0.7)
    token = raters.link_secret(study, rater)
    attentive = _draws(f"{name}/careless").random() >= careless
    answers = 0
    while (place := participation.find_place(study, token)).step not in _ENDS:
        if place.step is Step.LANGUAGE:
            language = _draws(f"{name}/language").choice(study.protocol.languages)
            raters.choose_language(study, rater, language)
        elif place.step is Step.CONSENT:
            participation.consent(study, rater)
        elif place.step is Step.DEMOGRAPHICS:
            draws = _draws(f"{name}/demographics")
            chosen = {
                question.id: _demographic(question, draws, rater.slot)
                for question in study.protocol.demographics
            }
            participation.save_demographics(study, rater, chosen)
        elif place.step is Step.INSTRUCTIONS:
            participation.finish_practice(study, rater, place.practice)
        elif place.step in (Step.COMPREHENSION, Step.ATTENTION):
            _answer_checks(
                study,
                place,
                None if attentive else _draws(f"{name}/{place.step}/{place.attempt}/{place.rated}"),
            )
        elif place.step is Step.BREAK:
            participation.end_break(study, rater, place.rated)
        elif place.step is Step.CONVERSATION and place.assignment is not None:
            if replies is None:
                raise StoreError(
                    "In a study of conversations a rehearsal needs something that answers. Run it as "
                    "`evenhand rehearse`."
                )
            draws = _draws(f"{name}/talk/{place.assignment.position}")
            rehearsed_conversation.hold(study, rater, place.assignment.id, draws, replies)
        elif place.assignment is not None:
            draws = _draws(f"{name}/{place.assignment.position}")
            shown = systems[place.assignment.id]
            given = _answers(study.protocol, place.assignment, shown, leniency, draws)
            ratings.mark_shown(study, place.assignment.id)
            participation.submit(study, rater, place.assignment.id, given)
            answers += len(given)
    return answers


_ENDS = (Step.FINISHED, Step.SCREENED_OUT)


def _answer_checks(study: Study, place: Place, careless: random.Random | None) -> None:
    """Answer the checks of a place rightly or, by a careless rater, at random."""
    if place.check is not None:
        values = study.protocol.scale_of_check(place.check).values
        value = careless.choice(values) if careless else place.check.answer
        session_checks.answer_attention(study, place.rater, place.check, value)
        return
    chosen = {
        question.id: careless.choice(question.options).value if careless else question.answer
        for question in session_checks.questions(study)
    }
    session_checks.answer_comprehension(study, place.rater, place.attempt, chosen)


def _draws(name: str) -> random.Random:
    return random.Random(name)  # noqa: S311 (a simulation)


def _demographic(question: DemographicField, generator: random.Random, slot: int) -> str | int:
    if question.kind == "integer":
        low = 18 if question.minimum is None else question.minimum
        high = low + 7 if question.maximum is None else question.maximum
        return generator.randint(low, high)
    planned = [option.planned for option in question.options]
    if any(planned):
        # Exactly the planned numbers over a full set of raters, in an order that mixes them.
        places = [o.value for o in question.options for _ in range(o.planned or 0)]
        random.Random(question.id).shuffle(places)  # noqa: S311 (a simulation)
        return places[slot % len(places)]
    return generator.choice(question.options).value


def _answers(
    protocol: Protocol,
    assignment: BlindedAssignment,
    systems: tuple[str, ...],
    leniency: float,
    generator: random.Random,
) -> dict[str, Answer]:
    """Points from a latent normal variable: rater + system + response + item + noise."""
    order = [s.id for s in protocol.systems]
    effects = [
        0.8 * (len(order) - 1 - order.index(system)) / max(1, len(order) - 1)
        + random.Random(text).gauss(0, 0.3)  # noqa: S311 (a simulation)
        for system, text in zip(systems, assignment.response_texts, strict=True)
    ]
    answers: dict[str, Answer] = {}
    for item in protocol.items:
        item_effect = random.Random(item.id).gauss(0, 0.3)  # noqa: S311 (a simulation)
        seen = [leniency + effect + item_effect + generator.gauss(0, 0.8) for effect in effects]
        left_out = _left_out(item, generator)
        if left_out is not None:
            answers[item.id] = Answer(missing=left_out)
            continue
        scale = protocol.scale_of(item.id)
        answers[item.id] = Answer(item.simulated(scale, seen, assignment.response_texts, generator))
    return answers


def _left_out(item: Item, generator: random.Random) -> MissingReason | None:
    # Only items that allow it draw here: the others' answers do not depend on this.
    if item.may_be_not_applicable and generator.random() < 0.05:
        return MissingReason.NOT_APPLICABLE
    if item.optional and generator.random() < 0.3:
        return MissingReason.SKIPPED
    return None
