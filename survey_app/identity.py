"""Who is at the page. The one place that reads it, on every run: a browser session proves nothing.

A browser that presents another one's session id takes that session over, with all its state, so
neither a role nor a rater may ever be remembered there.
"""

from __future__ import annotations

import streamlit as st

from study.blinding import is_coordinator_token
from study.protocol.endpoint_address import base_address
from study.store.study import Study
from survey_app.server.settings import COORDINATOR_COOKIE, RATER_COOKIE
from survey_app.server.study_in_force import settings_in_force

VIEW = "view"
COORDINATOR_VIEW = "coordinator"


def rater_token() -> str | None:
    """The secret of the rater's link, from this browser's cookie."""
    # On every run, and never from the session's state: who presents another one's session id to Streamlit
    # goes on in that session, but with a cookie of their own.
    return st.context.cookies.get(RATER_COOKIE) or None


def asks_for_coordinator() -> bool:
    """Whether this page's address is the coordinator's."""
    return st.query_params.get(VIEW) == COORDINATOR_VIEW


def is_coordinator(study: Study) -> bool:
    """Whether this browser has opened the coordinator's link."""
    token = st.context.cookies.get(COORDINATOR_COOKIE)
    return bool(token) and is_coordinator_token(study.key, str(token))


def server_address() -> str:
    """The address under which this browser reaches the server, without a slash at the end."""
    own = str(st.context.url or "").split("?")[0]
    return settings_in_force().address or base_address(own)
