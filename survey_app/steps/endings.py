"""Endings: thanks and receipt, the words for those who decline, and for those who may not go on."""

from __future__ import annotations

import html

import streamlit as st

from study import completion
from study.store.raters import progress
from survey_app.drawing import elements
from survey_app.steps.page import Page
from survey_app.visit import Visit

LEAVE = "/leave"


class EndingPage(Page):
    """A last page: nothing is left to save; a tap of a second tab is noticed."""

    def act(self) -> Visit:
        """Notice a late tap."""
        self.notice_late_tap()
        return self.visit

    def show_way_back(self) -> bool:
        """A link back to the panel, if the protocol has one; where it leads, the server says."""
        if completion.redirect_address(self.study, self.rater) is None:
            return False
        elements.link(self.words("finished.leave"), LEAVE)
        return True


class FinishedPage(EndingPage):
    """Thanks and receipt."""

    def draw(self) -> None:
        """Draw the last page."""
        debriefing, words, rater = self.study.protocol.debriefing, self.words, self.rater
        receipt = completion.receipt(self.study, rater)
        with st.container(key="reading"):
            self.show_already_answered()
            elements.heading(debriefing.title, "finished")
            if receipt is None:
                elements.note(words("finished.incomplete", code=rater.code), "warning")
            else:
                _, total, _ = progress(self.study)[rater.id]
                several = self.study.protocol.design.shows in ("pair", "all")
                key = "finished.saved_comparisons" if several else "finished.saved"
                if self.study.protocol.design.shows == "conversation":
                    key = "chat.all_saved"
                elements.note(words(key, total=total))
            elements.text(debriefing.text)
            if receipt is not None:
                self._show_receipt(receipt)
            elements.text(words("finished.code", code=rater.code))
            if not self.show_way_back():
                elements.remark(words("finished.close"))

    def _show_receipt(self, receipt: str) -> None:
        words = self.words
        elements.subheading(words("finished.receipt"))
        elements.text(words("finished.receipt_text"))
        # The browser script copies the text of the element before the button.
        st.html(
            f'<p class="evenhand-receipt" dir="ltr">{html.escape(receipt)}</p>'
            f'<button type="button" class="evenhand-copy" data-evenhand-copied='
            f'"{html.escape(words("finished.copied"))}">{html.escape(words("finished.copy"))}</button>'
        )


class DeclinedPage(EndingPage):
    """The words for those who declined."""

    def draw(self) -> None:
        """Draw the page for those who declined."""
        consent = self.study.protocol.consent
        with st.container(key="reading"):
            elements.heading(self.words("consent.declined_title"), "declined")
            elements.text(consent.declined)
            self.show_way_back()


class ScreenedOutPage(EndingPage):
    """The words for those who did not pass the checks."""

    def draw(self) -> None:
        """Draw the page for those who did not pass the checks."""
        checks = self.study.protocol.checks
        ending = checks.ending if checks else None
        with st.container(key="reading"):
            if ending is not None:
                elements.heading(ending.title, "screened-out")
                elements.text(ending.text)
            elements.text(self.words("finished.code", code=self.rater.code))
            self.show_way_back()
