"""Runs an offline ``.pte`` file in a worker process.

A prompt that fills the context is refused; a reply that fills it ends with the stop reason
``context``. Turns are never dropped in silence (see ``models.backends.decoding.refuse_overlong``).
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.backends.decoding import DecodingSettings, Generated
from models.offline.export import file_sha256, manifest_path, read_manifest, tokenizer_folder
from models.offline.worker import Failed, Piece, Ready, Request, Stop
from models.separate_process import start_process
from study.errors import GenerationError, ModelError

# A file of 1 GB loads in about 5 s; ten minutes mean that the machine is stuck.
_LOAD_LIMIT_S = 600.0
_GRACE_S = 60.0
# A worker that writes comes to its next piece of text sooner than this, in seconds.
_STOP_LIMIT_S = 20.0

# ExecuTorch's file: a flatbuffer with the identifier ET12, then its own header with the lengths.
_IDENTIFIER = slice(4, 8)
_HEADER_MAGIC = b"eh00"
_HEADER_START = 8


def refuse_damaged(pte: Path) -> str:
    """Refuse a file that is missing, foreign, cut off, or other than its manifest says.

    Returns
    -------
    str
        The file's SHA-256.

    Raises
    ------
    ModelError
        One sentence that says which of these it is and what to do.
    """
    if not pte.is_file():
        raise ModelError(
            f"There is no offline model file {pte}. Correct its path in the protocol, copy the "
            f"file there, or make it with `evenhand quantize`."
        )
    with pte.open("rb") as stream:
        head = stream.read(64)
    if len(head) < 64 or head[_IDENTIFIER][:2] != b"ET":
        raise ModelError(_damaged(pte, "it is not an ExecuTorch program"))
    expected = _length_by_header(head)
    size = pte.stat().st_size
    if expected is not None and size < expected:
        raise ModelError(_damaged(pte, f"it has {size:,} bytes of at least {expected:,}"))
    digest = file_sha256(pte)
    if manifest_path(pte).is_file() and read_manifest(pte).sha256 != digest:
        raise ModelError(_damaged(pte, f"its hash is not the one in {manifest_path(pte).name}"))
    return digest


def _length_by_header(head: bytes) -> int | None:
    magic, length, program, base = struct.unpack_from("<4sIQQ", head, _HEADER_START)
    if magic != _HEADER_MAGIC:
        return None
    segments = struct.unpack_from("<Q", head, _HEADER_START + 24)[0] if length >= 32 else 0
    return int(max(program, base + segments))


def _damaged(pte: Path, reason: str) -> str:
    return (
        f"The offline model file {pte} is damaged: {reason}. Copy it again or run "
        f"`evenhand quantize`."
    )


class _ReaderGoneError(Exception):
    """Whoever read the reply broke it off, and the worker left it: both are at the same place."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class OfflineRuntime:
    """One offline model, loaded once, that writes one reply at a time.

    Parameters
    ----------
    pte : Path
        The model file.
    tokenizer_dir : Path or None
        Folder with tokenizer.json, tokenizer_config.json and the chat template; None means
        ``NAME.tokenizer`` beside the file.

    Raises
    ------
    ModelError
        When the file or the tokenizer is missing or damaged.
    """

    def __init__(self, pte: Path, tokenizer_dir: Path | None = None) -> None:
        self.pte = pte
        self.tokenizer_dir = tokenizer_folder(pte) if tokenizer_dir is None else tokenizer_dir
        self.sha256 = refuse_damaged(pte)
        if not (self.tokenizer_dir / "tokenizer.json").is_file():
            raise ModelError(
                f"The tokenizer folder {self.tokenizer_dir} of {pte.name} has no tokenizer.json. "
                f"Copy the folder along with the model, or name it in the protocol."
            )
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready: Ready | None = None
        self._started()

    @property
    def context_length(self) -> int:
        """Tokens that prompt and reply can have together."""
        return self._started().context_length

    @property
    def vocab_size(self) -> int:
        """Number of tokens of the model."""
        return self._started().vocab_size

    @property
    def stop_tokens(self) -> frozenset[int]:
        """Tokens that end a reply: the file's own, and those of the tokenizer beside it."""
        return self._started().stop_tokens

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, None when it does not run (for memory measurements)."""
        return self._process.pid if self._process is not None else None

    def generate(
        self,
        messages: Sequence[dict[str, str]],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Write one reply.

        Parameters
        ----------
        messages : sequence of dict
            ``role`` and ``content``; the last is the user's.
        settings : DecodingSettings
        on_text : callable or None
            Gets each piece of text as soon as it is whole characters.

        Raises
        ------
        ModelError
            When the messages do not fit the model.
        GenerationError
            When the worker process ended or hung; the next call starts a new one.
        """
        request = Request(tuple(messages), settings, stream=on_text is not None)
        limit = None if settings.time_limit_s is None else settings.time_limit_s + _GRACE_S
        reply = self._exchange(request, limit, on_text)
        if not isinstance(reply, Generated):
            raise GenerationError(f"The offline model {self.pte.name} gave no reply.")
        return reply

    def token_logits(self, tokens: Sequence[int]) -> Any:
        """Logits after each of ``tokens``, shape (tokens, vocabulary), for parity checks."""
        return self._exchange(Request(scored=tuple(tokens)), None, None)

    def close(self) -> None:
        """End the worker process."""
        with self._lock:
            if (
                self._pipe is not None
                and self._process is not None
                and self._process.poll() is None
            ):
                with contextlib.suppress(OSError):
                    self._pipe.send(None)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(5.0)
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> Ready:
        if self._ready is not None and self._process is not None and self._process.poll() is None:
            return self._ready
        self._discard()
        self._process, self._pipe = start_process(
            "models.offline.worker", "serve", str(self.pte), str(self.tokenizer_dir)
        )
        answer = self._receive(_LOAD_LIMIT_S)
        if not isinstance(answer, Ready):
            self._discard()
            if isinstance(answer, Failed) and not answer.damaged:
                raise ModelError(answer.message)
            reason = answer.message if isinstance(answer, Failed) else "loading it ended the worker"
            raise ModelError(_damaged(self.pte, f"it cannot be loaded ({reason})"))
        self._ready = answer
        return answer

    def _exchange(
        self, request: Request, limit: float | None, on_text: Callable[[str], None] | None
    ) -> Any:
        with self._lock:
            self._started()
            finished = False
            try:
                if self._pipe is None:
                    raise GenerationError(self._worker_ended())
                self._pipe.send(request)
                while isinstance(answer := self._receive(limit), Piece):
                    if on_text is not None:
                        self._pass_on(answer.text, on_text)
                finished = True
            except _ReaderGoneError as gone:
                finished = True
                raise gone.reason from None
            finally:
                # A reply that nobody reads to its end would be taken for the next one's.
                if not finished:
                    self._discard()
        if answer is None:
            self._discard()
            raise GenerationError(self._worker_ended())
        if isinstance(answer, Failed):
            if answer.damaged:
                raise GenerationError(
                    f"The offline model {self.pte.name} failed while it wrote a reply "
                    f"({answer.message}). Try again; if it happens again, copy the file again."
                )
            raise ModelError(answer.message)
        return answer

    def _pass_on(self, text: str, on_text: Callable[[str], None]) -> None:
        try:
            on_text(text)
        except Exception as error:
            if self._stop_reply():
                raise _ReaderGoneError(error) from error
            raise

    def _stop_reply(self) -> bool:
        """Have the worker leave the reply in hand; it keeps the model loaded. False: it did not."""
        if self._pipe is None:
            return False
        with contextlib.suppress(OSError):
            self._pipe.send(Stop())
            while isinstance(answer := self._receive(_STOP_LIMIT_S), Piece):
                pass
            return answer is not None
        return False

    def _worker_ended(self) -> str:
        return (
            f"The process of the offline model {self.pte.name} ended or hung while it wrote a "
            f"reply. Try again; if it happens again, check the free memory and copy the file again."
        )

    def _receive(self, limit: float | None) -> Any:
        """The worker's next message, or None when it ended or the limit passed."""
        if self._pipe is None:
            return None
        try:
            if limit is not None and not self._pipe.poll(limit):
                return None
            return self._pipe.recv()
        except (EOFError, OSError):
            return None

    def _discard(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe, self._ready = None, None, None
