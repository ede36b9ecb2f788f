"""Which models really answered the judge, and whether that changed on the way.

An endpoint may put another model, or another build of one, behind the same name. Scores from before and
after do not compare, and nothing in them tells.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from study.store.judge.verdicts import CallFacts

_SHOWN = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class ServedModel:
    """One model as the endpoint called it, with the replies that count and come from it.

    Attributes
    ----------
    asked, endpoint : str
        The model asked for, and where.
    model, fingerprint : str
        The model and the system fingerprint that the replies name; empty where they name none.
    n : int
        Replies.
    first_at, last_at : datetime.datetime
    """

    asked: str
    endpoint: str
    model: str
    fingerprint: str
    n: int
    first_at: dt.datetime
    last_at: dt.datetime


def served_models(calls: Iterable[CallFacts]) -> list[ServedModel]:
    """The models behind the replies that count: of a call that was made again, the newest."""
    newest = {call.cache_key: call for call in calls if call.state == "answered"}
    found: dict[tuple[str, str, str, str], list[dt.datetime]] = {}
    for call in newest.values():
        key = (call.model, call.endpoint, call.returned_model or "", call.fingerprint)
        found.setdefault(key, []).append(call.answered_at or call.sent_at)
    return sorted(
        (ServedModel(*key, len(times), min(times), max(times)) for key, times in found.items()),
        key=lambda served: (served.asked, served.endpoint, served.first_at, served.model),
    )


def model_changes(calls: Iterable[CallFacts]) -> list[str]:
    """What changed behind the judge's name, a sentence for each name; empty when nothing did.

    Replies that name no model, or no fingerprint, say nothing and count as no change.
    """
    by_name: dict[tuple[str, str], list[ServedModel]] = {}
    for served in served_models(calls):
        by_name.setdefault((served.asked, served.endpoint), []).append(served)
    found = []
    for (asked, endpoint), several in by_name.items():
        models = {s.model for s in several if s.model}
        prints = {s.fingerprint for s in several if s.fingerprint}
        if len(models) > 1:
            found.append(_sentence(asked, endpoint, "model", several))
        elif len(prints) > 1:
            found.append(_sentence(asked, endpoint, "system fingerprint", several))
    return found


def _sentence(asked: str, endpoint: str, what: str, served: list[ServedModel]) -> str:
    parts = ", ".join(
        f"{s.model or 'no name'}{f' ({s.fingerprint})' if s.fingerprint else ''} in {s.n} replies from "
        f"{s.first_at:{_SHOWN}} to {s.last_at:{_SHOWN}}"
        for s in served
    )
    return (
        f"the judge {asked} at {endpoint} changed its {what} on the way: {parts}. Scores of different "
        "models do not compare: ask the other part anew (evenhand judge --again scored asks all), or "
        "report the change"
    )
