"""Questions that are answered with yes, no or not sure."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.item import Item
from study.protocol.scale import Scale


class YesNoUnsureItem(Item):
    """Yes, no or not sure, in the words of the rater's language."""

    listed: ClassVar[int] = 4
    widget: ClassVar[str] = "yes_no_unsure"

    kind: Literal["yes-no-unsure"] = Field(description="Yes, no or not sure; held as 1, 0 and 2.")

    def anchors(self, scale: Scale) -> dict[int, str]:
        """The three answers."""
        return {1: "Yes", 0: "No", 2: "Not sure"}
