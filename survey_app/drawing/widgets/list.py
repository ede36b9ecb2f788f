"""A list of options below one another, one of which is chosen."""

from __future__ import annotations

import streamlit as st

from survey_app.drawing import opening
from survey_app.drawing.widgets.row import RowWidget


class ListWidget(RowWidget):
    """Options of any length."""

    def draw(self) -> None:
        """Draw the list."""
        options = self.options()
        st.radio(
            self.label,
            list(options),
            index=opening.place_of(self.key, list(options)),
            format_func=options.__getitem__,
            key=self.key,
            width="stretch",
        )


WIDGET = ListWidget
