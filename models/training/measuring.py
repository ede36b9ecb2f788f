"""Held-out loss of a stored checkpoint: as it is, with an adapter, quantized as the export does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.backends.adapter import merge_adapter
from models.library_noise import library_noise_kept_out
from models.offline.parity import load_in_fp32
from models.offline.weights import open_checkpoint
from models.training.conversation_data import Conversation
from models.training.learned_tokens import encode_conversations


def stored_loss(
    checkpoint: Path,
    conversations: Sequence[Conversation],
    *,
    adapter: Path | None = None,
    group_size: int | None = None,
) -> float:
    """Mean cross-entropy in nats per reply token, in fp32 on the CPU.

    Parameters
    ----------
    checkpoint, adapter : Path
        The adapter is merged as ``evenhand quantize`` merges it.
    conversations : sequence of Conversation
    group_size : int or None
        Quantize as the scheme 8da4w with groups of this size; None does not quantize.
    """
    with library_noise_kept_out():
        import torch

        from models.training.fake_quantization import quantize_as_exported
        from models.training.trainer import held_out_loss

        model, tokenizer = load_in_fp32(checkpoint, adapter)
        if adapter is not None:
            model = merge_adapter(model, adapter)
        with torch.no_grad():
            if group_size is not None:
                quantize_as_exported(model, group_size)
            longest = int(open_checkpoint(checkpoint).config["max_position_embeddings"])
            encoded = encode_conversations(conversations, tokenizer, max_tokens=longest)
            pad = tokenizer.pad_token_id
            return held_out_loss(
                model, encoded.examples, tokenizer.eos_token_id if pad is None else pad
            )
