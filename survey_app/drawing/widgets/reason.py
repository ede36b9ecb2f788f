"""The field for a reason beside a comparison."""

from __future__ import annotations

from typing import ClassVar

from survey_app.drawing.widgets.text import TextWidget


class ReasonWidget(TextWidget):
    """A lower field, which asks for the reason of the question above it."""

    height: ClassVar[int] = 80

    @property
    def title(self) -> str:
        """The reason is asked for in the catalogue's words."""
        return self.words("card.reason")


WIDGET = ReasonWidget
