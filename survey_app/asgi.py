"""The survey app for an ASGI server: ``EVENHAND_STUDY=DIR uvicorn survey_app.asgi:app``."""

from __future__ import annotations

from survey_app.application import create_app

app = create_app()
