"""The tokens that begin a text and end a reply, as an offline file carries them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.backends.chat_prompt import end_tokens
from models.library_noise import library_noise_kept_out
from models.offline.weights import Checkpoint, read_json
from study.errors import ModelError


def bos_token(source: Checkpoint) -> int:
    """The token that begins a text, 0 where the checkpoint has none."""
    given = source.config.get("bos_token_id")
    return int(given) if given is not None else 0


def stop_tokens(source: Checkpoint) -> list[int]:
    """Tokens that end a reply: of the tokenizer, its chat template and the two settings files.

    Raises
    ------
    ModelError
        When none of them names one, so that no reply would ever end, or a settings file names a piece of
        ordinary text, at which replies would be cut.
    """
    tokenizer = _load_tokenizer(source.folder)
    found = set(end_tokens(tokenizer))
    marks = set(tokenizer.get_added_vocab().values()) | set(tokenizer.all_special_ids)
    for name, settings in _end_settings(source).items():
        given = settings.get("eos_token_id")
        for token in given if isinstance(given, list) else [] if given is None else [given]:
            # True and 2.0 are found in a set of whole numbers, too.
            if type(token) is int and token in marks:
                found.add(token)
                continue
            known = type(token) is int and 0 <= token < len(tokenizer)
            what = f"ordinary text ({tokenizer.decode([token])!r})" if known else "no token"
            raise ModelError(
                f"{name} of {source.folder} has eos_token_id {token!r}, which is {what} to the tokenizer; "
                f"expected the token that ends a reply. Correct it in a copy of the checkpoint."
            )
    if not found:
        raise ModelError(
            f"The checkpoint {source.folder} names no end token (eos_token of the tokenizer, the chat "
            f"template, eos_token_id in config.json or generation_config.json), so no reply would end. "
            f"Add it."
        )
    return sorted(found)


def _load_tokenizer(folder: Path) -> Any:
    try:
        with library_noise_kept_out():
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises bare exceptions
        said = " ".join(str(error).split())
        raise ModelError(
            f"The tokenizer of {folder} cannot be loaded: {said}. Copy its files again."
        ) from error


def _end_settings(source: Checkpoint) -> dict[str, dict[str, Any]]:
    settings = {"config.json": source.config}
    generation = source.folder / "generation_config.json"
    if generation.exists():
        settings[generation.name] = read_json(generation, "the generation settings")
    return settings
