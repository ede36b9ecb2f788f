"""Items: one file for each kind. What stands in this folder is found; there is no list to add to."""

from __future__ import annotations

import operator
import pkgutil
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from study.protocol.items.item import Item

__all__ = ["KINDS", "AnyItem", "Item"]

for _file in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_file.name)

KINDS: dict[str, type[Item]] = dict(
    sorted(Item.kinds.items(), key=lambda entry: (entry[1].listed, entry[0]))
)
"""Every kind by its name, in the order in which kinds are listed."""


def _with_kind(plain: Any) -> Any:
    """An item without a kind is a statement on the instrument's scale."""
    return {"kind": "likert", **plain} if isinstance(plain, dict) else plain


if TYPE_CHECKING:
    AnyItem = Item
else:
    _OneOf = reduce(operator.or_, KINDS.values())
    AnyItem = Annotated[_OneOf, Field(discriminator="kind"), BeforeValidator(_with_kind)]
