"""The study that this server process serves, opened once."""

from __future__ import annotations

import threading

from study.errors import EvenhandError, LockError
from study.store.conversations import cut_unfinished
from study.store.locking import lock_faults, read_lock
from study.store.study import Study, merge_write_ahead_log, open_study
from survey_app.chat.live import LiveConversations
from survey_app.chat.systems import chat_systems
from survey_app.server.settings import Settings, settings_of_environment

_opening = threading.Lock()
_settings: Settings | None = None
_study: Study | None = None
_conversations: LiveConversations | None = None


def put_in_force(settings: Settings) -> None:
    """Say which study this process serves, before its first page.

    Settings are handed over here and not through the environment, which everything else in the
    process reads as well.
    """
    global _settings
    close_study()
    _settings = settings


def settings_in_force() -> Settings:
    """What this process was started with; without a word of ``serve``, what the environment says.

    Raises
    ------
    StoreError
        When neither says which study is served.
    """
    return _settings or settings_of_environment()


def study_in_force() -> Study:
    """The study that this process serves, opened at the first call.

    Raises
    ------
    StoreError, ProtocolError
        When the folder holds no study that can be opened.
    LockError
        When the study is not locked, or differs from its lock.
    """
    global _study
    with _opening:
        if _study is None:
            study = open_study(settings_in_force().study_folder)
            try:
                _refuse_unless_locked(study)
            except EvenhandError:
                study.close()
                raise
            _study = study
        return _study


def conversations_in_force() -> LiveConversations:
    """The conversations that this process serves; replies that nobody writes any more are cut off.

    Raises
    ------
    ModelError
        When it is not known where the study's systems answer.
    """
    global _conversations
    study = study_in_force()
    with _opening:
        if _conversations is None:
            systems = chat_systems(study, settings_in_force().chat_address)
            if systems:
                cut_unfinished(study)
            _conversations = LiveConversations(study, systems)
        return _conversations


def close_conversations() -> None:
    """Let the open chat pages go, so that the server can stop at once."""
    if _conversations is not None:
        _conversations.close()


def _refuse_unless_locked(study: Study) -> None:
    _ = study.key  # says what is wrong where it is lost: no link could be checked
    if read_lock(study) is None:
        raise LockError(
            "The study is not locked yet, so raters could see different things. Run `evenhand lock`, "
            "then `evenhand enrol`, and start the app again."
        )
    faults = lock_faults(study)
    if faults:
        raise LockError(
            f"The study differs from its lock: {faults[0]}. Nobody can rate it like this. Run "
            "`evenhand verify` to see all differences, and put the locked data back."
        )


def close_study() -> None:
    """Close the study, if one is open, and forget the settings."""
    global _settings, _study, _conversations
    with _opening:
        if _study is not None:
            merge_write_ahead_log(_study)
            _study.close()
        _settings, _study, _conversations = None, None, None
