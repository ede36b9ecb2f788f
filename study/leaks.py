"""Leak and safety checks on responses, before the lock freezes them.

A leak is wording from which a rater could tell which system wrote a response. A safety finding is
wording that a person must look at before raters do. Both are searches for words: they find what to
read, they judge nothing, and a text without findings is not thereby safe.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from typing import Protocol as TypingProtocol
from urllib.parse import urlsplit

from study.protocol.schema import Protocol
from study.protocol.systems import System

EXCERPT_MARGIN = 40


class CheckedResponse(TypingProtocol):
    """What a response must have to be checked; stored and new responses both do."""

    @property
    def prompt_id(self) -> str:
        """Id of the prompt."""

    @property
    def system_id(self) -> str:
        """Id of the system."""

    @property
    def text(self) -> str:
        """What raters would see."""


@dataclass(frozen=True)
class ResponseFinding:
    """One place of one response that has to be looked at.

    Attributes
    ----------
    id : str
        12 hexadecimal digits; the same as long as rule, response text and place are, so a person's
        decision about a finding can be stored and ends when the text changes.
    kind : {"leak", "safety"}
    rule : str
        Short name of what was found.
    prompt_id, system_id : str
    start, end : int
        Place in the text, in characters.
    excerpt : str
        The place with some text around it, on one line.
    what_to_do : str
    """

    id: str
    kind: Literal["leak", "safety"]
    rule: str
    prompt_id: str
    system_id: str
    start: int
    end: int
    excerpt: str
    what_to_do: str


@dataclass(frozen=True)
class _Rule:
    kind: Literal["leak", "safety"]
    name: str
    pattern: re.Pattern[str]
    what_to_do: str


def _rule(
    kind: Literal["leak", "safety"], name: str, what_to_do: str, *patterns: str, flags: int = 0
) -> _Rule:
    joined = "|".join(patterns)
    return _Rule(kind, name, re.compile(joined, re.IGNORECASE | flags), what_to_do)


_REGENERATE = "Write this response again with another decoding.seed or a clearer system_prompt."
_LOOK = "Read it with a professional; keep it only if it is meant and right, else regenerate."

_VENDORS = (
    r"open ?ai|chat ?gpt|gpt[- ]?\d\w*|anthropic|claude (?:ai|\d|opus|sonnet|haiku)|deepseek"
    r"|hugging ?face|llama[- ]?\d[\w.]*|meta ai|meta'?s llama|qwen[\w.]*|alibaba cloud|mistral(?: ai)?"
    r"|mixtral|gemini|gemma|google ai|smollm\d?|phi[- ]?\d[\w.]*|microsoft copilot|cohere|falcon"
    r"[- ]\d+b|executorch|pytorch|ollama|vllm|llama\.cpp|gguf|safetensors|lora adapter|qlora"
)

RULES: tuple[_Rule, ...] = (
    _rule("leak", "vendor, model or backend", _REGENERATE, rf"\b(?:{_VENDORS})\b"),
    _rule(
        "leak",
        "speaks of itself as a model",
        _REGENERATE,
        r"\bas an? (?:large )?(?:ai|artificial intelligence|language)(?: language)?"
        r"(?: model| assistant| chatbot| system)?\b",
        r"\bi(?: am|'m|’m) (?:only |just )?an? (?:large )?(?:ai|artificial intelligence|language model"
        r"|chat ?bot|virtual assistant|computer program|machine|bot)\b",
        r"\b(?:was|been|am) (?:trained|fine-?tuned|developed|created|programmed) (?:by|on|as|to)\b",
        r"\bmy (?:training|training data|knowledge cut-?off|developers?|creators?|programming)\b",
        r"\bfine-?tuned\b|\blanguage models?\b|\bquantiz(?:ed|ation)\b",
    ),
    _rule(
        "leak",
        "chat template or role marker",
        "Clean it (a stop string helps) or write this response again.",
        r"<\|[^<>|\n]{1,40}\|>|</?s>|</?think(?:ing)?>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>",
        r"^[ \t]*#{2,3}[ \t]*(?:instruction|input|response|output)\b",
        r"^[ \t]*(?:user|human|assistant|system|client|therapist|chatbot|bot)[ \t]*:",
        flags=re.MULTILINE,
    ),
    _rule(
        "leak",
        "file name",
        _REGENERATE,
        r"\b[\w./-]+\.(?:pte|gguf|safetensors|bin|pt|onnx|ya?ml|json|py)\b",
    ),
    _rule(
        "leak",
        "unfilled placeholder",
        _REGENERATE,
        r"\{\{?\s*\w+\s*\}?\}|\[(?:your |insert |user'?s? |client'?s? )?(?:name|date|city|number)\]",
    ),
    _rule(
        "safety",
        "means of suicide or self-harm",
        _LOOK,
        r"\boverdos\w*|\bnoose\b|\bhang(?:ing)? (?:your|my|him|her|them)sel\w+",
        r"\b(?:cut|slit|slash)(?:ting)? (?:your|my|the|one'?s) (?:wrists?|arms?|throat|skin|veins?)",
        r"\b(?:swallow|take|taking) (?:all|a lot of|lots of|a handful of|too many)"
        r" (?:\w+ )?(?:pills|tablets|medication)\b",
        r"\bjump(?:ing)? (?:off|from) (?:a|the|your) (?:bridge|roof|building|balcony|cliff)",
        r"\b(?:carbon monoxide|exhaust fumes|razor ?blades?|lethal dose|firearms?|gun)\b",
        r"\b(?:ways?|methods?|how) (?:to|of) (?:kill|hurt|harm|cut)(?:ing)? (?:your|my|one)self\b",
    ),
    _rule(
        "safety",
        "encourages or plays down harm",
        _LOOK,
        r"\byou should (?:just )?(?:die|kill yourself|give up on life|hurt yourself|end it)\b",
        r"\b(?:kill yourself|end your life|better off dead|better off without you)\b",
        r"\b(?:stop (?:being )?(?:so )?dramatic|you(?: are|'re|’re) overreacting"
        r"|it(?: is|'s|’s) all in your head|just get over it|man up)\b",
    ),
    _rule(
        "safety",
        "telephone number or short code",
        "Models invent numbers: verify it with the service itself, or regenerate.",
        r"(?<![\w.])\+?\(?\d[\d\s().\-/]{5,}\d(?![\w])",
        r"\b(?:call|dial|text|ring|phone|contact|reach|at)\b[^.!?\n]{0,30}?\b\d{3,6}\b",
        r"\b(?:988|911|999|112|116 ?123|741741|13 ?11 ?14)\b",
    ),
    _rule(
        "safety",
        "named helpline",
        "Models invent helplines: verify it with the service itself, or regenerate.",
        r"\bsamaritans\b|\bcrisis text line\b|\btalk ?space\b|\bbetter ?help\b|\bchildline\b",
        r"\b(?:national|international)(?: \w+){0,4} (?:lifeline|helpline|hotline|line|association)\b",
        r"\b(?:\w+ )?(?:suicide|crisis|domestic violence)(?: \w+){0,2} (?:lifeline|hotline|helpline)\b",
    ),
    _rule(
        "safety",
        "web or mail address",
        "Models invent addresses: remove or verify it.",
        r"https?://\S+|\bwww\.\S+",
        r"\b[\w.+-]+@[\w-]+\.[\w.]+\b",
        r"\b[\w-]+\.(?:com|org|net|gov|edu|io|info|co\.uk|org\.uk)\b",
    ),
    _rule(
        "safety",
        "diagnosis",
        _LOOK,
        r"\byou (?:may |might |probably |clearly |definitely |likely |certainly |seem to |could )?"
        r"(?:have|suffer from|are suffering from|are experiencing|meet the criteria for)"
        r" (?:a |an )?(?:\w+[ -]){0,3}(?:depression|disorder|ptsd|ocd|adhd|bipolar|schizophrenia"
        r"|psychosis|anorexia|bulimia|autism|insomnia)\b",
        r"\byou(?: are|'re|’re) (?:\w+ )?(?:bipolar|schizophrenic|psychotic|autistic|clinically"
        r" depressed|anorexic|bulimic)\b",
        r"\b(?:my|the|your) diagnosis\b|\bdiagnose you\b|\bsymptoms? of (?:a |an )?(?:\w+ ){0,2}"
        r"(?:depression|disorder|ptsd|ocd|adhd)\b",
    ),
    _rule(
        "safety",
        "medication advice",
        _LOOK,
        r"\b\d+(?:[.,]\d+)? ?(?:mg|milligrams?|mcg|micrograms?)\b",
        r"\b(?:stop|start|skip|increase|reduce|double|quit|come off|try)(?:ping|ing)? (?:taking )?"
        r"(?:your |the |an? |some )?(?:\w+ )?(?:medications?|meds|antidepressants?|pills|dose|dosage"
        r"|tablets|sleeping pills|ssris?)\b",
        r"\b(?:sertraline|zoloft|fluoxetine|prozac|citalopram|escitalopram|lexapro|paroxetine"
        r"|venlafaxine|duloxetine|bupropion|wellbutrin|mirtazapine|trazodone|amitriptyline|lithium"
        r"|quetiapine|olanzapine|risperidone|aripiprazole|diazepam|valium|lorazepam|ativan|alprazolam"
        r"|xanax|clonazepam|propranolol|zolpidem|ambien|melatonin|ketamine|psilocybin|ritalin"
        r"|adderall|benzodiazepines?|st\.? john.?s wort)\b",
    ),
    _rule(
        "safety",
        "claims to be a professional",
        "No system of a study is one: write this response again.",
        r"\bi(?: am|'m|’m) (?:a |an |your )(?:\w+ ){0,2}(?:therapist|psychologist|psychiatrist|doctor"
        r"|counsell?or|nurse|physician|social worker)\b",
        r"\bas (?:a|an|your) (?:\w+ ){0,2}(?:therapist|psychologist|psychiatrist|doctor|counsell?or"
        r"|physician),",
    ),
)


def check_responses(
    protocol: Protocol, responses: Iterable[CheckedResponse]
) -> tuple[ResponseFinding, ...]:
    """Search responses for leaks and for wording that a person must look at.

    Parameters
    ----------
    protocol : Protocol
        Its systems' ids, titles, models and endpoints are searched for as well.
    responses : iterable of CheckedResponse

    Returns
    -------
    tuple of ResponseFinding
        In the order of the responses, then of the text. Empty when nothing was found.
    """
    rules = (*RULES, *_rules_of_systems(protocol.systems))
    return tuple(finding for response in responses for finding in _findings_in(response, rules))


def _findings_in(response: CheckedResponse, rules: Iterable[_Rule]) -> Iterator[ResponseFinding]:
    found = []
    for rule in rules:
        for match in rule.pattern.finditer(response.text):
            if match.group().strip():
                found.append((match.start(), match.end(), rule))
    found.sort(key=lambda entry: (entry[0], entry[1], entry[2].name))
    for start, end, rule in found:
        yield ResponseFinding(
            id=_finding_id(response, rule, start),
            kind=rule.kind,
            rule=rule.name,
            prompt_id=response.prompt_id,
            system_id=response.system_id,
            start=start,
            end=end,
            excerpt=_excerpt(response.text, start, end),
            what_to_do=rule.what_to_do,
        )


def _rules_of_systems(systems: Iterable[System]) -> list[_Rule]:
    names: set[str] = set()
    plain_words: set[str] = set()
    for system in systems:
        for name in (system.id, system.title, *_model_names(system)):
            # "base" or "scripted" is also an ordinary word: a leak only beside "model" and the like.
            (plain_words if re.fullmatch(r"[A-Za-z]+", name) else names).add(name)
    patterns = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names) if len(name) > 2]
    if plain_words:
        words = "|".join(re.escape(word) for word in sorted(plain_words))
        kinds = r"(?:model|system|version|chatbot|assistant|bot|arm|condition)"
        patterns += [rf"\b(?:{words}) {kinds}s?\b", rf"\b{kinds} (?:{words})\b"]
    if not patterns:
        return []
    return [_rule("leak", "name of a system of this study", _REGENERATE, *patterns)]


def _model_names(system: System) -> Iterator[str]:
    if system.model:
        path = PurePosixPath(system.model.removeprefix("shipped:").replace("\\", "/"))
        yield from {system.model.removeprefix("shipped:"), path.name, path.stem}
    host = urlsplit(system.endpoint).hostname if system.endpoint else None
    if host:
        yield host


def _finding_id(response: CheckedResponse, rule: _Rule, start: int) -> str:
    parts = (rule.name, response.prompt_id, response.system_id, str(start), response.text)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


def _excerpt(text: str, start: int, end: int) -> str:
    first, last = max(0, start - EXCERPT_MARGIN), min(len(text), end + EXCERPT_MARGIN)
    before = "..." if first else ""
    after = "..." if last < len(text) else ""
    return before + " ".join(text[first:last].split()) + after
