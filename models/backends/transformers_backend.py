"""A Hugging Face checkpoint as a backend: transformers for the numbers, our own decoding loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.backends.adapter import with_adapter
from models.backends.chat_prompt import end_tokens, prompt_tokens
from models.backends.decoding import DecodingSettings, Generated, Logits, decode_reply
from models.backends.interface import Message
from models.backends.model_files import (
    library_versions,
    sha256_of_adapter,
    sha256_of_folder,
    sha256_of_hashes,
)
from models.backends.peak_memory import peak_memory_bytes, restart_peak_memory
from models.library_noise import library_noise_kept_out
from study.errors import ModelError
from study.installation import install_command

Precision = Literal["fp32", "bf16", "4bit"]


class TransformersBackend:
    """Runs a checkpoint folder on this machine; nothing is looked up on the network.

    Parameters
    ----------
    checkpoint : Path
        Folder with ``config.json``, safetensors, tokenizer and chat template.
    precision : {"fp32", "bf16", "4bit"}
        Numeric type of weights and arithmetic; 4bit is NF4 weights by bitsandbytes with arithmetic
        in bf16, on a GPU only.
    adapter : Path or None
        Folder of a LoRA adapter, run beside the weights by PEFT.

    Raises
    ------
    ModelError
        When transformers is not installed, the checkpoint is damaged or incomplete, the adapter is
        not one of this checkpoint, or this machine cannot run the precision.
    """

    def __init__(
        self, checkpoint: Path, *, precision: Precision = "fp32", adapter: Path | None = None
    ) -> None:
        self._checkpoint = checkpoint
        self._precision = precision
        restart_peak_memory()
        self._tokenizer, self._model = load_checkpoint(checkpoint, precision)
        self._adapter = adapter
        if adapter is not None:
            self._model = with_adapter(self._model, checkpoint, adapter)
        self._stop_tokens = _stop_tokens(self._model, self._tokenizer)
        self._context_length = int(
            getattr(self._model.config, "max_position_embeddings", None) or 2048
        )
        self._files = sha256_of_folder(checkpoint)
        self._adapter_files = sha256_of_adapter(adapter) if adapter is not None else {}

    def provenance(self) -> dict[str, Any]:
        """Checkpoint and adapter, the hashes of their files, the numeric type and the versions."""
        facts = self._facts()
        if self._adapter is not None:
            facts["files_sha256"] = self._files | self._adapter_files
            facts["adapter"] = self._adapter.name
            facts["adapter_sha256"] = sha256_of_hashes(self._adapter_files)
            facts["libraries"] |= library_versions("peft")
        if self._precision == "4bit":
            facts["libraries"] |= library_versions("bitsandbytes")
        return facts

    def _facts(self) -> dict[str, Any]:
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
        reply = decode_reply(
            prompt_tokens(self._tokenizer, [dict(message) for message in messages]),
            self.forward_from_start(),
            self._decode,
            settings,
            stop_tokens=self._stop_tokens,
            context_length=self._context_length,
            on_text=on_text,
        )
        return replace(reply, peak_memory_bytes=peak_memory_bytes())

    def close(self) -> None:
        """Drop the weights."""
        self._model = None
        self._tokenizer = None

    def forward_from_start(self) -> Callable[[Sequence[int], int], Logits]:
        """A forward function with a fresh key-value cache, for one reply."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)

        def forward(tokens: Sequence[int], position: int) -> Logits:
            # The cache knows the position: it grows by what was read.
            del position
            with torch.inference_mode():
                output = self._model(
                    input_ids=torch.tensor(
                        [list(tokens)], dtype=torch.long, device=self._model.device
                    ),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                logits = output.logits[0, -1].to(torch.float32).cpu().numpy()
            return np.asarray(logits)

        return forward

    def _decode(self, tokens: list[int]) -> str:
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


def load_checkpoint(checkpoint: Path, precision: Precision) -> tuple[Any, Any]:
    """Tokenizer and model, from disk only.

    A tensor that is not in the file would be filled with random numbers and a mere warning, so
    missing and mismatched tensors are refused.
    """
    if not checkpoint.is_dir():
        # Otherwise transformers takes the name for one on a public site and speaks of connecting.
        raise ModelError(
            f"There is no checkpoint folder {checkpoint}. Give the folder that holds config.json, the "
            "tokenizer and the safetensors files."
        )
    try:
        with library_noise_kept_out():
            import torch
            import transformers
            from safetensors import SafetensorError
    except ImportError as error:
        raise ModelError(
            f"The transformers backend needs the package {error.name!r}. "
            f"Install it with: {install_command('models')}"
        ) from error
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "4bit": torch.bfloat16}
    if precision not in dtypes:
        raise ModelError(f"The precision is {precision!r}; expected one of: {', '.join(dtypes)}.")
    # Untyped in transformers' own annotations.
    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    try:
        with library_noise_kept_out():
            tokenizer = library.AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
            model, loading = library.AutoModelForCausalLM.from_pretrained(
                checkpoint,
                local_files_only=True,
                dtype=dtypes[precision],
                use_safetensors=True,
                output_loading_info=True,
                **(_four_bit(torch, library) if precision == "4bit" else {}),
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


def _four_bit(torch: Any, transformers: Any) -> dict[str, Any]:
    """What loading with NF4 weights takes (QLoRA's number format), or a refusal."""
    if not torch.cuda.is_available():
        raise ModelError(
            "The precision '4bit' needs an NVIDIA GPU, and torch finds none here. Run this system on "
            "a machine with one and import its responses, or use precision fp32 or bf16; for 4-bit "
            "weights without a GPU there is backend: executorch."
        )
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            "The precision '4bit' needs the package 'bitsandbytes'. "
            f"Install it with: {install_command('gpu')}"
        )
    settings = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": settings, "device_map": {"": 0}}


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
    return end_tokens(tokenizer) | {int(token) for token in tokens}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
