"""Which page is shown. Everything is looked up in the database on every run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from study.errors import EvenhandError, LinkError, StoreError
from study.participation import Step, find_place
from study.store.raters import any_simulated
from study.store.study import Study
from survey_app import identity
from survey_app.drawing import elements
from survey_app.languages import language_of
from survey_app.messages import Messages, load_messages
from survey_app.server.study_in_force import study_in_force
from survey_app.steps import coordinator
from survey_app.steps.attention import AttentionPage
from survey_app.steps.comprehension import ComprehensionPage
from survey_app.steps.consent import ConsentPage
from survey_app.steps.conversation import ConversationPage
from survey_app.steps.demographics import DemographicsPage
from survey_app.steps.endings import DeclinedPage, FinishedPage, ScreenedOutPage
from survey_app.steps.instructions import InstructionsPage
from survey_app.steps.language import LanguagePage
from survey_app.steps.page import Page
from survey_app.steps.rest import BreakPage
from survey_app.steps.revision import page_not_saved, rating_or_revision
from survey_app.visit import Visit

_log = logging.getLogger("survey_app")
_LAST_VISIT = "last visit"

_PAGES: dict[Step, Callable[[Visit], Page]] = {
    Step.LANGUAGE: LanguagePage,
    Step.CONSENT: ConsentPage,
    Step.DECLINED: DeclinedPage,
    Step.DEMOGRAPHICS: DemographicsPage,
    Step.INSTRUCTIONS: InstructionsPage,
    Step.COMPREHENSION: ComprehensionPage,
    Step.ATTENTION: AttentionPage,
    Step.BREAK: BreakPage,
    Step.SCREENED_OUT: ScreenedOutPage,
    Step.CONVERSATION: ConversationPage,
    Step.RATING: rating_or_revision,
    Step.FINISHED: FinishedPage,
}


def show_page() -> None:
    """Show the page of whoever is there."""
    study = study_in_force()
    for_coordinator = identity.asks_for_coordinator()
    token = None if for_coordinator else identity.rater_token()
    if token is not None:
        study = study.in_language(language_of(study, token))
    words = load_messages(study.protocol.language)
    st.set_page_config(
        page_title=words("page.title"), layout="wide", initial_sidebar_state="collapsed"
    )
    if for_coordinator:
        if identity.is_coordinator(study):
            _mark_simulated(study, words)
            coordinator.draw(study, words)
        else:
            elements.notice(
                words("coordinator.link_title"), words("coordinator.link"), "no-coordinator"
            )
        return
    if token is None:
        elements.notice(words("link.missing_title"), words("link.missing"), "no-link")
        return
    _show_rater_page(study, words, token)


def _show_rater_page(study: Study, words: Messages, token: str) -> None:
    try:
        _mark_simulated(study, words)
        visit = Visit(study, words, token, find_place(study, token))
        visit = _PAGES[visit.place.step](visit).act()
    except LinkError:
        elements.notice(words("link.title"), words("link.unknown"), "unknown-link")
        return
    except StoreError as error:
        _log.error("%s", error)
        _show_last_page(words, token)
        return
    except EvenhandError as error:
        _log.error("%s", error)
        elements.notice(words("failure.title"), words("failure.refused"), "refused")
        return
    st.session_state[_LAST_VISIT] = visit
    _PAGES[visit.place.step](visit).draw()


def _show_last_page(words: Messages, token: str) -> None:
    """Draw the response again that was on the page, so that the answers to it stay there."""
    last: Visit | None = st.session_state.get(_LAST_VISIT)
    if last is not None and last.token == token and last.place.step is Step.RATING:
        page_not_saved(last).draw()
    else:
        elements.notice(words("failure.title"), words("failure.page"), "failure")


_CHECK_SECONDS = 10
_checked: dict[Path, tuple[float, bool]] = {}


def _known_simulated(study: Study) -> bool:
    """Whether anybody in the study is simulated; looked up at most every ten seconds."""
    at, simulated = _checked.get(study.folder, (-_CHECK_SECONDS, False))
    if simulated or time.monotonic() - at < _CHECK_SECONDS:
        return simulated
    simulated = any_simulated(study)
    _checked[study.folder] = (time.monotonic(), simulated)
    return simulated


def _mark_simulated(study: Study, words: Messages) -> None:
    if _known_simulated(study):
        elements.note(words("page.simulated"), "simulated")


def show_failure(error: Exception) -> bool:
    """Show a calm sentence for an error that no page expected; the log has the details."""
    _log.error("A page failed", exc_info=error)
    words = load_messages(study_in_force().protocol.language)
    elements.note(words("failure.page"), "warning")
    return True
