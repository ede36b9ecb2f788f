"""A Hugging Face checkpoint as a backend: transformers for the numbers, our own decoding loop."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.backends.interface import Message
from models.backends.model_files import (
    INSTALL_COMMAND,
    library_versions,
    sha256_of_folder,
    sha256_of_hashes,
)
from models.chat_prompt import prompt_tokens
from models.decoding import DecodingSettings, Generated, Logits, decode_reply
from study.errors import ModelError

Precision = Literal["fp32", "bf16"]


class TransformersBackend:
    """Runs a checkpoint folder on this machine; nothing is looked up on the network.

    Parameters
    ----------
    checkpoint : Path
        Folder with ``config.json``, safetensors, tokenizer and chat template.
    precision : {"fp32", "bf16"}
        Numeric type of weights and arithmetic.

    Raises
    ------
    ModelError
        When transformers is not installed, or the checkpoint is damaged or incomplete.
    """

    def __init__(self, checkpoint: Path, *, precision: Precision = "fp32") -> None:
        self._checkpoint = checkpoint
        self._precision = precision
        self._tokenizer, self._model = _load(checkpoint, precision)
        self._stop_tokens = _stop_tokens(self._model, self._tokenizer)
        self._context_length = int(
            getattr(self._model.config, "max_position_embeddings", None) or 2048
        )
        self._files = sha256_of_folder(checkpoint)

    def provenance(self) -> dict[str, Any]:
        """The checkpoint, the hashes of its files, the numeric type and the versions."""
        return {
            "backend": "transformers",
            "model": self._checkpoint.name,
            "model_sha256": sha256_of_hashes(self._files),
            "files_sha256": self._files,
            "precision": self._precision,
            "libraries": library_versions("transformers", "torch", "tokenizers", "numpy"),
        }

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Write one reply (see :class:`models.backends.interface.Backend`)."""
        return decode_reply(
            prompt_tokens(self._tokenizer, [dict(message) for message in messages]),
            self._forward_from_start(),
            self._decode,
            settings,
            stop_tokens=self._stop_tokens,
            context_length=self._context_length,
            on_text=on_text,
        )

    def close(self) -> None:
        """Drop the weights."""
        self._model = None
        self._tokenizer = None

    def _forward_from_start(self) -> Callable[[Sequence[int], int], Logits]:
        """A forward function with a fresh key-value cache, for one reply."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)

        def forward(tokens: Sequence[int], position: int) -> Logits:
            # The cache knows the position: it grows by what was read.
            del position
            with torch.inference_mode():
                output = self._model(
                    input_ids=torch.tensor([list(tokens)], dtype=torch.long),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                logits = output.logits[0, -1].to(torch.float32).numpy()
            return np.asarray(logits)

        return forward

    def _decode(self, tokens: list[int]) -> str:
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


def _load(checkpoint: Path, precision: Precision) -> tuple[Any, Any]:
    """Tokenizer and model, from disk only.

    A tensor that is not in the file would be filled with random numbers and a mere warning, so
    missing and mismatched tensors are refused.
    """
    try:
        with _without_warnings():
            import torch
            import transformers
            from safetensors import SafetensorError
    except ImportError as error:
        raise ModelError(
            f"The transformers backend needs the package {error.name!r}. "
            f"Install it with: {INSTALL_COMMAND}"
        ) from error
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision not in dtypes:
        raise ModelError(f"The precision is {precision!r}; expected one of: {', '.join(dtypes)}.")
    # Untyped in transformers' own annotations.
    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    try:
        with _without_warnings():
            tokenizer = library.AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
            model, loading = library.AutoModelForCausalLM.from_pretrained(
                checkpoint,
                local_files_only=True,
                dtype=dtypes[precision],
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"The checkpoint at {checkpoint} cannot be loaded: {_first_line(error)}. "
            f"It is damaged or of a kind that transformers does not know: copy it again, whole."
        ) from error
    _refuse_incomplete(checkpoint, loading)
    if not tokenizer.chat_template:
        raise ModelError(
            f"The checkpoint at {checkpoint} has no chat template, so it is not clear how a "
            f"conversation is written for it. Add a chat_template.jinja to the folder."
        )
    return tokenizer, model.eval()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the libraries' lines on the error stream from the user.

    torchao warns of GPU libraries that it cannot load and torch of torchao's classes, in part before
    any logger is set up; what matters of a checkpoint is checked after loading.
    """
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _refuse_incomplete(checkpoint: Path, loading: Mapping[str, Any]) -> None:
    for kind in ("missing_keys", "mismatched_keys"):
        tensors = sorted(str(tensor) for tensor in loading.get(kind, ()))
        if tensors:
            raise ModelError(
                f"The checkpoint at {checkpoint} does not fit its config.json: {len(tensors)} "
                f"{kind.replace('_keys', '')} tensors, the first is {tensors[0]}. "
                f"Copy the checkpoint again, whole."
            )


def _stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    declared = getattr(model.generation_config, "eos_token_id", None)
    if declared is None:
        declared = []
    tokens = set(declared if isinstance(declared, list) else [declared])
    if tokenizer.eos_token_id is not None:
        tokens.add(tokenizer.eos_token_id)
    return frozenset(int(token) for token in tokens)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
