"""Questions that are answered in the rater's own words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.item import Item, Table
from study.protocol.scale import Scale


class TextItem(Item):
    """Free text."""

    listed: ClassVar[int] = 6
    is_text: ClassVar[bool] = True
    table: ClassVar[Table | None] = None
    widget: ClassVar[str] = "text"
    # Characters; the page's field, its draft and the store take the same.
    longest: ClassVar[int] = 1000

    kind: Literal["text"] = Field(description="Free text; held as it was written.")

    def value_fault(self, value: int | str, scale: Scale, responses: Sequence[str]) -> str | None:
        """It takes a text that is neither blank nor too long."""
        if isinstance(value, str) and value.strip() and len(value) <= self.longest:
            return None
        found = f"{len(value)} characters" if isinstance(value, str) else repr(value)
        return f"{found} is no text for {self.label!r}; expected 1 to {self.longest} characters."

    def variables(self, systems: Sequence[str]) -> dict[str, str]:
        """None: it is no number."""
        return {}

    def codebook_remarks(self) -> Iterator[str]:
        """Where the text stands."""
        yield "free text, in the column text"

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> str:
        """A remark that says what it is."""
        return f"Simulated remark {draws.randint(1, 999)}."
