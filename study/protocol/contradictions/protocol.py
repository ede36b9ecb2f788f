"""Contradictions within a protocol that each of its blocks alone cannot see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from study.protocol.analysis_plan import PrimaryContrast
from study.protocol.contradictions.chat import chat_contradictions
from study.protocol.contradictions.design import design_contradictions
from study.protocol.contradictions.items import item_contradictions
from study.protocol.contradictions.plan import plan_contradictions
from study.protocol.contradictions.scores import score_contradictions
from study.protocol.contradictions.session import session_contradictions
from study.protocol.endpoint_address import proxy_fault
from study.protocol.schema import Protocol
from study.protocol.systems import System
from study.protocol.yaml_tree import Location

Contradiction = tuple[Location, str]

# Columns of the exports; a question of the same name would overwrite them.
RESERVED_NAMES = frozenset(
    {
        "rater", "group", "status", "simulated", "language", "screened_out_because",
        "responses_rated", "responses_planned", "position",
        "prompt", "topic", "system", "shown", "item", "value", "chosen", "missing_reason", "seconds",
    }
)  # fmt: skip


def contradictions(protocol: Protocol) -> Iterator[Contradiction]:
    """Double ids, references to nothing, and settings that exclude each other."""
    yield from _double_ids(protocol)
    yield from _unknown_references(protocol)
    yield from _scales(protocol)
    yield from item_contradictions(protocol)
    yield from design_contradictions(protocol)
    yield from _questions(protocol)
    yield from _systems(protocol)
    yield from score_contradictions(protocol)
    yield from plan_contradictions(protocol.analysis)
    yield from chat_contradictions(protocol)
    yield from session_contradictions(protocol)


def _scales(protocol: Protocol) -> Iterator[Contradiction]:
    for i, instrument in enumerate(protocol.instruments):
        values = instrument.scale.values
        if list(values) != sorted(set(values)):
            yield (
                ("instruments", i, "scale", "points"),
                f"found the values {list(values)}, expected each once, lowest first",
            )
    rated = [i.scale for i in protocol.instruments if any(x.table == "points" for x in i.items)]
    fewest = min((len(scale.points) for scale in rated), default=0)
    if fewest and protocol.analysis.top_points >= fewest:
        yield (
            ("analysis", "top_points"),
            f"found {protocol.analysis.top_points}, expected fewer than the {fewest} points of the scale",
        )


def _questions(protocol: Protocol) -> Iterator[Contradiction]:
    items = {item.id for item in protocol.items}
    for i, question in enumerate(protocol.demographics):
        place = ("demographics", i)
        if question.kind == "choice" and len(question.options) < 2:
            yield (
                (*place, "options"),
                f"question {question.id!r} is a choice and needs at least two options",
            )
        if question.kind == "integer" and question.options:
            yield (*place, "options"), f"question {question.id!r} is a number and takes no options"
        for j in _repeated([option.value for option in question.options]):
            yield (
                (*place, "options", j, "value"),
                f"the value {question.options[j].value!r} is used twice; values must differ",
            )
        low, high = question.minimum, question.maximum
        if low is not None and high is not None and low > high:
            yield (*place, "minimum"), f"found {low}, expected at most the maximum {high}"
        if question.id in RESERVED_NAMES | items:
            yield (
                (*place, "id"),
                f"the id {question.id!r} is already the name of "
                + ("an item" if question.id in items else "a column of the data")
                + "; choose another",
            )


def _systems(protocol: Protocol) -> Iterator[Contradiction]:
    for i, system in enumerate(protocol.systems):
        if system.backend == "imported":
            yield from _imported(protocol, i, system)
            continue
        if system.runs_on != "scripted" and not system.model:
            yield (
                ("systems", i, "model"),
                f"system {system.id!r} uses the backend {system.backend!r}, which needs a model",
            )
        if system.runs_on == "openai" and not system.endpoint.startswith(("http://", "https://")):
            yield (
                ("systems", i, "endpoint"),
                f"found {system.endpoint!r}, expected an address such as http://127.0.0.1:8000/v1",
            )
        elif fault := proxy_fault(system.proxy, system.endpoint, field="proxy"):
            yield ("systems", i, "proxy"), fault
        for name in system.leave_out:
            if name in system.decoding.model_fields_set:
                yield (
                    ("systems", i, "leave_out"),
                    f"decoding.{name} is declared, but leave_out keeps it back; remove one of them",
                )
        if system.dialogue is not None and system.backend != "dialogue":
            yield (
                ("systems", i, "dialogue"),
                f"system {system.id!r} uses the backend {system.backend!r}, which has no dialogue; "
                "remove the block, or write backend: dialogue and name the other as its generator",
            )


_OF_WHO_WRITES = (
    "tokenizer",
    "endpoint",
    "api_key_variable",
    "endpoint_accepts",
    "adapter",
    "dialogue",
)


def _imported(protocol: Protocol, i: int, system: System) -> Iterator[Contradiction]:
    if protocol.design.shows == "conversation":
        yield (
            ("systems", i, "backend"),
            f"system {system.id!r} is imported, and in a study of conversations the systems answer live; "
            "name the backend that answers",
        )
    for name in _OF_WHO_WRITES:
        if getattr(system, name):
            yield (
                ("systems", i, name),
                f"system {system.id!r} is imported, so nothing here runs it; remove {name}",
            )


def _double_ids(protocol: Protocol) -> Iterator[Contradiction]:
    lists: dict[str, Sequence[Any]] = {
        "topics": protocol.topics,
        "prompts": protocol.prompts,
        "systems": protocol.systems,
        "groups": protocol.groups,
        "demographics": protocol.demographics,
        "instruments": protocol.instruments,
    }
    for name, entries in lists.items():
        for i in _repeated([entry.id for entry in entries]):
            yield (
                (name, i, "id"),
                f"the id {entries[i].id!r} is used twice in {name}; ids must differ",
            )
    places = [
        (i, j, item.id)
        for i, instrument in enumerate(protocol.instruments)
        for j, declared in enumerate(instrument.items)
        for item in declared.asked
    ]
    for k in _repeated([item_id for _, _, item_id in places]):
        i, j, item_id = places[k]
        yield (
            ("instruments", i, "items", j, "id"),
            f"the item {item_id!r} is declared twice; every item of the study needs an id of its own",
        )


def _repeated(ids: Iterable[str]) -> list[int]:
    seen: Counter[str] = Counter()
    repeated = []
    for i, entry in enumerate(ids):
        seen[entry] += 1
        if seen[entry] > 1:
            repeated.append(i)
    return repeated


def _unknown_references(protocol: Protocol) -> Iterator[Contradiction]:
    topics = {topic.id for topic in protocol.topics}
    for i, prompt in enumerate(protocol.prompts):
        if prompt.topic not in topics:
            yield ("prompts", i, "topic"), _unknown("topic", prompt.topic, topics)
    if protocol.analysis.primary is not None:
        yield from _primary_systems(protocol, protocol.analysis.primary)
    choices = {q.id for q in protocol.demographics if q.kind == "choice"}
    for i, test in enumerate(protocol.analysis.subgroups):
        if test.by not in choices:
            yield (
                ("analysis", "subgroups", i, "by"),
                _unknown("demographic question of kind choice", test.by, choices),
            )


def _primary_systems(protocol: Protocol, primary: PrimaryContrast) -> Iterator[Contradiction]:
    systems = {system.id for system in protocol.systems}
    for name in ("system", "against"):
        if getattr(primary, name) not in systems:
            yield (
                ("analysis", "primary", name),
                _unknown("system", getattr(primary, name), systems),
            )
    if primary.system == primary.against:
        yield (
            ("analysis", "primary", "against"),
            f"found {primary.against!r} on both sides, expected two different systems",
        )
    yield from _primary_model(protocol, primary)


def _primary_model(protocol: Protocol, primary: PrimaryContrast) -> Iterator[Contradiction]:
    """A paired test of totals cannot speak about systems, and is of no single item."""
    place = ("analysis", "primary")
    if not primary.by_model:
        if primary.population == "systems":
            yield (
                (*place, "population"),
                f"{primary.test} pairs raters' totals of these very responses and cannot speak about "
                "the systems; declare linear-mixed or cumulative-link-mixed, or these-responses",
            )
        for name in ("on", "published"):
            if getattr(primary, name) is not None:
                yield (
                    (*place, name),
                    f"it is about a model of single ratings, and {primary.test} is none; leave it out",
                )
        return
    items = {item.id for item in protocol.items if item.adds()}
    if primary.on is not None and primary.on not in items:
        yield (*place, "on"), _unknown("item that adds to the total", primary.on, items)


def _unknown(noun: str, value: str, known: Iterable[str]) -> str:
    names = ", ".join(sorted(known)) or "none is declared"
    return f"there is no {noun} {value!r}; declared: {names}"
