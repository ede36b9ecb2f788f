"""Contradictions within the blocks about a rater's session."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import Formatter

from study.protocol.schema import Protocol
from study.protocol.session import Checks
from study.protocol.yaml_tree import Location

PLACEHOLDERS = ("receipt", "participant")
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?([/?][^\s\"'<>\\]*)?")

Contradiction = tuple[Location, str]


def session_contradictions(protocol: Protocol) -> Iterator[Contradiction]:
    """Checks that nobody can pass or reach, and redirects that say too much."""
    if protocol.checks is not None:
        yield from _comprehension(protocol.checks)
        yield from _attention(protocol, protocol.checks)
        yield from _check_names(protocol.checks)
        yield from _ending(protocol.checks)
    else:
        yield from _no_checks_to_fail(protocol)
    yield from _panel(protocol)
    yield from _redirects(protocol)


def _no_checks_to_fail(protocol: Protocol) -> Iterator[Contradiction]:
    exclusions = protocol.analysis.exclusions
    if exclusions is not None and exclusions.failed_attention_checks is not None:
        yield (
            ("analysis", "exclusions", "failed_attention_checks"),
            "there is no attention check to fail; declare some under checks.attention",
        )


def _comprehension(checks: Checks) -> Iterator[Contradiction]:
    questions = checks.comprehension.questions if checks.comprehension else ()
    for i, question in enumerate(questions):
        place = ("checks", "comprehension", "questions", i)
        values = [option.value for option in question.options]
        if len(set(values)) < len(values):
            yield (*place, "options"), f"found the values {values}; values must differ"
        if question.answer not in values:
            yield (
                (*place, "answer"),
                f"found {question.answer}, expected one of the options: {_listed(values)}",
            )


def _attention(protocol: Protocol, checks: Checks) -> Iterator[Contradiction]:
    instruments = {instrument.id: instrument for instrument in protocol.instruments}
    for i, check in enumerate(checks.attention):
        place = ("checks", "attention", i)
        name = check.instrument or protocol.instruments[0].id
        if name not in instruments:
            yield (
                (*place, "instrument"),
                f"there is no instrument {name!r}; declared: {_listed(instruments)}",
            )
            continue
        values = instruments[name].scale.values
        if check.answer not in values:
            yield (
                (*place, "answer"),
                f"found {check.answer}, expected a point of the scale: {_listed(values)}",
            )
        most = len(protocol.prompts) * len(protocol.systems) - 1
        if check.after > most:
            yield (
                (*place, "after"),
                f"found {check.after}, expected at most {most}: a check comes before a response",
            )


def _check_names(checks: Checks) -> Iterator[Contradiction]:
    questions = checks.comprehension.questions if checks.comprehension else ()
    places: list[Location] = [
        ("checks", "comprehension", "questions", i, "id") for i in range(len(questions))
    ]
    places += [("checks", "attention", i, "id") for i in range(len(checks.attention))]
    seen: set[str] = set()
    names = [question.id for question in questions] + [check.id for check in checks.attention]
    for place, name in zip(places, names, strict=True):
        if name in seen:
            yield place, f"the check {name!r} is declared twice; ids must differ"
        seen.add(name)


def _ending(checks: Checks) -> Iterator[Contradiction]:
    screens_out = checks.comprehension or checks.attention_failures_allowed is not None
    if screens_out and checks.ending is None:
        yield (
            ("checks", "ending"),
            "raters may be screened out, so their last page is needed: add a title and a text",
        )


def _panel(protocol: Protocol) -> Iterator[Contradiction]:
    panel, groups = protocol.completion.panel, [group.id for group in protocol.groups]
    if panel is not None and panel.group not in groups:
        yield (
            ("completion", "panel", "group"),
            f"there is no group {panel.group!r}; declared: {_listed(groups)}",
        )


def _redirects(protocol: Protocol) -> Iterator[Contradiction]:
    for name, address in protocol.completion.redirect.model_dump().items():
        place = ("completion", "redirect", name)
        if address is None:
            continue
        if not _ADDRESS.fullmatch(address):
            yield (
                place,
                f"found {address!r}, expected an address that starts with https:// and has no spaces",
            )
            continue
        try:
            filled = [field for _, field, _, _ in Formatter().parse(address) if field is not None]
        except ValueError:
            yield place, "a brace is not closed; write {receipt} or {participant}"
            continue
        for field in filled:
            if field not in PLACEHOLDERS:
                yield (
                    place,
                    f"cannot fill in {{{field}}}; expected {{receipt}} or {{participant}}",
                )
        if "participant" in filled and protocol.completion.panel is None:
            yield place, "{participant} needs completion.panel, which says where the id comes from"
        if "receipt" in filled and name != "finished":
            yield place, "{receipt} is only known to those who finish; leave it out here"
        for system in protocol.systems:
            if re.search(rf"(?<![a-z0-9]){re.escape(system.id)}(?![a-z0-9])", address.lower()):
                yield place, "the address names a system, and raters would see it; change it"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
