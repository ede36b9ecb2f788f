"""Signs that a text tries to steer its judge. They flag a text for a person; they change no score.

The wording is data: ``injection_signs.toml``. docs/judge.md says what was measured on sentences of our own.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

EXCERPT_MARGIN = 40

# Brackets and bars come in full width as well: DeepSeek's own marks have full-width bars.
_LEFT, _BAR, _RIGHT = "[<\uff1c\ufe64]", "[|\uff5c\u2223\u2502\u01c0\ufe31]", "[>\uff1e\ufe65]"
_OPEN, _CLOSE = r"[\[\uff3b]", r"[\]\uff3d]"
# Strings that chat templates give a meaning to. Inside a text they are broken by a space.
_CONTROL = re.compile(
    # ChatML, Llama 3, Phi, Qwen, DeepSeek, Cohere, Granite, Kimi, Harmony.
    rf"{_LEFT}{_BAR}[^|<>\uff5c\uff1c\uff1e\n]{{1,40}}{_BAR}{_RIGHT}"
    # Llama 2, Mistral.
    rf"|{_OPEN}/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK"
    rf"|ARGS|gMASK|sMASK){_CLOSE}|{_LEFT}{{2}}/?SYS{_RIGHT}{{2}}"
    # Gemma, T5, InternLM, GLM, Baichuan, and the marks of sequences, thoughts and tools.
    rf"|{_LEFT}/?(?:s|bos|eos|pad|unk|sep|cls|mask|sop|eop|eoh|eoa|eot|system|human|bot"
    rf"|(?:start|end)_of_turn|(?:start|end)_of_image|reserved_\d+|TOKENS_UNUSED_\d+|extra_id_\d+"
    rf"|{_BAR}?/?think(?:ing)?{_BAR}?|tool_call|tool_response|tools|function_calls?){_RIGHT}"
    # MiniMax.
    r"|\]~!?b\]?\[?|\[e~\[",
    re.IGNORECASE,
)
# Templates whose marks are plain words at a line's beginning (Alpaca, Vicuna, Anthropic, early DeepSeek).
_ROLE_LINE = re.compile(
    r"^([ \t]*(?:#{2,3}[ \t]*(?:Instruction|Input|Response|System|User|Assistant|Human)"
    r"|(?:User|Human|Assistant|System|GPT4 Correct User|GPT4 Correct Assistant)))([:\uff1a])",
    re.IGNORECASE | re.MULTILINE,
)
# Arabic vowel marks as well: they are written or left out at will.
_INVISIBLE = re.compile("[\u064b-\u065f\u0640\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

SIGNS_FILE = Path(__file__).with_name("injection_signs.toml")


def _read_signs() -> dict[str, re.Pattern[str]]:
    content = tomllib.loads(SIGNS_FILE.read_text(encoding="utf-8"))

    def filled(pattern: str) -> str:
        # Not str.format: a pattern has braces of its own. Words may be made of words.
        while (
            after := re.sub(r"\{([a-z]\w*)\}", lambda m: content["words"][m[1]], pattern)
        ) != pattern:
            pattern = after
        return pattern

    return {
        rule: re.compile(
            "|".join(f"(?:{filled(p)})" for p in patterns), re.IGNORECASE | re.MULTILINE
        )
        for rule, patterns in content["signs"].items()
    }


_PATTERNS = _read_signs() | {"uses a chat template's marks": _CONTROL}


@dataclass(frozen=True)
class InjectionSign:
    """One place of a text that looks like an attempt to steer the judge."""

    rule: str
    excerpt: str


def find_injections(text: str) -> tuple[InjectionSign, ...]:
    """Signs of an attempt to steer the judge, one for each rule that matches.

    The search is for wording: it misses what is put cleverly and stops at some innocent sentences.
    A person decides. Letters of other widths and invisible characters are seen through.
    """
    found = []
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    for rule, pattern in _PATTERNS.items():
        match = pattern.search(plain)
        if match:
            start, end = match.start() - EXCERPT_MARGIN, match.end() + EXCERPT_MARGIN
            found.append(InjectionSign(rule, " ".join(plain[max(start, 0) : end].split())))
    return tuple(found)


def break_control_strings(text: str) -> str:
    """The text with a space inside every string that a chat template would obey.

    Role names that open a line get it before their colon, so that they can still be read.
    """
    broken = _CONTROL.sub(lambda match: match.group()[0] + " " + match.group()[1:], text)
    return _ROLE_LINE.sub(r"\1 \2", broken)
