"""A LoRA adapter on a loaded checkpoint, as PEFT runs it: beside the weights, not merged into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.library_noise import library_noise_kept_out
from models.offline_weights import Checkpoint, read_adapter_config, read_json
from study.errors import ModelError
from study.installation import install_command

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def with_adapter(model: Any, checkpoint: Path, adapter: Path) -> Any:
    """The model with the adapter switched on.

    Parameters
    ----------
    model : transformers model
    checkpoint : Path
        Where the model came from; the adapter must have been trained on it.
    adapter : Path
        Folder with ``adapter_config.json`` and ``adapter_model.safetensors``.

    Raises
    ------
    ModelError
        When PEFT is not installed, or the folder is no plain LoRA adapter of this checkpoint: the
        same adapters are accepted as by ``evenhand quantize --adapter``.
    """
    try:
        with library_noise_kept_out():
            from peft import PeftModel, get_peft_model_state_dict
            from safetensors import safe_open
    except ImportError as error:
        raise ModelError(
            f"An adapter needs the package {error.name!r}. Install it with: {install_command('models')}"
        ) from error
    config = read_json(checkpoint / "config.json", "the model's configuration")
    read_adapter_config(Checkpoint(checkpoint, config, ()), adapter)
    try:
        with library_noise_kept_out():
            tuned = PeftModel.from_pretrained(model, str(adapter))
    except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else error
        raise ModelError(
            f"The adapter {adapter} does not fit the checkpoint {checkpoint}: {first}. It belongs to "
            f"another base model or is damaged; name the checkpoint that it was trained on."
        ) from error
    with safe_open(adapter / ADAPTER_FILES[1], framework="pt") as file:
        stored = set(file.keys())
    # PEFT fills a missing matrix with its start value and drops a foreign one, with a mere warning.
    # Left to decide on embeddings, it would ask the Hugging Face Hub for the base by its name.
    expected = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    differing = sorted(stored ^ expected)
    if differing:
        raise ModelError(
            f"The adapter {adapter} does not fit the checkpoint {checkpoint}: {len(differing)} of its "
            f"tensors differ, the first is {differing[0]}. Copy the adapter again, whole, or name the "
            f"checkpoint that it was trained on."
        )
    return tuned.eval()
