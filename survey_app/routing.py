"""Which page is shown. Everything is looked up in the database on every run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from study.errors import EvenhandError, LinkError, StoreError
from study.participation import Step, find_place
from study.store.raters import read_raters
from study.store.study import Study
from survey_app import identity
from survey_app.drawing import elements
from survey_app.languages import language_of
from survey_app.messages import Messages, load_messages
from survey_app.server.study_in_force import study_in_force
from survey_app.steps import attention as attention_page
from survey_app.steps import comprehension as comprehension_page
from survey_app.steps import consent as consent_page
from survey_app.steps import conversation as conversation_page
from survey_app.steps import coordinator as coordinator_page
from survey_app.steps import demographics as demographics_page
from survey_app.steps import endings as ending_pages
from survey_app.steps import instructions as instructions_page
from survey_app.steps import language as language_page
from survey_app.steps import rest as break_page
from survey_app.steps import revision as revision_page
from survey_app.visit import Visit

_log = logging.getLogger("survey_app")
_LAST_VISIT = "last visit"

_ACT: dict[Step, Callable[[Visit], Visit]] = {
    Step.LANGUAGE: language_page.act,
    Step.CONSENT: consent_page.act,
    Step.DECLINED: ending_pages.act,
    Step.DEMOGRAPHICS: demographics_page.act,
    Step.INSTRUCTIONS: instructions_page.act,
    Step.COMPREHENSION: comprehension_page.act,
    Step.ATTENTION: attention_page.act,
    Step.BREAK: break_page.act,
    Step.SCREENED_OUT: ending_pages.act,
    Step.CONVERSATION: conversation_page.act,
    Step.RATING: revision_page.act,
    Step.FINISHED: ending_pages.act,
}
_DRAW: dict[Step, Callable[[Visit], None]] = {
    Step.LANGUAGE: language_page.draw,
    Step.CONSENT: consent_page.draw,
    Step.DECLINED: ending_pages.draw_declined,
    Step.DEMOGRAPHICS: demographics_page.draw,
    Step.INSTRUCTIONS: instructions_page.draw,
    Step.COMPREHENSION: comprehension_page.draw,
    Step.ATTENTION: attention_page.draw,
    Step.BREAK: break_page.draw,
    Step.SCREENED_OUT: ending_pages.draw_screened_out,
    Step.CONVERSATION: conversation_page.draw,
    Step.RATING: revision_page.draw,
    Step.FINISHED: ending_pages.draw_finished,
}


def show_page() -> None:
    """Show the page of whoever is there."""
    study = study_in_force()
    coordinator = identity.asks_for_coordinator()
    token = None if coordinator else identity.rater_token()
    if token is not None:
        study = study.in_language(language_of(study, token))
    words = load_messages(study.protocol.language)
    st.set_page_config(
        page_title=words("page.title"), layout="wide", initial_sidebar_state="collapsed"
    )
    if coordinator:
        if identity.is_coordinator(study):
            _mark_simulated(study, words)
            coordinator_page.draw(study, words)
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
        visit = _ACT[visit.place.step](visit)
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
    _DRAW[visit.place.step](visit)


def _show_last_page(words: Messages, token: str) -> None:
    """Draw the response again that was on the page, so that the answers to it stay there."""
    last: Visit | None = st.session_state.get(_LAST_VISIT)
    if last is not None and last.token == token and last.place.step is Step.RATING:
        revision_page.draw(last, not_saved=True)
    else:
        elements.notice(words("failure.title"), words("failure.page"), "failure")


_CHECK_SECONDS = 10
_checked: dict[Path, tuple[float, bool]] = {}


def _any_simulated(study: Study) -> bool:
    """Whether anybody in the study is simulated; looked up at most every ten seconds."""
    at, simulated = _checked.get(study.folder, (-_CHECK_SECONDS, False))
    if simulated or time.monotonic() - at < _CHECK_SECONDS:
        return simulated
    simulated = any(rater.simulated for rater in read_raters(study))
    _checked[study.folder] = (time.monotonic(), simulated)
    return simulated


def _mark_simulated(study: Study, words: Messages) -> None:
    if _any_simulated(study):
        elements.note(words("page.simulated"), "simulated")


def show_failure(error: Exception) -> bool:
    """Show a calm sentence for an error that no page expected; the log has the details."""
    _log.error("A page failed", exc_info=error)
    words = load_messages(study_in_force().protocol.language)
    elements.note(words("failure.page"), "warning")
    return True
