"""Chat messages as a model's prompt tokens, the same for every backend that has a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.errors import ModelError

Message = dict[str, str]


def prompt_tokens(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Tokens of the chat template over ``messages``, up to where the reply begins.

    Strings of special tokens inside a message are taken out: typed by a person they would end
    that person's turn and speak for the assistant.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        With a chat template.
    messages : sequence of dict
        ``role`` (system, user or assistant) and ``content``; the last is the user's.

    Raises
    ------
    ModelError
        When the template refuses the messages or there are none.
    """
    from jinja2 import TemplateError

    if not messages:
        raise ModelError("The prompt has no message; expected at least one from the user.")
    clean = [
        {"role": m["role"], "content": without_special_tokens(tokenizer, m["content"])}
        for m in messages
    ]
    try:
        text = tokenizer.apply_chat_template(clean, add_generation_prompt=True, tokenize=False)
    except (TemplateError, ValueError) as error:
        roles = ", ".join(m["role"] for m in messages)
        raise ModelError(
            f"The model's chat template refused the messages ({roles}): {error}. Change the "
            f"system message or the order of the turns to what this model was trained on."
        ) from error
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def without_special_tokens(tokenizer: Any, text: str) -> str:
    """``text`` without any special token's string, also none that arises by taking one out."""
    specials = [token for token in tokenizer.all_special_tokens if token]
    # Role tokens are added tokens that need not be listed as special.
    specials += [str(added) for added in tokenizer.get_added_vocab()]
    before = None
    while before != text:
        before = text
        for token in specials:
            text = text.replace(token, "")
    return text
