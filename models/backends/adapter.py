"""An adapter on a loaded checkpoint: as PEFT runs it beside the weights, and as PEFT merges it into them.

PEFT does the arithmetic of every kind of adapter. Its own rule "W + scale B A" is not enough: PiSSA and
OLoRA take a part out of W first, DoRA scales columns, patterns give layers other ranks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.library_noise import libraries_kept_quiet, library_noise_kept_out
from models.offline.weights import Checkpoint, read_adapter_config, read_json
from study.errors import ModelError
from study.installation import install_command

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_PROBE_TOKENS = 48


def with_adapter(model: Any, checkpoint: Path, adapter: Path) -> Any:
    """The model with the adapter switched on, beside the weights.

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
        When PEFT is not installed, or the folder is no adapter of this checkpoint, or of a kind that does
        not change weights: the same adapters are accepted as by ``evenhand quantize --adapter``.
    """
    try:
        with library_noise_kept_out():
            import torch
            from peft import PeftModel
            from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
            from peft.tuners.tuners_utils import BaseTuner
    except ImportError as error:
        raise ModelError(
            f"An adapter needs the package {error.name!r}. Install it with: {install_command('models')}"
        ) from error
    config = read_json(checkpoint / "config.json", "the model's configuration")
    kind = read_adapter_config(Checkpoint(checkpoint, config, ()), adapter).get("peft_type")
    tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(str(kind).upper())
    if not (isinstance(tuner, type) and issubclass(tuner, BaseTuner)):
        raise ModelError(
            f"The adapter {adapter} is of type {kind}, which is no change of the checkpoint's weights; "
            f"expected LORA or another type that PEFT can merge. Train one of those."
        )
    try:
        # Some kinds draw a part at random that is not stored: the same adapter is the same model each time.
        with library_noise_kept_out(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            tuned = PeftModel.from_pretrained(model, str(adapter))
    except Exception as error:  # each of PEFT's kinds raises errors of its own
        raise ModelError(
            f"The adapter {adapter} does not fit the checkpoint {checkpoint}, says PEFT: "
            f"{_reason(error)}. Unless a package is missing, it belongs to another base model or is "
            f"damaged; name the checkpoint that it was trained on."
        ) from error
    _refuse_other_tensors(tuned, checkpoint, adapter)
    return tuned.eval()


def _refuse_other_tensors(tuned: Any, checkpoint: Path, adapter: Path) -> None:
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / ADAPTER_FILES[1], framework="pt") as file:
        stored = set(file.keys())
    # PEFT fills a missing matrix with its start value and drops a foreign one, with a mere warning.
    # Left to decide on embeddings, it would ask the Hugging Face Hub for the base by its name: so those
    # may be stored (PEFT stores them where they are tuned) and may not.
    with libraries_kept_quiet():
        needed = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
        known = set(get_peft_model_state_dict(tuned, save_embedding_layers=True))
    differing = sorted((needed - stored) | (stored - known))
    if differing:
        raise ModelError(
            f"The adapter {adapter} does not fit the checkpoint {checkpoint}: {len(differing)} of its "
            f"tensors differ, the first is {differing[0]}. Copy the adapter again, whole, or name the "
            f"checkpoint that it was trained on."
        )


def merge_adapter(tuned: Any, adapter: Path) -> Any:
    """The tuned model as a plain one: PEFT merges the adapter into the weights.

    Parameters
    ----------
    tuned : PeftModel
        From :func:`with_adapter`, in fp32; its weights are changed in place.
    adapter : Path
        For messages.

    Returns
    -------
    transformers model
        Where the adapter changes the embedding or the output layer, the two are no longer tied.

    Raises
    ------
    ModelError
        When PEFT cannot merge this kind, or its merged model gives other logits than the adapter
        beside the weights.
    """
    before = _probe_logits(tuned)
    part_tied_weights(tuned)
    try:
        with library_noise_kept_out():
            merged = tuned.merge_and_unload(safe_merge=True)
    except Exception as error:  # each of PEFT's kinds raises errors of its own
        raise ModelError(
            f"PEFT cannot merge the adapter {adapter} into its checkpoint: {_reason(error)}. Use the "
            f"transformers backend, which runs it beside the weights."
        ) from error
    after = _probe_logits(merged)
    furthest, scale = float((after - before).abs().max()), float(before.abs().max())
    # Rounding in fp32 is 1e-6 to 1e-4 of the largest logit; a matrix that is left out shows at once.
    # Written so that nan, too, is refused.
    if not furthest <= 2e-3 * scale:
        raise ModelError(
            f"The adapter {adapter} cannot be merged: a logit of the merged model is {furthest:.3g} away "
            f"from the one with the adapter beside the weights (largest logit {scale:.3g}). Use the "
            f"transformers backend, which runs it beside the weights."
        )
    return merged


def part_tied_weights(model: Any) -> None:
    """Give every module that shares a parameter with an earlier one a copy of its own.

    Merged into a tied output layer, an adapter of that layer alone would change the embedding too.
    """
    import torch

    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in seen:
                own = torch.nn.Parameter(parameter.detach().clone(), requires_grad=False)
                module.register_parameter(name, own)
            seen.add(id(parameter))
    # What says that the two are tied would tie them again.
    model.config.tie_word_embeddings = False


def _probe_logits(model: Any) -> Any:
    """Logits of a fixed row of tokens from all over the vocabulary."""
    import torch

    drawn = torch.randint(
        model.config.vocab_size, (1, _PROBE_TOKENS), generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        return model(input_ids=drawn).logits.double()


def _reason(error: Exception) -> str:
    """What PEFT says, on one line: its shape mismatches name the tensor only in the second."""
    lines = str(error).strip().splitlines()[:2]
    return " ".join(" ".join(lines).split()).rstrip(".") or type(error).__name__
