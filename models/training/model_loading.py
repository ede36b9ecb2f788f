"""The checkpoint as a model to train: whole, with LoRA, or with LoRA under fake quantization."""

from __future__ import annotations

import importlib.util
from typing import Any

from models.offline.export import chat_template
from models.offline.weights import Checkpoint
from models.training.recipes import TrainingSettings
from study.errors import ModelError
from study.installation import install_command


def load_tokenizer(source: Checkpoint) -> Any:
    """The checkpoint's tokenizer.

    Raises
    ------
    ModelError
        When it has no chat template or gives no offsets.
    """
    from transformers import AutoTokenizer

    chat_template(source)
    tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {source.folder} is not of the fast kind, which tells where a token "
            f"stands in the text. Add its tokenizer.json."
        )
    return tokenizer


def refuse_missing_gpu(settings: TrainingSettings) -> None:
    """Refuse QLoRA where it cannot run.

    Raises
    ------
    ModelError
        Without a CUDA device or the package bitsandbytes.
    """
    import torch

    if settings.quantization == "none":
        return
    lacks = None
    if not torch.cuda.is_available():
        lacks = "a CUDA GPU, and this machine has none that torch can use"
    elif importlib.util.find_spec("bitsandbytes") is None:
        lacks = f"the package bitsandbytes ({install_command('gpu')})"
    if lacks:
        raise ModelError(
            f"QLoRA in 4 bits needs {lacks}. Run with --quantization none: plain LoRA with the same "
            f"settings, which takes more memory and is not the published training."
        )


def uses_bf16(settings: TrainingSettings) -> bool:
    """Whether to compute in bf16."""
    import torch

    if settings.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return settings.precision == "bf16"


def load_model(source: Checkpoint, settings: TrainingSettings) -> Any:
    """The model with everything that the method adds to it.

    Raises
    ------
    ModelError
        When the LoRA layers are not in the model or the weights do not fit.
    """
    import torch
    from transformers import AutoModelForCausalLM

    extra: dict[str, Any] = {}
    # Weights that are trained or rounded stay in fp32; autocast computes with them in bf16.
    half = settings.method == "lora" and uses_bf16(settings)
    dtype = torch.bfloat16 if half else torch.float32
    if settings.quantization == "4bit":
        from transformers import BitsAndBytesConfig

        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    model, found = AutoModelForCausalLM.from_pretrained(
        source.folder, dtype=dtype, local_files_only=True, output_loading_info=True, **extra
    )
    lacking = sorted(map(str, found["missing_keys"])) + sorted(map(str, found["mismatched_keys"]))
    if lacking:
        raise ModelError(
            f"The checkpoint {source.folder} does not fit its config.json: {len(lacking)} tensors "
            f"are missing or of another shape, the first is {lacking[0]}. Copy it again, whole."
        )
    model.config.use_cache = False
    return model if settings.method == "full" else with_lora(model, settings)


def with_lora(model: Any, settings: TrainingSettings) -> Any:
    """The model with PEFT's LoRA layers, for qat-lora with fake quantizers, switched off."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=target_layers(model, settings.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    if settings.quantization == "4bit":
        model = prepare_model_for_kbit_training(model)
    if settings.method == "qat-lora":
        from torchao.quantization.qat.linear import FakeQuantizedLinear

        from models.training.fake_quantization import MergedLoraLinear, insert_fake_quantizers

        insert_fake_quantizers(model, settings.group_size)
        # PEFT's own way to give a kind of layer another LoRA layer; it is not stored.
        config._register_custom_module({FakeQuantizedLinear: MergedLoraLinear})
    return get_peft_model(model, config)


def target_layers(model: Any, targets: str) -> list[str]:
    """Names of the linear layers that get LoRA matrices.

    Raises
    ------
    ModelError
        When the model has none of them.
    """
    import torch

    paths = [
        name.split(".")
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.split(".")[-1] != "lm_head"
    ]
    if targets == "attention":
        found = {path[-1] for path in paths if any("attn" in part for part in path[:-1])}
    elif targets == "all-linear":
        found = {path[-1] for path in paths}
    else:
        wanted = {name.strip() for name in targets.split(",") if name.strip()}
        found = wanted & {path[-1] for path in paths}
        if found != wanted:
            known = ", ".join(sorted({path[-1] for path in paths}))
            raise ModelError(
                f"The model has no layer {', '.join(map(repr, sorted(wanted - found)))}; it has "
                f"{known}. Correct targets, or set attention or all-linear."
            )
    if not found:
        raise ModelError(
            f"The model has no layers for targets={targets}. Name them, as in q_proj,v_proj."
        )
    return sorted(found)
