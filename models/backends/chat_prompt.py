"""Chat messages as a model's prompt tokens, and the tokens that end its turn: the same for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.errors import ModelError

Message = dict[str, str]

# One word that no template changes or contains.
_REPLY = "evenhandreply"


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


def end_tokens(tokenizer: Any) -> frozenset[int]:
    """Tokens with which the tokenizer and its chat template end a turn of the assistant.

    ``eos_token`` may be the end of a document and not of a turn (Phi-3 ends turns with ``<|end|>``, Llama 3
    with ``<|eot_id|>``); what the template writes after a reply is what the model was trained to write.

    Parameters
    ----------
    tokenizer : transformers tokenizer

    Returns
    -------
    frozenset of int
        Empty when the tokenizer names no end and the template writes none.
    """
    found = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    exchange = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _REPLY}]
    # Some templates close the last turn only when another one follows it.
    for messages in (exchange, [*exchange, exchange[0]]):
        token = _token_after_reply(tokenizer, messages)
        if token is not None:
            return frozenset(found | {token})
    return frozenset(found)


def _token_after_reply(tokenizer: Any, messages: Sequence[Message]) -> int | None:
    from jinja2 import TemplateError

    try:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False)
    except (TemplateError, ValueError):
        return None  # what the template refuses is told where a prompt is written
    after = text.rpartition(_REPLY)[2].lstrip()
    tokens = tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
    marks = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    # An ordinary token is only the text between two turns ("### Instruction").
    return int(tokens[0]) if tokens and tokens[0] in marks else None


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
