"""Yes, no and not sure, in the words of the rater's language."""

from __future__ import annotations

from survey_app.drawing import safe_text
from survey_app.drawing.widgets.row import RowWidget

_WORDS = {1: "card.yes", 0: "card.no", 2: "card.unsure"}


class YesNoUnsureWidget(RowWidget):
    """Three buttons."""

    def labels(self) -> dict[int, str]:
        """The catalogue's words."""
        return {
            value: safe_text.to_label(self.words(_WORDS[value]))
            for value in self.item.anchors(self.scale)
        }


WIDGET = YesNoUnsureWidget
