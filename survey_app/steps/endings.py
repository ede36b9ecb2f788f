"""Endings: thanks and receipt, the words for those who decline, and for those who may not go on."""

from __future__ import annotations

import html

import streamlit as st

from study import completion
from study.store.raters import progress
from survey_app.drawing import elements
from survey_app.steps.rating import notice_late_tap, show_already_answered
from survey_app.visit import Visit

LEAVE = "/leave"


def act(visit: Visit) -> Visit:
    """Nothing is left to save; a tap of a second tab is noticed."""
    notice_late_tap(visit)
    return visit


def draw_finished(visit: Visit) -> None:
    """Draw the last page."""
    debriefing, words, rater = visit.study.protocol.debriefing, visit.words, visit.place.rater
    receipt = completion.receipt(visit.study, rater)
    with st.container(key="reading"):
        show_already_answered(visit)
        elements.heading(debriefing.title, "finished")
        if receipt is None:
            elements.note(words("finished.incomplete", code=rater.code), "warning")
        else:
            _, total, _ = progress(visit.study)[rater.id]
            several = visit.study.protocol.design.shows in ("pair", "all")
            key = "finished.saved_comparisons" if several else "finished.saved"
            if visit.study.protocol.design.shows == "conversation":
                key = "chat.all_saved"
            elements.note(words(key, total=total))
        elements.text(debriefing.text)
        if receipt is not None:
            _show_receipt(visit, receipt)
        elements.text(words("finished.code", code=rater.code))
        if not _show_way_back(visit):
            elements.remark(words("finished.close"))


def _show_receipt(visit: Visit, receipt: str) -> None:
    words = visit.words
    elements.subheading(words("finished.receipt"))
    elements.text(words("finished.receipt_text"))
    # The browser script copies the text of the element before the button.
    st.html(
        f'<p class="evenhand-receipt" dir="ltr">{html.escape(receipt)}</p>'
        f'<button type="button" class="evenhand-copy" data-evenhand-copied='
        f'"{html.escape(words("finished.copied"))}">{html.escape(words("finished.copy"))}</button>'
    )


def _show_way_back(visit: Visit) -> bool:
    """A link back to the panel, if the protocol has one; where it leads, the server says."""
    if completion.redirect_address(visit.study, visit.place.rater) is None:
        return False
    elements.link(visit.words("finished.leave"), LEAVE)
    return True


def draw_declined(visit: Visit) -> None:
    """Draw the page for those who declined."""
    consent = visit.study.protocol.consent
    with st.container(key="reading"):
        elements.heading(visit.words("consent.declined_title"), "declined")
        elements.text(consent.declined)
        _show_way_back(visit)


def draw_screened_out(visit: Visit) -> None:
    """Draw the page for those who did not pass the checks."""
    checks = visit.study.protocol.checks
    ending = checks.ending if checks else None
    with st.container(key="reading"):
        if ending is not None:
            elements.heading(ending.title, "screened-out")
            elements.text(ending.text)
        elements.text(visit.words("finished.code", code=visit.place.rater.code))
        _show_way_back(visit)
