"""Conversations as tokens through the model's chat template, with a loss on the replies only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models.backends.chat_prompt import without_special_tokens
from models.training.conversation_data import Conversation, Message
from study.errors import ModelError

IGNORED = -100


@dataclass(frozen=True)
class Example:
    """One conversation as tokens; ``labels`` are -100 where the loss does not look."""

    tokens: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def learned(self) -> int:
        """Tokens with a loss."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class EncodedData:
    """All conversations as tokens.

    Attributes
    ----------
    examples : tuple of Example
    shortened : int
        Conversations of which the last turns were left out, because they are too long.
    left_out : int
        Conversations whose first message and reply are already too long.
    """

    examples: tuple[Example, ...]
    shortened: int
    left_out: int


def encode_conversations(
    conversations: Sequence[Conversation],
    tokenizer: Any,
    *,
    max_tokens: int,
    learn: Literal["replies", "everything"] = "replies",
) -> EncodedData:
    """Encode conversations; of one that is too long, the last exchanges are left out.

    Parameters
    ----------
    conversations : sequence of Conversation
    tokenizer : transformers tokenizer
        With a chat template.
    max_tokens : int
        Largest number of tokens of an example.
    learn : {'replies', 'everything'}

    Raises
    ------
    ModelError
        When the template refuses a conversation or its replies cannot be found in it.
    """
    examples = []
    shortened = left_out = 0
    for conversation in conversations:
        messages = [
            {"role": m["role"], "content": without_special_tokens(tokenizer, m["content"]).strip()}
            for m in conversation.messages
        ]
        whole = len(messages)
        example = encode(messages, tokenizer, learn)
        while len(example.tokens) > max_tokens and _without_last_exchange(messages):
            example = encode(messages, tokenizer, learn)
        if len(example.tokens) > max_tokens:
            left_out += 1
            continue
        shortened += len(messages) < whole
        examples.append(example)
    return EncodedData(tuple(examples), shortened, left_out)


def _without_last_exchange(messages: list[Message]) -> bool:
    if sum(message["role"] == "assistant" for message in messages) < 2:
        return False
    del messages[-2:]
    return True


def encode(
    messages: Sequence[Message], tokenizer: Any, learn: Literal["replies", "everything"]
) -> Example:
    """Tokens and labels of one conversation in the chat format."""
    from jinja2 import TemplateError

    try:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False)
        spans = reply_spans(messages, text, tokenizer) if learn == "replies" else [(0, len(text))]
    except (TemplateError, ValueError) as error:
        roles = ", ".join(message["role"] for message in messages)
        raise ModelError(
            f"The model's chat template refused a conversation ({roles}): {error}. Change its "
            f"turns to what this model's template takes."
        ) from error
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens = encoded["input_ids"]
    labels = [
        token if any(start <= begin and end <= stop for start, stop in spans) and begin < end
        else IGNORED
        for token, (begin, end) in zip(tokens, encoded["offset_mapping"], strict=True)
    ]  # fmt: skip
    return Example(tuple(tokens), tuple(labels))


def reply_spans(messages: Sequence[Message], text: str, tokenizer: Any) -> list[tuple[int, int]]:
    """Where in ``text`` the replies stand, each with the token that ends it.

    A reply begins where the template's prompt for it ends; this needs no marks in the template,
    which few models' templates have.

    Raises
    ------
    ModelError
        When a prompt is not the beginning of the whole text.
    """
    endings = sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True)
    spans = []
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = tokenizer.apply_chat_template(
            list(messages[:at]), tokenize=False, add_generation_prompt=True
        )
        found = text.find(message["content"], len(prompt))
        if not text.startswith(prompt) or found < 0:
            raise ModelError(
                "The model's chat template writes a prompt and the whole conversation differently, "
                "so the replies cannot be found in it. Split the data into conversations of one "
                "turn, or choose a model with another template."
            )
        stop = found + len(message["content"])
        ending = next((e for e in endings if e and text.startswith(e, stop)), "")
        spans.append((len(prompt), stop + len(ending)))
    return spans
