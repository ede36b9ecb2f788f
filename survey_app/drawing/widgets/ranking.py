"""A ranking: one row of places for each response on the page."""

from __future__ import annotations

import streamlit as st

from study.entities import Answer
from study.protocol.items.ranking import RankingItem, place_letter, read_ranking, write_ranking
from survey_app.drawing import elements, opening, safe_text
from survey_app.drawing.widgets.widget import Widget


class RankingWidget(Widget[RankingItem]):
    """The rows, in the order of the responses."""

    @property
    def _places(self) -> range:
        return range(1, len(self.responses) + 1)

    def draw(self) -> None:
        """Draw the rows."""
        places = list(self._places)
        labels = {place: f"**{place}**" for place in places}
        for place, end in ((places[0], "card.place_best"), (places[-1], "card.place_worst")):
            labels[place] += f" {safe_text.to_label(self.words(end))}"
        with st.container(key=f"several-{self.style}"):
            elements.question(self.title)
            for row in places:
                response = self.words("rating.response", label=place_letter(row))
                st.segmented_control(
                    safe_text.to_label(response),
                    places,
                    format_func=labels.__getitem__,
                    key=f"{self.key}.{row}",
                    width="stretch",
                    required=not self.item.optional,
                    default=opening.option(f"{self.key}.{row}", places),
                )

    def _chosen(self) -> dict[str, int]:
        """Letter of a response -> its place, for those that have one."""
        raw = {row: st.session_state.get(f"{self.key}.{row}") for row in self._places}
        return {place_letter(row): int(place) for row, place in raw.items() if place is not None}

    def known(self) -> Answer | None:
        """The order; None while it is not complete."""
        return None if self._lacks() else Answer(write_ranking(self._chosen()))

    def holding(self, answer: Answer) -> dict[str, object]:
        """The places; responses that share one have the same number."""
        places: dict[str, object] = {}
        place = 1
        for letters in read_ranking(answer.text) if answer.text else ():
            for letter in letters:
                places[f"{self.key}.{ord(letter) - ord('A') + 1}"] = place
            place += len(letters)
        return places

    @property
    def drawn_key(self) -> str:
        """The first row's."""
        return f"{self.key}.1"

    def begun(self) -> bool:
        """Whether any response has a place."""
        return bool(self._chosen())

    def missing(self) -> str:
        """Places are missing, or two responses share one that may not."""
        return self._lacks() or super().missing()

    def _lacks(self) -> str | None:
        places = self._chosen()
        if len(places) < len(self.responses):
            return "card.open_ranking"
        if len(set(places.values())) < len(self.responses) and not self.item.ties:
            return "card.same_place"
        return None


WIDGET = RankingWidget
