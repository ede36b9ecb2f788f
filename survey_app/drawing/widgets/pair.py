"""Which of two responses: A, the tie and B, in the order of the responses on the page."""

from __future__ import annotations

from study.protocol.items.pairwise import FIRST_BETTER, SECOND_BETTER, TIE
from survey_app.drawing import safe_text
from survey_app.drawing.widgets.row import RowWidget


class PairWidget(RowWidget):
    """The letters of the responses and the sign of a tie."""

    def labels(self) -> dict[int, str]:
        """The letters in the sentence of the rater's language."""
        better = safe_text.to_label(self.words("card.better", letter="{letter}"))
        return {
            FIRST_BETTER: better.replace("{letter}", "**A**"),
            TIE: f"**=** {safe_text.to_label(self.words('card.tie'))}",
            SECOND_BETTER: better.replace("{letter}", "**B**"),
        }


WIDGET = PairWidget
