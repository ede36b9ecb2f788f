"""The offline ``.pte`` file as a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.backends.decoding import DecodingSettings, Generated
from models.backends.interface import Message
from models.backends.model_files import (
    library_versions,
    sha256_of_pte,
)
from models.backends.peak_memory import peak_memory_bytes
from study.errors import ModelError
from study.installation import install_command


class ExecutorchBackend:
    """Runs a ``.pte`` file through the offline runtime, in a process of its own.

    Parameters
    ----------
    pte : Path
    tokenizer_folder : Path

    Raises
    ------
    ModelError
        When the file is damaged or foreign, or ExecuTorch is not installed.
    """

    def __init__(self, pte: Path, tokenizer_folder: Path) -> None:
        _refuse_without_packages()
        from models.offline.runtime import OfflineRuntime

        self._pte = pte
        self._files = sha256_of_pte(pte, tokenizer_folder)
        self._model_sha256 = self._files[pte.name]
        self._runtime = OfflineRuntime(pte, tokenizer_folder)

    def provenance(self) -> dict[str, Any]:
        """The file, its hash and its tokenizer's, and the runtime's version."""
        return {
            "backend": "executorch",
            "model": self._pte.name,
            "model_sha256": self._model_sha256,
            "files_sha256": self._files,
            "libraries": library_versions(
                "executorch", "torch", "transformers", "tokenizers", "numpy"
            ),
        }

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Write one reply (see :class:`models.backends.interface.Backend`)."""
        reply: Generated = self._runtime.generate(
            [dict(message) for message in messages], settings, on_text=on_text
        )
        return replace(reply, peak_memory_bytes=peak_memory_bytes(self._runtime.worker_pid))

    def close(self) -> None:
        """End the runtime's process."""
        self._runtime.close()


def _refuse_without_packages() -> None:
    # The runtime's own process would call a missing package a damaged file.
    for package in ("executorch", "torch", "transformers"):
        if find_spec(package) is None:
            raise ModelError(
                f"The executorch backend needs the package {package!r}. "
                f"Install it with: {install_command('models')}"
            )
