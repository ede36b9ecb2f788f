"""What every system looks like to the rest of the toolkit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from models.backends.decoding import DecodingSettings, Generated

# One turn of a conversation: {"role": "system" | "user" | "assistant", "content": text}.
Message = Mapping[str, str]


class Backend(Protocol):
    """A loaded system that can be asked for replies, one at a time."""

    def provenance(self) -> dict[str, Any]:
        """What made the replies so far, as plain JSON values.

        Always has ``backend`` and ``model``; local models have ``model_sha256`` and
        ``files_sha256``; all have ``libraries`` (name to version). An endpoint adds what it
        reported of the latest reply.
        """

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Write one reply.

        Parameters
        ----------
        messages : sequence of mapping
            ``{"role": "system" | "user" | "assistant", "content": text}``, oldest first.
        settings : DecodingSettings
        on_text : callable or None
            Gets each new piece of text as soon as it is there.

        Raises
        ------
        ModelError
            When the system cannot answer or cannot honour a setting.
        GenerationError
            When it answered, but not with a usable reply.
        """

    def close(self) -> None:
        """Give back memory, processes and connections."""
