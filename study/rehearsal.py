"""Rehearsal: simulated raters who go the same way through the study as people on the pages.

Their answers follow a seeded latent-variable model, so that a report has something to show. They are
marked as simulated in the database from their first step on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from study import participation
from study.entities import BlindedAssignment, MissingReason, Rater, RaterStatus
from study.errors import StoreError
from study.participation import Step
from study.protocol import Answer, DemographicField, Item, Protocol, Scale
from study.protocol.item_kinds import anchors
from study.store import raters, ratings
from study.store.study import Study


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal did."""

    raters: int
    answers: int


def rehearse(
    study: Study,
    seed: int,
    number: int | None = None,
    *,
    on_rater: Callable[[], None] | None = None,
) -> Rehearsed:
    """Let simulated raters complete the study.

    Parameters
    ----------
    number : int, optional
        New simulated raters in all, spread over the groups as planned. Without it, every enrolled
        rater who has not started becomes a simulated one, and simulated raters whom an earlier run
        left in the middle go on.

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
    systems = _assigned_systems(study)
    for rater in simulated:
        answers += _complete(study, rater, seed, systems)
        if on_rater:
            on_rater()
    return Rehearsed(len(simulated), answers)


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
    done = (RaterStatus.FINISHED, RaterStatus.WITHDRAWN, RaterStatus.DECLINED)
    return [r for r in raters.read_raters(study) if r.simulated and r.status not in done]


def _assigned_systems(study: Study) -> dict[str, str]:
    return {record.id: record.system_id for record in ratings.read_assignments(study)}


def _complete(study: Study, rater: Rater, seed: int, systems: dict[str, str]) -> int:
    """Take one simulated rater from the link to the end; gives the number of answers."""
    # Each step draws from a generator of its own, so that a rater who was left in the middle goes on
    # with the answers of an unbroken run.
    name = f"{seed}/{rater.group}/{rater.slot}"
    leniency = _draws(name).gauss(0, 0.7)
    token = raters.link_secret(study, rater)
    answers = 0
    while (place := participation.find_place(study, token)).step is not Step.FINISHED:
        if place.step is Step.CONSENT:
            participation.consent(study, rater)
        elif place.step is Step.DEMOGRAPHICS:
            draws = _draws(f"{name}/demographics")
            chosen = {
                question.id: _demographic(question, draws, rater.slot)
                for question in study.protocol.demographics
            }
            participation.save_demographics(study, rater, chosen)
        elif place.step is Step.INSTRUCTIONS:
            participation.finish_practice(study, rater)
        elif place.assignment is not None:
            system = systems[place.assignment.id]
            draws = _draws(f"{name}/{place.assignment.position}")
            given = _answers(study.protocol, place.assignment, system, leniency, draws)
            ratings.mark_shown(study, place.assignment.id)
            participation.submit(study, rater, place.assignment.id, given)
            answers += len(given)
    return answers


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
    system: str,
    leniency: float,
    generator: random.Random,
) -> dict[str, Answer]:
    """Points from a latent normal variable: rater + system + response + item + noise."""
    order = [s.id for s in protocol.systems]
    system_effect = 0.8 * (len(order) - 1 - order.index(system)) / max(1, len(order) - 1)
    response_effect = random.Random(f"{assignment.response_text}").gauss(0, 0.3)  # noqa: S311
    answers: dict[str, Answer] = {}
    for item in protocol.items:
        item_effect = random.Random(item.id).gauss(0, 0.3)  # noqa: S311 (a simulation)
        latent = leniency + system_effect + response_effect + item_effect + generator.gauss(0, 0.8)
        answers[item.id] = _answer(item, protocol.scale_of(item.id), latent, generator)
    return answers


def _answer(item: Item, scale: Scale, latent: float, generator: random.Random) -> Answer:
    # Only items that allow it draw here: the others' answers do not depend on this.
    if item.may_be_not_applicable and generator.random() < 0.05:
        return MissingReason.NOT_APPLICABLE
    if item.optional and generator.random() < 0.3:
        return MissingReason.SKIPPED
    if item.kind == "text":
        return f"Simulated remark {generator.randint(1, 999)}."
    if item.kind in ("yes-no-unsure", "choice"):
        return generator.choice(list(anchors(item, scale)))
    low, high = scale.values[0], scale.values[-1]
    points = range(low, high + 1) if item.kind == "slider" else scale.values
    favourable = -latent if item.reversed else latent
    index = round((len(points) - 1) / 2 + favourable * len(points) / 5)
    return points[min(max(index, 0), len(points) - 1)]
