"""What a judge's reply says, without what models write around it: thoughts, fences, marks.

Only what stands around the whole answer is taken away. A verdict is never picked out of prose.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

# Marks of byte order and other characters without width, which no JSON reader takes for white space.
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"

_THOUGHT = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis)"
_OPENS = re.compile(rf"<{_THOUGHT}\b[^<>]*>|\[{_THOUGHT}\]|◁{_THOUGHT}▷", re.IGNORECASE)
_CLOSES = re.compile(rf"</{_THOUGHT}\s*>|\[/{_THOUGHT}\]|◁/{_THOUGHT}▷", re.IGNORECASE)
_FENCE = re.compile(r"(?:`{3,}|~{3,})")
_LANGUAGE = re.compile(r"[ \t]*[\w.+-]*")
# Harmony (gpt-oss), where an endpoint does not take its marks away: thoughts, then the final channel.
_FINAL_CHANNEL = re.compile(
    r"<\|channel\|>[ \n]{0,9}final[ \n]{0,9}(?:<\|constrain\|>[\w ]{0,20})?<\|message\|>",
    re.IGNORECASE,
)
_ENDS_OF_TURN = ("<|return|>", "<|end|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>")
# A string as a whole, or a space that JSON does not take for one. A string without an end goes to the
# end, so that a reply of nothing but quotes is read once and not once for each of them.
_STRING_OR_SPACE = re.compile(
    r'"(?:[^"\\]|\\.?)*(?:"|\Z)|[\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]',
    re.DOTALL,
)

# Every bound here keeps the reading of a hostile reply short: a body may hold 8 MiB of anything.
LONGEST_VERDICT = 2**18  # characters; 8,192 tokens, the most that a protocol may ask for, are fewer
MOST_THOUGHTS = 50
BEGINNING = 2000  # characters in which a refusal says that it is one

_REFUSALS = (
    # English
    r"\bI(?:'m| am) (?:very |so )?(?:sorry|unable|not able)\b",
    r"\bI (?:cannot|can't|can not|won't|will not|must decline|have to decline|'d rather not) ?"
    r"(?:\w+ ){0,2}(?:help|assist|rate|judge|evaluate|assess|score|comply|provide|do|continue|"
    r"engage|answer|to)\b",
    r"\bI (?:must|have to|need to|will have to|would like to)(?: \w+ly)? (?:decline|refuse)\b",
    r"\bI (?:\w+ly )?decline\b|\bas an AI\b",
    # German
    r"\b(?:es )?tut mir leid\b|\bich bedau(?:e)?re\b|\bals (?:eine? )?(?:KI|Sprachmodell)\b",
    r"\bich (?:kann|darf|werde)\b[^.!?]{0,60}\bnicht (?:erfüllen|ausführen|bearbeiten|vornehmen|"
    r"abgeben|geben|leisten)\b",
    r"\b(?:kann|darf|werde|möchte) ich\b[^.!?]{0,60}\bnicht\b",
    r"\bich (?:kann|darf|werde|möchte)\b[^.!?]{0,60}\bnicht\b[^.!?]{0,40}\b(?:helfen|bewerten|"
    r"beurteilen|einschätzen|antworten|beantworten|weiterhelfen|unterstützen|tun|nachkommen|machen)\b",
    r"\b(?:bin|sehe mich|fühle mich) (?:\w+ ){0,3}nicht\b[^.!?]{0,20}\b(?:in der Lage|imstande|befugt)|"
    r"\baußer\s?stande\b|\bich (?:muss|möchte)\b[^.!?]{0,30}\b(?:ablehnen|verweigern)\b",
    # Spanish
    r"\b(?:debo|tengo que|prefiero) (?:\w+ )?(?:rechazar|negarme|declinar|abstenerme)\b|"
    r"\bno (?:soy|estoy|me veo|me siento) (?:\w+ )?capaz\b",
    r"\blo siento\b|\blo lamento\b|\bcomo (?:una )?(?:IA|inteligencia artificial|modelo de lenguaje)\b",
    r"\bno (?:puedo|podré|podría|debo|me es posible|estoy en condiciones de)\b[^.!?]{0,40}\b(?:ayudar"
    r"(?:te|le)?|evaluar|calificar|valorar|puntuar|juzgar|responder|continuar|hacer(?:lo)?|cumplir)",
    # Arabic; `_plain` has taken the signs over and under the letters away
    r"\b(?:اسف|اسفة|عذرا|اعتذر|معذرة)\b",
    r"(?:لا استطيع|لا يمكنني|لا اقدر|لن استطيع|لن اتمكن|غير قادر|غير قادرة)\b",
    r"\b(?:بصفتي|باعتباري|ك)\s?نموذج",
)
_REFUSAL = re.compile("|".join(_REFUSALS), re.IGNORECASE)


def read_json(text: str) -> Any:
    """The one JSON value that a reply consists of, thoughts and a fence around it left out.

    A raw line break within a string is read as one; many models write them.

    Raises
    ------
    ValueError
        When the reply is not one JSON value, with what is wrong in words.
    """
    problem: ValueError | None = None
    for answer in _answers(text):
        try:
            return _strict_json(answer)
        except ValueError as error:
            problem = problem or error
    if problem is None or not without_thoughts(text):
        raise ValueError(
            "the reply is empty after its thoughts" if _trimmed(text) else "the reply is empty"
        )
    raise problem


def without_thoughts(text: str) -> str:
    """What follows the last thought; all of a reply that shows none."""
    bare = _final_message(_trimmed(text))
    ends = [found.end() for found in _CLOSES.finditer(bare)]
    answer = _trimmed(bare[ends[-1] :]) if ends else bare
    # A thought that never ended is no answer.
    return "" if _OPENS.match(answer) else answer


def declines(text: str) -> bool:
    """Whether a reply in prose declines, in English, German, Spanish or Arabic."""
    answer = without_thoughts(text)
    return "{" not in answer and bool(_REFUSAL.search(_plain(answer[:BEGINNING])))


def _answers(text: str) -> Iterator[str]:
    """The reply as a whole, then what follows each end of a thought, each with its fence taken off.

    A reply is read at the first of these that is JSON as a whole. So `</think>` within a string of
    a verdict does no harm, and of two verdicts with a thought between them the last one counts.
    """
    bare = _final_message(_trimmed(text))
    closes = [found.end() for found in _CLOSES.finditer(bare)][-MOST_THOUGHTS:]
    ends = _ends_before_thoughts(bare)
    for start in (0, *closes):
        for end in ends:
            answer = _trimmed(bare[start:end]) if 0 < end - start <= LONGEST_VERDICT else ""
            if answer and not _OPENS.match(answer):
                yield _unfenced(answer)


def _ends_before_thoughts(bare: str) -> list[int]:
    """Where the text ends, and where it would without the thoughts that stand behind the answer."""
    opens = [found.start() for found in _OPENS.finditer(bare)][-MOST_THOUGHTS:]
    closes = {found.end() for found in _CLOSES.finditer(bare)}
    ends = [len(bare)]
    while opens and ends[-1] in closes:
        begin = opens.pop()
        ends.append(len(bare[:begin].rstrip().rstrip(_INVISIBLE).rstrip()))
    return ends


def _final_message(text: str) -> str:
    """What follows the mark of the final channel, without marks of a turn's end."""
    finals = [found.end() for found in _FINAL_CHANNEL.finditer(text)]
    if not finals:
        return text
    answer = text[finals[-1] :].strip()
    return next(
        (answer.removesuffix(m).strip() for m in _ENDS_OF_TURN if answer.endswith(m)), answer
    )


def _unfenced(answer: str) -> str:
    """What stands in a code fence that the answer begins with and that ends with it.

    The closing fence may be missing: an endpoint that stops there does not send it.
    """
    fence = _FENCE.match(answer)
    if fence is None:
        return answer
    closed = answer.endswith(fence.group()) and len(answer) > len(fence.group())
    begin, end = fence.end(), len(answer) - (len(fence.group()) if closed else 0)
    language = _LANGUAGE.match(answer, begin, end)
    return _trimmed(answer[language.end() if language else begin : end])


def _trimmed(text: str) -> str:
    return text.strip().strip(_INVISIBLE).strip()


def _strict_json(text: str) -> Any:
    text = _STRING_OR_SPACE.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    try:
        return json.loads(
            text, object_pairs_hook=_no_doubles, parse_constant=_no_constant, strict=False
        )
    except RecursionError:
        # Thousands of brackets within one another: more than Python's reader follows.
        raise ValueError("brackets within brackets, too deep to read") from None
    except json.JSONDecodeError as error:
        if error.pos == 0:
            raise ValueError(f"it begins with {text[:40]!r}") from None
        raise


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is given twice")
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _plain(text: str) -> str:
    """With straight apostrophes, and Arabic without the signs that writers put or leave out."""
    straight = re.sub("[\u2018\u2019\u02bc\u02b9\u2032\uff07`´]", "'", text)
    arabic = re.compile("[\u0621-\u06ff]+")

    def bare(found: re.Match[str]) -> str:
        letters = unicodedata.normalize("NFKD", found.group())
        return "".join(c for c in letters if not unicodedata.combining(c))

    return arabic.sub(bare, straight)
