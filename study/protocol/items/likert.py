"""Likert items: a statement, answered with a point of the instrument's scale."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.on_scale import OnScale


class LikertItem(OnScale):
    """A point of the instrument's scale. An item that names no kind is of this one."""

    listed: ClassVar[int] = 1

    kind: Literal["likert"] = Field(
        default="likert", description="A point of the instrument's scale; held as its value."
    )
