"""Questions that are answered with one of several options without an order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.block import Option
from study.protocol.items.item import Item
from study.protocol.scale import Scale


class ChoiceItem(Item):
    """One of the item's own options."""

    listed: ClassVar[int] = 5
    elsewhere: ClassVar = {"options": " and takes no options"}
    widget: ClassVar[str] = "list"

    kind: Literal["choice"] = Field(description="One of the options; held as its value.")
    options: tuple[Option, ...] = Field(
        default=(), description="The answers, at least two, in the order on the page."
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """It needs options that differ."""
        if len(self.options) < 2:
            yield "options", "is a choice and needs at least two options"
        values = [option.value for option in self.options]
        if len(set(values)) < len(values):
            yield "options", f"has the values {values}; values must differ"
        yield from super().faults()

    def anchors(self, scale: Scale) -> dict[int, str]:
        """The options."""
        return {option.value: option.label for option in self.options}
