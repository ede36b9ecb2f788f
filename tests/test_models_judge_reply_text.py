"""What models write around a verdict, and what is a refusal: each reply with its right reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.judge.verdicts import parsing
from models.judge.verdicts.reply_text import declines, read_json, without_thoughts
from models.judge.wording.rubrics import load_rubric
from protocols import shipped_protocols
from study.protocol import load_protocol
from study.store.judge.verdicts import Outcome, VerdictRecord

PROTOCOL = load_protocol(shipped_protocols()["demo"])
CRITERION = load_rubric("nile", PROTOCOL, study_folder=Path()).criteria[0]
V = '{"reason": "Warm.", "score": 4}'
OTHER = '{"reason": "Cold.", "score": 2}'


def reading(text: str, **parts: str) -> VerdictRecord:
    reply = parsing.JudgeReply(
        text, parts.get("refusal", ""), parts.get("finish", "stop"), None, None, None, None
    )
    (record,) = parsing.judge_outcomes(reply, [CRITERION], "A", scoring="stated")
    return record


@pytest.mark.parametrize(
    "text",
    [
        V,
        # Thoughts
        f"The tone is kind.</think>{V}",
        f"<think>It is {{warm}}.</think>\n\n{V}",
        f"<think>One.</think>\n<think>Two.</think>\n{V}",
        f"One.</think>Two.</think>{V}",
        f"<THINK>One.</Think >{V}",
        f"<thinking>One.</thinking>{V}",
        f"<reasoning effort='low'>One.</reasoning>\n{V}",
        f"[THINK]One.[/THINK]{V}",
        f"◁think▷One.◁/think▷{V}",
        f"{V}\n<think>Was that fair?</think>",
        f"<think>a</think>{V}<think>b</think> <think>c</think>",
        # A draft before the end of the thought is no verdict.
        f"<think>{OTHER}</think>{V}",
        f"{OTHER}</think>{V}",
        f"{OTHER}</think>{OTHER}</think>{V}",
        # Fences
        f"```json\n{V}\n```",
        f"```JSON\n{V}\n```",
        f"``` json\n{V}\n```",
        f"```Json5\r\n{V}\r\n```",
        f"```\n\n{V}\n\n```",
        f"```json{V}```",
        f"```{V}```",
        f"````json\n{V}\n````",
        f"~~~json\n{V}\n~~~",
        f"  ```json\n  {V}\n  ```  ",
        # An endpoint that stops at the closing fence does not send it.
        f"```json\n{V}",
        f"<think>{OTHER}</think>\n~~~\n{V}\n",
        # gpt-oss without its endpoint's parser
        f"<|channel|>analysis<|message|>{OTHER}<|end|><|start|>assistant<|channel|>final<|message|>{V}",
        f"<|channel|>final <|constrain|>json<|message|>{V}<|return|>",
        f"<|channel|>final<|message|>```json\n{V}\n```<|im_end|>",
        # Spaces that JSON does not know
        V.replace(": ", ":\u00a0"),
        "\u3000" + V.replace("{", "{\u202f"),
        f"<think>Hm.</think>```json\n{V}\n```",
        # Characters without width, raw line breaks and tabs
        f"\ufeff{V}",
        f"\u200b\ufeff {V}\u200b",
        f"```json\n\ufeff{V}\n```",
        '{"reason": "Warm.\nAnd kind.", "score": 4}',
        '{"reason": "Warm.\r\n\tAnd kind.", "score": 4}',
        '{\n\t"score": 4,\n\t"reason": "Warm."\n}',
        # What looks like an end of a thought within the verdict belongs to it.
        '{"reason": "It ends </think> oddly.", "score": 4}',
        '<think>Hm.</think>{"reason": "It says ``` and </think>.", "score": 4}',
        '{"reason": "<think>no</think>", "score": 4}',
    ],
)
def test_a_verdict_is_read_whatever_stands_around_the_whole_of_it(text: str) -> None:
    record = reading(text)
    assert (record.outcome, record.value) == (Outcome.SCORED, 4.0)


@pytest.mark.parametrize(
    "text",
    [
        f"Here it is: {V}",
        f"{V} I hope this helps.",
        f"{V}{V}",
        f"```json\n{V}\n```\nI gave a four.",
        f"```json\n{V}\n```\n```json\n{OTHER}\n```",
        f"<think>I would say {V}",
        f"<think>{V}</think>",
        "{'reason': 'Warm.', 'score': 4}",
        '{"reason": "Warm.", "score": 4, "score": 2}',
        '{"reason": "Warm.", "score": 1e999}',
        '{"reason": "Warm.", "score": ' + "9" * 5000 + "}",
        '{"reason": "Warm.", "score": true}',
        '{"reason": "Warm.", "score": [4]}',
        '{"reason": "Warm.", "score": ',
        "[" * 5000,
        '{"a":' * 5000,
        '{"reason": "Deep.", "score": ' + "[" * 980 + "]" * 980 + "}",
        "null",
        "4",
    ],
)
def test_a_verdict_is_never_guessed(text: str) -> None:
    record = reading(text)
    assert (record.outcome, record.value, record.label) == (Outcome.UNPARSEABLE, None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the reply is empty"),
        (" \n\t ", "the reply is empty"),
        ("\ufeff", "the reply is empty"),
        ("\u200b\n", "the reply is empty"),
        ("<think>I am not sure.</think>", "the reply is empty after its thoughts"),
        ("I am not sure.</think>\n", "the reply is empty after its thoughts"),
        ("<think>I am not", "the reply is empty after its thoughts"),
        ("A four.", "not one JSON object: it begins with 'A four.'"),
    ],
)
def test_an_empty_reply_says_empty(text: str, problem: str) -> None:
    record = reading(text)
    assert record.outcome == Outcome.UNPARSEABLE
    assert record.detail["problem"] == problem


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't rate this.",
        "I\u2019m sorry, but I can\u2019t help with that.",
        "I can\u02bct assist with this request.",
        "I won\u2018t score this message.",
        "I must decline to judge this.",
        "I must respectfully decline.",
        "Leider bin ich nicht in der Lage, das einzuschätzen.",
        "Ich kann diese Anfrage nicht erfüllen.",
        "Das muss ich leider ablehnen: ich möchte das verweigern.",
        "Prefiero abstenerme en este caso.",
        "No soy capaz de hacer esta valoración.",
        "<think>Should I?</think>I am unable to evaluate this.",
        "As an AI, I do not judge people.",
        "Es tut mir leid, aber ich kann diese Antwort nicht bewerten.",
        "Das kann ich leider nicht beurteilen.",
        "Ich darf dazu keine Bewertung abgeben und möchte das nicht beurteilen.",
        "Als KI gebe ich dazu keine Bewertung ab.",
        "Lo siento, no puedo ayudar con eso.",
        "No puedo evaluar esta respuesta.",
        "Como modelo de lenguaje, no opino sobre esto.",
        "No me es posible calificar este mensaje.",
        "عذراً، لا أستطيع تقييم هذا الرد.",
        "آسف، لا يمكنني المساعدة في ذلك.",
        "أعتذر، لن أتمكن من الإجابة.",
        "بصفتي نموذجًا لغويًا لا أقيّم الردود.",
    ],
)
def test_a_refusal_in_the_protocols_languages_is_a_refusal(text: str) -> None:
    assert declines(text)
    assert reading(text).outcome == Outcome.REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "I would say that this deserves a four.",
        "The reply is sorry for the person and helps.",
        "Die Antwort ist freundlich; eine Vier.",
        "Die Antwort kann helfen. Vier.",
        "Die Person kann nicht schlafen, und die Antwort hilft dabei.",
        "La respuesta es amable: un cuatro.",
        "Puedo decir que merece un cuatro.",
        "الرد لطيف ويستحق أربعة.",
        "أستطيع القول إنه يستحق أربعة.",
        "<think>I'm sorry, I can't rate this?</think>A four.",
        "",
    ],
)
def test_prose_about_a_response_is_no_refusal(text: str) -> None:
    assert not declines(text)
    assert reading(text).outcome == Outcome.UNPARSEABLE


def test_the_endpoint_s_own_word_for_a_refusal_or_a_limit_comes_first() -> None:
    assert reading(V, refusal="I cannot.").outcome == Outcome.REFUSED
    assert reading("", finish="content_filter").outcome == Outcome.REFUSED
    assert reading("<think>So", finish="length").outcome == Outcome.TRUNCATED


def test_thoughts_are_left_out_of_prose() -> None:
    assert without_thoughts("<think>a</think> b") == "b"
    assert without_thoughts("a</think> b") == "b"
    assert without_thoughts("b") == "b"
    with pytest.raises(ValueError, match="begins with 'b'"):
        read_json("b")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('\ufeff{"choices": [{"message": {"content": "x"}}]}', "x"),
        ('{"choices": [{"message": {"content": null}}]}', ""),
        (
            '{"choices": [{"message": {"content": [{"type": "text", "text": "a"},'
            ' {"type": "text", "text": "b"}]}}]}',
            "ab",
        ),
        ('{"choices": [{"message": {"content": "x"}}], "usage": [1], "model": {"a": 1}}', "x"),
        ('{"choices": [{"message": {"content": "x"}}], "error": null}', "x"),
    ],
)
def test_a_completion_is_read_with_odd_parts(body: str, text: str) -> None:
    reply = parsing.read_reply(body)
    assert reply is not None
    assert (reply.text, reply.returned_model, reply.prompt_tokens) == (text, None, None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        '{"choices": [{"message": {"content": "x"',
        '{"error": {"message": "overloaded"}}',
        '{"error": "overloaded", "choices": []}',
        '{"choices": [{"message": {"content": "x"}}], "error": {"message": "overloaded"}}',
        '{"choices": [{"message": {"content": "x"}, "error": {"code": 502}}]}',
        '{"choices": []}',
        '{"choices": {"message": 1}}',
        '{"choices": [{"message": {"content": 4}}]}',
        "[" * 5000,
        "[" * 100_000 + "]" * 100_000,
        "null",
        "[]",
        '"text"',
        "9" * 5000,
        '{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"token": "4",'
        f' "logprob": {"9" * 400}}}]}}}}]}}',
    ],
)
def test_what_is_no_completion_is_none(body: str) -> None:
    assert parsing.read_reply(body) is None


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * 2_000_000,
        "```json\n" + "`" * 2_000_000,
        "</think>" * 200_000,
        "<think>" * 200_000,
        "<think></think>" * 200_000 + "x",
        "x" + "<think></think>" * 200_000,
        "I cannot " * 200_000,
        "ich kann " * 200_000,
        '{"reason": "r", "score": [' + ",".join(["4"] * 500_000) + "]}",
        "[" * 2_000_000,
        "\ufeff \u200b" * 500_000,
    ],
)
def test_no_text_keeps_the_parser_busy(text: str) -> None:
    """It ends at all: each of these takes hours when a search starts anew at every character."""
    assert reading(text).outcome in (Outcome.UNPARSEABLE, Outcome.REFUSED)
