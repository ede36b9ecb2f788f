"""What the export makes of each setting in a checkpoint's ``config.json``.

transformers reads the file: old spellings and a family's defaults are its business, and its model is
what an offline file is held against. Each field is then carried into the file, ignored for a reason
that stands here, or accepted only with values under which it changes nothing. A field that none of
the tables knows is refused by name: it may change the computation, and nobody would notice.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from models.library_noise import libraries_kept_quiet
from study.errors import ModelError

Config = Mapping[str, Any]

# Become arguments of ExecuTorch's transformer, shapes of the weights, or stop tokens. What they may
# hold is checked below or by transformers.
_FIELDS = (
    "architectures model_type vocab_size hidden_size intermediate_size num_hidden_layers "
    "num_attention_heads num_key_value_heads head_dim rms_norm_eps tie_word_embeddings "
    "max_position_embeddings original_max_position_embeddings rope_parameters rope_scaling "
    "rope_theta partial_rotary_factor sliding_window use_sliding_window max_window_layers layer_types "
    "bos_token_id eos_token_id"
)
CARRIED = frozenset(_FIELDS.split())

_REASONS = {
    "where the checkpoint came from": "_name_or_path name_or_path _commit_hash transformers_version "
    "transformers.js_config unsloth_version unsloth_fixed model_name license",
    "the class for code of the checkpoint's own, which is never run": "auto_map custom_pipelines",
    "how numbers are stored or computed; the export reads every weight as fp32": "dtype torch_dtype "
    "_attn_implementation _attn_implementation_autoset _attn_implementation_internal "
    "_experts_implementation_internal attn_implementation _flash_attn_2_enabled use_flash_attention "
    "use_flash_attn use_bfloat16 torchscript pretraining_tp chunk_size_feed_forward",
    "used in training only": "attention_dropout hidden_dropout embd_pdrop resid_pdrop "
    "initializer_range neftune_noise_alpha gradient_checkpointing use_reentrant_checkpointing",
    "what a call of the model returns": "use_cache return_dict output_attentions output_hidden_states "
    "return_dict_in_generate output_scores tie_last_hidden_states is_decoder",
    "padding and marks of tasks other than writing the next token": "pad_token_id sep_token_id "
    "decoder_start_token_id tokenizer_class",
    "labels of a classifier": "id2label label2id num_labels problem_type finetuning_task",
    "settings of transformers' generate(); the protocol's decoding settings count": "max_length "
    "min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty "
    "temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size "
    "encoder_no_repeat_ngram_size bad_words_ids num_return_sequences forced_bos_token_id "
    "forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens "
    "begin_suppress_tokens prefix task_specific_params",
    "a name for the family, which the architecture settles": "is_llama_config",
}
# Field -> why the file does not need it.
IGNORED: dict[str, str] = {
    field: reason for reason, fields in _REASONS.items() for field in fields.split()
}

# Field -> the values with which it changes nothing; None (or absent) is one in any case.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "activation": ("silu", "swiglu"),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "lm_head_bias": (False,),
    "rope_interleaved": (False,),
    "use_mrope": (False,),
    "full_attn_mod": (1,),
    "interpolate_factor": (1,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "cross_attention_hidden_size": (),
    "pruned_heads": ({},),
    "quantization_config": (),
    "per_layer_config": (),
    "logit_scale": (1.0,),
    "logits_scaling": (1.0,),
    "embedding_multiplier": (1.0,),
    "residual_multiplier": (1.0,),
    "attention_multiplier": (),
    "final_logit_softcapping": (),
    "attn_logit_softcapping": (),
}

_ROPE_ALWAYS = ("rope_type", "type", "rope_theta", "partial_rotary_factor")
# Kind of rotary embedding -> its own settings.
ROPE_SETTINGS: dict[str, tuple[str, ...]] = {
    "default": (),
    "llama3": (
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    ),
    "longrope": (
        "factor",
        "short_factor",
        "long_factor",
        "attention_factor",
        "original_max_position_embeddings",
    ),
}


def read_as_transformers(config: Config, model_type: str, where: str) -> dict[str, Any]:
    """The configuration as transformers' own class reads it, every default filled in.

    Parameters
    ----------
    config : mapping
        The content of ``config.json``.
    model_type : str
        transformers' name of the family.
    where : str
        The checkpoint, for messages.

    Returns
    -------
    dict
        Rotary settings stand under ``rope_parameters``, whatever the file calls them; for longrope with
        the ``attention_factor`` that transformers multiplies by.

    Raises
    ------
    ModelError
        When the file belongs to another family, or transformers cannot read it.
    """
    given = config.get("model_type")
    if given not in (None, model_type):
        raise ModelError(
            f"config.json of {where} has model_type {given!r}, which transformers runs as another "
            f"family than its architecture {config['architectures'][0]}; expected {model_type!r}. "
            f"Copy config.json again."
        )
    from transformers import CONFIG_MAPPING
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    try:
        with libraries_kept_quiet():
            # A copy: transformers writes into the nested rotary settings.
            read: Any = CONFIG_MAPPING[model_type].from_dict(copy.deepcopy(dict(config)))
            found: dict[str, Any] = copy.deepcopy(read.to_dict())
            rope = found.get("rope_parameters") or {}
            if rope.get("rope_type") == "longrope":
                rope["attention_factor"] = float(ROPE_INIT_FUNCTIONS["longrope"](read, "cpu")[1])
    except Exception as error:  # its checks raise errors of a dozen kinds
        said = " ".join(str(error).split())
        raise ModelError(
            f"transformers cannot read config.json of {where}: {said}. Copy the file again, or "
            f"correct that field."
        ) from error
    return found


def refuse_unknown_fields(config: Config, neutral: Config, where: str) -> None:
    """Refuse a field that no table knows, and a value with which a known one changes the model.

    Parameters
    ----------
    config : mapping
        The content of ``config.json``.
    neutral : mapping
        Of the family, beside or in place of :data:`NEUTRAL`.
    where : str

    Raises
    ------
    ModelError
        Naming the field, its value, and what was expected.
    """
    tables = NEUTRAL | dict(neutral)
    name = config["architectures"][0]
    for field, value in config.items():
        if value is None or field in CARRIED or (field in IGNORED and field not in tables):
            continue
        if field not in tables:
            raise ModelError(
                f"config.json of {where} has the field {field!r} ({_short(value)}), which the export of "
                f"{name} does not know, so the file might compute something else. Use the "
                f"transformers backend for this model; if the field changes no number, take it out of a "
                f"copy of the checkpoint."
            )
        if not _among(value, tables[field]):
            harmless = " or ".join(map(repr, tables[field])) or "none"
            raise ModelError(
                f"config.json of {where} has {field} {_short(value)}, which the export of {name} does "
                f"not carry; expected {harmless}. Use the transformers backend for this model."
            )


def _among(value: Any, harmless: Iterable[Any]) -> bool:
    # 1 == True in Python: a number is no answer to a yes-or-no setting, nor the other way.
    return any(
        value == one and isinstance(value, bool) == isinstance(one, bool) for one in harmless
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "sliding_window",
)
_ROPE_NUMBERS = ("rope_theta", "factor", "low_freq_factor", "high_freq_factor", "attention_factor")


def refuse_impossible_numbers(found: Config, where: str) -> None:
    """Refuse sizes that are no whole numbers from 1, and rotary numbers that are not above 0.

    transformers' own checks let a width of 0 and a missing theta pass, and fail in the middle of loading.

    Parameters
    ----------
    found : mapping
        As :func:`read_as_transformers` gives it.
    where : str

    Raises
    ------
    ModelError
        Naming the field and its value.
    """
    rope = found.get("rope_parameters") or {}
    for name in _SIZES:
        value = found.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise ModelError(
                f"config.json of {where} has {name} {_short(value)}; expected a whole number from 1. Copy "
                f"the file again."
            )
    for name in _ROPE_NUMBERS:
        value = rope.get(name, 1)
        # Only these two may be left open.
        if value is None and name in ("attention_factor", "factor") and "long_factor" in rope:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value < math.inf
        ):
            raise ModelError(
                f"The rotary embedding of {where} has {name} {_short(value)}; expected a number above 0. "
                f"Copy config.json again."
            )


def refuse_short_window(found: Config, max_seq_len: int, where: str) -> None:
    """Refuse a window of attention that a text of ``max_seq_len`` tokens would outgrow.

    The exported attention looks back to the first token. A window as long as the file's context
    hides nothing from it.

    Raises
    ------
    ModelError
        Naming the window and the length that fits.
    """
    layers = found.get("layer_types")
    kinds = set(layers or ()) - {"full_attention"}
    window = found.get("sliding_window")
    # Qwen has layers with and without a window; transformers has taken the window away where it is
    # switched off, so a layer that still wants one is a contradiction.
    if kinds - {"sliding_attention"} or (kinds and window is None):
        raise ModelError(
            f"config.json of {where} has layer_types with {sorted(kinds)[0]!r}; the export knows "
            f"only 'full_attention'. Use the transformers backend for this model."
        )
    windowed = layers is None or kinds
    if window is not None and windowed and int(window) < max_seq_len:
        raise ModelError(
            f"config.json of {where} has sliding_window {window}: each token sees only the last "
            f"{window}, and the exported attention sees all of --max-seq-len {max_seq_len}. Use "
            f"--max-seq-len {window} or less, or the transformers backend."
        )


def refuse_rope(found: Config, kinds: tuple[str, ...], where: str) -> None:
    """Refuse rotary settings that the export does not carry.

    Parameters
    ----------
    found : mapping
        As :func:`read_as_transformers` gives it.
    kinds : tuple of str
        Those that the family's export knows.

    Raises
    ------
    ModelError
        Naming the kind or the setting.
    """
    rope = found.get("rope_parameters") or {}
    kind = rope.get("rope_type")
    if kind not in kinds:
        raise ModelError(
            f"The rotary embedding {kind!r} of {where} cannot be exported; expected "
            f"{' or '.join(kinds)}. Use the transformers backend."
        )
    for name, value in rope.items():
        if value is not None and name not in _ROPE_ALWAYS + ROPE_SETTINGS[kind]:
            raise ModelError(
                f"The rotary embedding of {where} has {name} {_short(value)}, which the export does not "
                f"know for {kind!r}. Use the transformers backend for this model."
            )


def refuse_long_texts(found: Config, max_seq_len: int, where: str) -> None:
    """Refuse a context beyond the length up to which longrope's short factors hold.

    transformers takes the short factors for a text of up to the original length and the long ones
    for a longer text, for all its positions. A file has one table of angles. With the long one, every
    text below the original length comes out wrong, and nearly all of a study's are; so a file
    ends where the short factors end.

    Raises
    ------
    ModelError
        Naming the longest context that fits.
    """
    rope = found.get("rope_parameters") or {}
    if rope.get("rope_type") != "longrope":
        return
    original = int(rope["original_max_position_embeddings"])
    if max_seq_len > original:
        raise ModelError(
            f"{where} has two sets of rotary factors (longrope), one for texts of up to {original} "
            f"tokens and one for longer texts; a file holds one set, and with --max-seq-len "
            f"{max_seq_len} all shorter conversations would come out wrong. Use --max-seq-len "
            f"{original} or less, or the transformers backend."
        )
