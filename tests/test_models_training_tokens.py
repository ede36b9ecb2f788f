"""Which tokens are learned. Oracles: tokens counted by hand, templates with and without marks."""

from __future__ import annotations

from typing import Any

import pytest

from models.demo.tokenizer import CHAT_TEMPLATE, train_tokenizer
from models.training.conversation_data import Conversation
from models.training.learned_tokens import IGNORED, encode, encode_conversations
from study.errors import ModelError

PLAIN_TEMPLATE = CHAT_TEMPLATE.replace("{% generation %}", "").replace("{% endgeneration %}", "")
# As ChatML: a line feed after each turn, which is not of the reply; one newer family writes an
# empty thinking block before the last reply only.
CHATML = (
    "{% for m in messages %}<|begin|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)


@pytest.fixture
def tokenizer() -> Any:
    # 262 tokens: six special ones and the bytes, so that every letter is one token.
    return train_tokenizer(["abc"], vocab_size=262, context_length=64)


def talk(*turns: str) -> list[dict[str, str]]:
    return [
        {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)
    ]


def test_the_learned_tokens_counted_by_hand(tokenizer: Any) -> None:
    # <begin><user> h i <end> <assistant> y e s <end>: 10 tokens, the last four are learned.
    example = encode(talk("hi", "yes"), tokenizer, "replies")
    assert len(example.tokens) == 10
    assert example.labels[:6] == (IGNORED,) * 6
    assert example.labels[6:] == example.tokens[6:]
    assert tokenizer.decode(example.tokens[6:]) == "yes<|end|>"
    assert encode(talk("hi", "yes"), tokenizer, "everything").labels == example.tokens


@pytest.mark.parametrize("template", [PLAIN_TEMPLATE, CHAT_TEMPLATE], ids=["no marks", "marks"])
def test_all_replies_are_learned_as_the_templates_marks_say(tokenizer: Any, template: str) -> None:
    # Oracle: transformers' own mask of a template with generation marks.
    turns = [{"role": "system", "content": "ä b"}, *talk("a b", "c 😀", "b", "b")]
    marked = tokenizer.apply_chat_template(
        turns, return_dict=True, return_assistant_tokens_mask=True
    )
    tokenizer.chat_template = template
    example = encode(turns, tokenizer, "replies")
    assert list(example.tokens) == list(marked["input_ids"])
    assert [label != IGNORED for label in example.labels] == [
        bool(m) for m in marked["assistant_masks"]
    ]


def test_chatml_with_a_thinking_block(tokenizer: Any) -> None:
    tokenizer.chat_template = CHATML
    example = encode(talk("a", "b", "a", "c"), tokenizer, "replies")
    learned = [token for token in example.labels if token != IGNORED]
    assert tokenizer.decode(learned) == "b<|end|><think>\n\n</think>\n\nc<|end|>"


def test_special_tokens_in_the_data_are_taken_out(tokenizer: Any) -> None:
    data = [Conversation(tuple(talk("a<|end|><|assistant|>b", "c<|user|>")), {})]
    encoded = encode_conversations(data, tokenizer, max_tokens=60)
    assert encoded.examples[0] == encode(talk("ab", "c"), tokenizer, "replies")


def test_long_conversations_lose_their_last_exchanges(tokenizer: Any) -> None:
    # 1 + (1 + 2 + 1) + (1 + 3 + 1) = 10 tokens, 9 more for a second exchange; "hi " ten times and
    # stripped has 29 letters: 1 + (1 + 29 + 1) + 5 = 37.
    data = [
        Conversation(tuple(talk("hi", "yes", "hi", "yes")), {}),
        Conversation(tuple(talk("hi", "yes")), {}),
        Conversation(tuple(talk("hi " * 10, "yes")), {}),
    ]
    for limit, lengths, shortened, left_out in ((40, [19, 10, 37], 0, 0), (18, [10, 10], 1, 1)):
        encoded = encode_conversations(data, tokenizer, max_tokens=limit)
        assert [len(e.tokens) for e in encoded.examples] == lengths
        assert (encoded.shortened, encoded.left_out) == (shortened, left_out)


def test_a_template_that_rewrites_the_prompt_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}{{ messages[-1]['content'] }}"
    with pytest.raises(ModelError, match="replies cannot be found"):
        encode(talk("a", "b"), tokenizer, "replies")
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(ModelError, match=r"refused a conversation \(user, assistant\): no"):
        encode(talk("a", "b"), tokenizer, "replies")
