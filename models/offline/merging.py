"""The model that an export starts from: a checkpoint's, with an adapter merged into its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.backends.adapter import merge_adapter, with_adapter
from models.backends.transformers_backend import load_checkpoint
from models.offline.weights import Checkpoint, stored_shapes
from study.errors import ModelError


def load_to_export(source: Checkpoint, adapter: Path | None) -> Any:
    """The model whose weights a file gets: transformers' in fp32, the adapter merged by PEFT.

    Raises
    ------
    ModelError
        When the checkpoint holds other tensors than its model, or the adapter cannot be merged.
    """
    _, model = load_checkpoint(source.folder, "fp32")
    # transformers passes over a tensor that it does not know; old checkpoints store rotary tables.
    unknown = sorted(
        name
        for name in stored_shapes(source).keys() - model.state_dict().keys()
        if not name.endswith("rotary_emb.inv_freq")
    )
    if unknown:
        raise ModelError(
            f"The checkpoint {source.folder} has the unknown tensor {unknown[0]} ({len(unknown)} in all); "
            f"expected the weights of a plain model of its architecture. Merge adapters with --adapter, "
            f"or use the transformers backend for this model."
        )
    if adapter is None:
        return model
    return merge_adapter(with_adapter(model, source.folder, adapter), adapter)
