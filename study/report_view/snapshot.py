"""A study's data at one moment, each table read once, with the names that the systems may have now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from study.entities import AssignmentRecord, Conversation, Named, Rater, Rating, Response
from study.protocol import Protocol
from study.protocol.analysis_plan import AnalysisPlan
from study.store import check_answers, conversations, locking, raters, ratings, responses
from study.store.check_answers import CheckAnswer
from study.store.judge.verdicts import Ledger, read_ledger
from study.store.locking import Lock
from study.store.study import Study


@dataclass(frozen=True)
class Snapshot:
    """A study as rows and reports are made from it.

    Every table is read when something first asks for it, and never again. From :func:`snapshot` all of
    them belong to one moment; one that is made directly reads each table as it then stands.
    """

    study: Study

    @property
    def protocol(self) -> Protocol:
        """The protocol in force; it names the systems."""
        return self.study.protocol

    @cached_property
    def unblinded_at(self) -> dt.datetime | None:
        """When the systems were revealed, ISO 8601 in UTC; None while the study is blind."""
        return locking.unblinded_at(self.study)

    @property
    def unblinded(self) -> bool:
        """Whether systems may be named."""
        return self.unblinded_at is not None

    @cached_property
    def lock(self) -> Lock | None:
        """What is frozen; None while the study is open."""
        return locking.read_lock(self.study)

    @cached_property
    def names(self) -> Mapping[str, Named]:
        """System id -> its name in the data; the blind code until the study is unblinded."""
        if self.unblinded:
            return {s.id: Named(s.id, s.title) for s in self.protocol.systems}
        codes = locking.system_codes(self.study)
        named = {system: Named(code, f"System {code}") for system, code in codes.items()}
        # By code, so that the order in the protocol gives nothing away.
        return dict(sorted(named.items(), key=lambda entry: entry[1].id))

    @cached_property
    def plan(self) -> AnalysisPlan:
        """The plan with the systems under the names that they may have now.

        Until the study is unblinded the primary contrast goes in the order of the codes.
        """
        plan = self.protocol.analysis
        if plan.primary is None or self.unblinded:
            return plan
        of = self.names
        coded = plan.primary.model_copy(
            update={"system": of[plan.primary.system].id, "against": of[plan.primary.against].id}
        )
        return plan.model_copy(update={"primary": coded}).without_direction()

    @cached_property
    def topics(self) -> Mapping[str, str]:
        """Prompt -> its topic."""
        return {prompt.id: prompt.topic for prompt in self.protocol.prompts}

    @cached_property
    def raters(self) -> Mapping[str, Rater]:
        """Rater id -> rater, by group and slot."""
        return {rater.id: rater for rater in raters.read_raters(self.study)}

    @cached_property
    def assignments(self) -> tuple[AssignmentRecord, ...]:
        """Every assignment, by group, slot and position."""
        return tuple(ratings.read_assignments(self.study))

    @cached_property
    def ratings(self) -> Mapping[tuple[str, str], Rating]:
        """(assignment, item) -> the saved answer."""
        return {(r.assignment_id, r.item_id): r for r in ratings.read_ratings(self.study)}

    @cached_property
    def responses(self) -> tuple[Response, ...]:
        """All responses, in the order of the protocol."""
        return tuple(responses.read_responses(self.study))

    @cached_property
    def imported(self) -> frozenset[str]:
        """Systems declared as imported, or holding imported responses."""
        declared = {system.id for system in self.protocol.systems if system.backend == "imported"}
        return frozenset(declared | {r.system_id for r in self.responses if r.imported})

    @cached_property
    def check_answers(self) -> tuple[CheckAnswer, ...]:
        """Everybody's answers to checks of comprehension and attention, by rater and time."""
        return tuple(check_answers.read_check_answers(self.study))

    @cached_property
    def conversations(self) -> Mapping[str, tuple[Conversation, list[dict[str, Any]]]]:
        """Assignment -> its conversation and each turn's provenance, which names systems."""
        found = conversations.read_all(self.study)
        return {talk.assignment_id: (talk, made_by) for talk, made_by in found}

    @cached_property
    def ledger(self) -> Ledger:
        """The judge's calls without the bodies of requests and replies, and their verdicts."""
        return read_ledger(self.study)


@contextmanager
def snapshot(study: Study) -> Iterator[Snapshot]:
    """The study as it stands now, whatever is saved while the block runs.

    Without it a rater who is enrolled between two statements has assignments and is no rater.
    """
    with study.at_one_moment() as held:
        yield Snapshot(held)
