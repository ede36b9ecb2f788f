"""A ranking: one row of places for each response on the page."""

from __future__ import annotations

import streamlit as st

from study.protocol import Item
from study.protocol.rankings import place_letter, read_ranking, write_ranking
from survey_app.drawing import elements, opening, safe_text
from survey_app.messages import Messages


def draw(item: Item, number: int, title: str, key: str, words: Messages) -> None:
    """Draw the rows; ``number`` is that of the responses."""
    places = list(range(1, number + 1))
    labels = {place: f"**{place}**" for place in places}
    for place, end in ((places[0], "card.place_best"), (places[-1], "card.place_worst")):
        labels[place] += f" {safe_text.to_label(words(end))}"
    with st.container(key=f"several-{key.replace('.', '-')}"):
        elements.question(title)
        for row in places:
            response = words("rating.response", label=place_letter(row))
            st.segmented_control(
                safe_text.to_label(response),
                places,
                format_func=labels.__getitem__,
                key=f"{key}.{row}",
                width="stretch",
                required=not item.optional,
                default=opening.option(f"{key}.{row}", places),
            )


def chosen(number: int, key: str) -> dict[str, int]:
    """Letter of a response -> its place, for those that have one."""
    raw = {row: st.session_state.get(f"{key}.{row}") for row in range(1, number + 1)}
    return {place_letter(row): int(place) for row, place in raw.items() if place is not None}


def raw(answer: str, key: str) -> dict[str, object]:
    """What the rows hold for an order; responses that share a place have the same number."""
    places: dict[str, object] = {}
    place = 1
    for letters in read_ranking(answer):
        for letter in letters:
            places[f"{key}.{ord(letter) - ord('A') + 1}"] = place
        place += len(letters)
    return places


def known(item: Item, number: int, key: str) -> str | None:
    """The order that this session knows, None while it is not complete."""
    return None if missing(item, number, key) else write_ranking(chosen(number, key))


def missing(item: Item, number: int, key: str) -> str | None:
    """Which sentence says what is missing; None when nothing is."""
    places = chosen(number, key)
    if len(places) < number:
        return "card.open_ranking"
    if len(set(places.values())) < number and not item.ties:
        return "card.same_place"
    return None
