"""The process in which an offline file runs: loads it, then answers requests over a pipe.

A damaged file can end this process from inside ExecuTorch; the parent sees the pipe close and
turns that into an error of its own.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from models.backends.chat_prompt import end_tokens
from models.backends.decoding import DecodingSettings, Logits, decode_reply
from models.offline.program import load_program
from study.errors import ModelError
from study.installation import install_command

Message = dict[str, str]


@dataclass(frozen=True)
class Ready:
    """The file is loaded."""

    context_length: int
    vocab_size: int
    stop_tokens: frozenset[int]


@dataclass(frozen=True)
class Failed:
    """What could not be done, as a sentence; ``damaged`` when the file itself is at fault."""

    message: str
    damaged: bool = False


@dataclass(frozen=True)
class Piece:
    """A piece of streamed text."""

    text: str


@dataclass(frozen=True)
class Request:
    """One reply to write, or (``scored`` given) one token sequence to score."""

    messages: tuple[Message, ...] = ()
    settings: DecodingSettings | None = None
    stream: bool = False
    scored: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stop:
    """Nobody waits for the rest of the reply in hand."""


@dataclass(frozen=True)
class Stopped:
    """The reply in hand was stopped, as asked."""


class _StoppedError(Exception):
    """Leaves the decoding loop when a stop was asked for."""


class LoadedModel:
    """An ExecuTorch program and its tokenizer; ``threads`` None leaves the number to ExecuTorch."""

    def __init__(self, pte: str, tokenizer_dir: str, *, threads: int | None = None) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._program = load_program(pte, threads=threads)
        self._forward = self._program.load_method("forward")
        self.context_length = int(self._constant("get_max_context_len")[0])
        self.vocab_size = int(self._constant("get_vocab_size")[0])
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir, local_files_only=True)
        # The file's own list may come from an older export, or the tokenizer from another folder.
        self.stop_tokens = end_tokens(self.tokenizer) | {
            int(token) for token in self._constant("get_eos_ids")
        }

    def _constant(self, name: str) -> Sequence[Any]:
        return list(self._program.load_method(name)([]))

    def forward(self, tokens: Sequence[int], position: int) -> Logits:
        """Logits after the last of ``tokens``, the first of which stands at ``position``."""
        outputs = self._forward(
            (
                self._torch.tensor([list(tokens)], dtype=self._torch.long),
                self._torch.tensor([position], dtype=self._torch.long),
            )
        )
        logits: Logits = outputs[0].reshape(-1, self.vocab_size)[-1].float().numpy()
        return logits

    def decode(self, tokens: list[int]) -> str:
        """Tokens to text without special tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))


def serve(pipe: Connection, pte: str, tokenizer_dir: str) -> None:
    """Entry point of the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model = LoadedModel(pte, tokenizer_dir)
    except ImportError as error:
        pipe.send(
            Failed(
                f"The offline runtime needs ExecuTorch, which cannot be imported here ({error}). "
                f"Install it with: {install_command('models')}"
            )
        )
        return
    except Exception as error:  # noqa: BLE001 - ExecuTorch raises bare RuntimeErrors of any cause
        pipe.send(Failed(f"{type(error).__name__}: {error}", damaged=True))
        return
    pipe.send(Ready(model.context_length, model.vocab_size, model.stop_tokens))
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request: Request | Stop | None = pipe.recv()
            if request is None:
                return
            if isinstance(request, Stop):
                continue  # it came when its reply was written to the end already
            try:
                pipe.send(_answer(model, request, pipe))
            except _StoppedError:
                pipe.send(Stopped())
            except ModelError as error:
                pipe.send(Failed(str(error)))
            except (RuntimeError, MemoryError) as error:
                pipe.send(Failed(f"{type(error).__name__}: {error}", damaged=True))


def _answer(model: LoadedModel, request: Request, pipe: Connection) -> Any:
    from models.backends.chat_prompt import prompt_tokens

    if request.scored:
        import numpy as np

        rows = [model.forward([token], at) for at, token in enumerate(request.scored)]
        return np.stack(rows)
    if request.settings is None:
        raise ModelError("A request to the offline model needs decoding settings.")

    def pass_on(text: str) -> None:
        if pipe.poll() and isinstance(pipe.recv(), Stop):
            raise _StoppedError
        pipe.send(Piece(text))

    return decode_reply(
        prompt_tokens(model.tokenizer, request.messages),
        model.forward,
        model.decode,
        request.settings,
        stop_tokens=model.stop_tokens,
        context_length=model.context_length,
        on_text=pass_on if request.stream else None,
    )
