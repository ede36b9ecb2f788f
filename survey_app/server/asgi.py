"""The survey app for an ASGI server: ``EVENHAND_STUDY=DIR uvicorn survey_app.server.asgi:app``."""

from __future__ import annotations

from survey_app.server.application import create_app

app = create_app()
