"""The script that Streamlit runs for every page view and every tap."""

from __future__ import annotations

from survey_app.routing import show_page

show_page()
