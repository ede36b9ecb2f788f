"""Signs that a text tries to steer its judge. They flag a text for a person; they change no score."""

from __future__ import annotations

import re
from dataclasses import dataclass

EXCERPT_MARGIN = 40

# Strings that chat templates give a meaning to. Inside a text they are broken by a space.
_CONTROL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<\|?/?think\|?>",
    re.IGNORECASE,
)

_ORDER = r"(?:ignore|disregard|forget|override|bypass|do not (?:follow|use|apply))"
_RULES = r"(?:instructions?|rubrics?|criteri(?:a|on)|guidelines?|rules?|scales?|anchors?|prompts?)"
_SCORE = r"(?:scores?|ratings?|marks?|points?|grades?|verdicts?|stars?)"
_JUDGE = r"(?:judges?|raters?|evaluators?|graders?|assessors?|reviewers?|annotators?)"

_RULES_OF_TEXT: dict[str, str] = {
    "asks to ignore the rules": rf"\b{_ORDER}\b[^.\n]{{0,60}}\b{_RULES}\b",
    "asks for a score": (
        rf"\b(?:give|assign|award|rate|return|output|choose|select|answer with)\b[^.\n]{{0,40}}"
        rf"\b(?:[0-9](?:\.[0-9]+)?|five|ten|full|maximum|highest|best|perfect|top)\b[^.\n]{{0,20}}"
        rf"(?:\b{_SCORE}\b|$)|"
        rf"\b(?:give|award)\b (?:it|this|me|this response|the response) (?:a |an )?"
        rf"(?:[0-9]|five|ten|full|maximum|highest|perfect)"
    ),
    "states its own score": rf"\b(?:{_SCORE}|safety|empathy)\b\s*(?:is|=|:)\s*[\"']?[0-9]",
    "speaks to the judge": (
        rf"\b(?:dear|attention|note to|message to|to the|as (?:an?|the)|you are (?:an?|the)) "
        rf"(?:[a-z]+ )?{_JUDGE}\b"
    ),
    "gives a new role": (
        r"\b(?:new|updated|revised) (?:system )?(?:instructions?|task|prompt)\b|\byou are now\b|"
        r"\bsystem (?:prompt|message|override)\b"
    ),
    "writes the answer's form": r"\{[^{}]{0,200}[\"'](?:score|choice|verdict|rating)[\"']\s*:",
    "imitates the frame": r"(?:^|\n)\s*(?:=+|<+|\[+|-{3,}|#{2,})\s*(?:end|begin|start)\b[^\n]{0,60}",
}
_PATTERNS = {
    rule: re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for rule, pattern in _RULES_OF_TEXT.items()
} | {"uses a chat template's marks": _CONTROL}


@dataclass(frozen=True)
class InjectionSign:
    """One place of a text that looks like an attempt to steer the judge."""

    rule: str
    excerpt: str


def find_injections(text: str) -> tuple[InjectionSign, ...]:
    """Signs of an attempt to steer the judge, one for each rule that matches.

    The search is for wording: it misses what is put cleverly and stops at some innocent sentences.
    A person decides.
    """
    found = []
    for rule, pattern in _PATTERNS.items():
        match = pattern.search(text)
        if match:
            start, end = match.start() - EXCERPT_MARGIN, match.end() + EXCERPT_MARGIN
            found.append(InjectionSign(rule, " ".join(text[max(start, 0) : end].split())))
    return tuple(found)


def break_control_strings(text: str) -> str:
    """The text with a space inside every string that a chat template would obey."""
    return _CONTROL.sub(lambda match: match.group()[0] + " " + match.group()[1:], text)
