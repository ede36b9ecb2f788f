"""A judge on this machine: a transformers checkpoint, without a server and without the network."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.backends.chat_prompt import prompt_tokens
from models.backends.decoding import DecodingSettings
from models.backends.interface import Message
from models.backends.model_files import locate_checkpoint
from models.backends.transformers_backend import TransformersBackend
from models.judge.asking.calls import AskAgain, RawReply
from study.errors import ModelError
from study.protocol.judge import Judge
from study.protocol.systems import System

CANDIDATES = 20
_FINISH = {"length": "length", "context": "length", "time": "length"}


class _ScoringBackend(TransformersBackend):
    """The backend of a checkpoint, with a look at the probabilities of the next token."""

    def next_token(self, messages: Sequence[Message]) -> tuple[list[tuple[str, float]], int]:
        """Text and log probability of the likeliest first tokens and of all single characters.

        Returns
        -------
        list of (str, float)
            Most likely first; log probabilities are natural.
        int
            Number of prompt tokens.
        """
        tokens = prompt_tokens(self._tokenizer, [dict(message) for message in messages])
        if len(tokens) >= self._context_length:
            raise ModelError(
                f"The judge's prompt has {len(tokens)} tokens, but this model's context holds "
                f"{self._context_length}. Use a judge with a longer context."
            )
        logits = np.asarray(self.forward_from_start()(tokens, 0), dtype=np.float64)
        shifted = logits - logits.max()
        logprobs = shifted - np.log(np.exp(shifted).sum())
        chosen = {int(i) for i in np.argsort(-logprobs)[:CANDIDATES]} | self._characters()
        ordered = sorted(chosen, key=lambda i: -logprobs[i])
        return [(self._decode([i]), float(logprobs[i])) for i in ordered], len(tokens)

    def _characters(self) -> set[int]:
        """Tokens that read as one digit or capital letter, with or without a space before it."""
        found = set()
        for character in "0123456789ABCDEFGHT":
            for text in (character, f" {character}"):
                encoded = self._tokenizer(text, add_special_tokens=False)["input_ids"]
                found |= {int(i) for i in encoded if self._decode([int(i)]).strip() == character}
        return found


class LocalAsker:
    """Answers the judge's requests with a checkpoint; the replies have the form of an endpoint's.

    Parameters
    ----------
    judge : Judge
        With backend ``transformers``.
    study_folder : Path
        Where a relative model path starts.

    Raises
    ------
    ModelError
        When the checkpoint is missing or damaged.
    """

    def __init__(self, judge: Judge, study_folder: Path) -> None:
        system = System(id="judge", title="Judge", backend="transformers", model=judge.model)
        self._backend = _ScoringBackend(locate_checkpoint(system, study_folder))
        # One reply at a time: a model on this machine gains nothing from two at once.
        self._turn = threading.Lock()
        self._queue = asyncio.Lock()

    @property
    def model_sha256(self) -> str:
        """Over all files of the checkpoint."""
        return str(self._backend.provenance()["model_sha256"])

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        idempotency_key: str,
        tokens: int,
        again: AskAgain | None = None,
    ) -> RawReply:
        """Answer one request (see :class:`models.judge.asking.calls.Asker`)."""
        del idempotency_key, tokens, again
        # Waiting callers must not fill the threads that the ledger needs, too.
        async with self._queue:
            return await asyncio.to_thread(self.answer, request)

    def answer(self, request: Mapping[str, Any]) -> RawReply:
        """Answer one request in the calling thread."""
        with self._turn:
            started = time.perf_counter()
            try:
                body = self._complete(request)
            except ModelError as error:
                failure = {"kind": "model", "message": str(error)}
                return RawReply(None, failure, 1, 0, time.perf_counter() - started)
            return RawReply({"body": json.dumps(body)}, None, 1, 0, time.perf_counter() - started)

    async def close(self) -> None:
        """Drop the weights."""
        self._backend.close()

    def _complete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("logprobs"):
            return self._likeliest(request)
        settings = DecodingSettings(
            max_new_tokens=request["max_tokens"],
            temperature=request["temperature"],
            top_p=request["top_p"],
            seed=request["seed"],
        )
        reply = self._backend.generate(request["messages"], settings)
        return _completion(
            request["model"],
            reply.text,
            _FINISH.get(reply.stop_reason, "stop"),
            (reply.prompt_tokens, reply.completion_tokens),
        )

    def _likeliest(self, request: Mapping[str, Any]) -> dict[str, Any]:
        candidates, prompt_tokens = self._backend.next_token(request["messages"])
        top = [{"token": text, "logprob": value} for text, value in candidates]
        logprobs = {"content": [top[0] | {"top_logprobs": top}]}
        body = _completion(request["model"], candidates[0][0], "stop", (prompt_tokens, 1))
        body["choices"][0]["logprobs"] = logprobs
        return body


def _completion(model: str, content: str, finish: str, tokens: tuple[int, int]) -> dict[str, Any]:
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
    }
