"""What items are drawn with: one file for each widget, which an item's kind names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from study.protocol import Item, Scale
from survey_app.drawing.widgets.widget import Widget
from survey_app.messages import Messages


def widget_for(
    item: Item, scale: Scale, responses: Sequence[str], key: str, words: Messages
) -> Widget[Any]:
    """The widget of an item on a page with these responses; ``key`` is seen by the browser."""
    file = import_module(f"{__name__}.{item.widget}")
    drawn: Widget[Any] = file.WIDGET(item, scale, responses, key, words)
    return drawn
