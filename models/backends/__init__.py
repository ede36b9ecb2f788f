"""The systems' backends behind one small interface."""

from __future__ import annotations

from models.backends.interface import Backend, Message
from models.backends.opening import open_backend, settings_of

__all__ = ["Backend", "Message", "open_backend", "settings_of"]
