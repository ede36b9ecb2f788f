"""Settings of the survey app: which study it serves, and how Streamlit has to behave."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StoreError
from study.protocol.endpoint_address import base_address

STUDY_VARIABLE = "EVENHAND_STUDY"
ADDRESS_VARIABLE = "EVENHAND_ADDRESS"
CHAT_ADDRESS_VARIABLE = "EVENHAND_CHAT_ADDRESS"
CHAT_KEY_VARIABLE = "EVENHAND_CHAT_KEY"

RATER_COOKIE = "evenhand_rater"
COORDINATOR_COOKIE = "evenhand_coordinator"
COOKIE_SECONDS = 30 * 24 * 3600

STREAMLIT_OPTIONS: dict[str, Any] = {
    # The default collects garbage after every script run: 3.5 times slower with one rater, 13 times
    # with 200, and the writer's database lock is held meanwhile.
    "runner.postScriptGC": False,
    # An error's text and lines name files, and may name a system.
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "client.disableDataExport": True,
    "browser.gatherUsageStats": False,
    "logger.hideWelcomeMessage": True,
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.maxUploadSize": 1,
    "server.maxMessageSize": 20,
    "ui.hideTopBar": True,
    # White on the default red has a contrast of 3.3, which readers with weak sight cannot read.
    "theme.light.primaryColor": "#0b57d0",
    "theme.light.textColor": "#1f2328",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f5f9",
    "theme.dark.primaryColor": "#2f6fdb",
    "theme.dark.textColor": "#eceff4",
    "theme.dark.backgroundColor": "#14171c",
    "theme.dark.secondaryBackgroundColor": "#20252d",
}


@dataclass(frozen=True)
class Settings:
    """What this server process was started with.

    Parameters
    ----------
    study_folder : Path
    address : str or None
        Where raters reach the server, when a person declared it; no slash at the end.
    chat_address : str or None
        In a study of conversations: where ``evenhand serve-model --all`` answers.
    """

    study_folder: Path
    address: str | None = None
    chat_address: str | None = None


def settings_of_environment() -> Settings:
    """The settings of a server that was started by another program than ours.

    Raises
    ------
    StoreError
        When ``EVENHAND_STUDY`` is not set.
    """
    named = os.environ.get(STUDY_VARIABLE)
    if not named:
        raise StoreError(
            f"The survey app does not know its study: {STUDY_VARIABLE} is not set. Set it to the study "
            "folder, or start the app with `evenhand serve --study DIR`."
        )
    return Settings(
        Path(named),
        address=_address_in(ADDRESS_VARIABLE),
        chat_address=_address_in(CHAT_ADDRESS_VARIABLE),
    )


def _address_in(variable: str) -> str | None:
    return base_address(os.environ.get(variable, "")) or None


def apply_streamlit_options() -> None:
    """Put this app's options in force; they win over any Streamlit file on the machine."""
    from streamlit import config

    config.get_config_options(force_reparse=True, options_from_flags=dict(STREAMLIT_OPTIONS))
