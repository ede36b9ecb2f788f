"""Completion: the receipt for complete answers, and where a rater is sent at the end."""

from __future__ import annotations

from urllib.parse import quote

from study import blinding
from study.entities import Rater, RaterStatus
from study.store import panels, raters
from study.store.completeness import open_answers
from study.store.study import Study


def receipt(study: Study, rater: Rater) -> str | None:
    """The rater's receipt, when the database holds every required answer; else None (as without the key).

    Derived from the study's key, so that nobody can make one up and the same rater always has the
    same.
    """
    if study.stored_key is None or rater.status is not RaterStatus.FINISHED:
        return None
    if open_answers(study, rater):
        return None
    return blinding.receipt_code(study.key, rater.id)


def rater_with_receipt(study: Study, typed: str) -> Rater | None:
    """The rater whose receipt this is, complete or not; None when it is nobody's.

    Spaces, hyphens and case do not matter; I and L are read as 1, O as 0.
    """
    wanted = blinding.normal_letters(typed)
    for rater in raters.read_raters(study):
        if blinding.normal_letters(blinding.receipt_code(study.key, rater.id)) == wanted:
            return rater
    return None


def redirect_address(study: Study, rater: Rater) -> str | None:
    """Where the last page leads, from the locked protocol; None when it leads nowhere.

    With a panel, only its participants are sent back to it.
    """
    completion = study.protocol.completion
    declared = {
        RaterStatus.FINISHED: completion.redirect.finished,
        RaterStatus.DECLINED: completion.redirect.declined,
        RaterStatus.SCREENED_OUT: completion.redirect.failed_checks,
    }.get(rater.status)
    participant = panels.participant_of(study, rater)
    if declared is None or (completion.panel is not None and participant is None):
        return None
    code = receipt(study, rater)
    if rater.status is RaterStatus.FINISHED and code is None:
        return None
    filled = {"receipt": code or "", "participant": participant or ""}
    return declared.format_map({name: quote(value, safe="") for name, value in filled.items()})
