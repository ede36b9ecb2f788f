"""The judge block of a protocol: what contradicts itself, and the hashes that the lock freezes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.backends.model_files import locate_checkpoint
from models.judge.wording.prompts import MOST_RESPONSES, PROMPT_VERSION, Material, write_prompt
from models.judge.wording.rubrics import Rubric, load_rubric, load_rubrics
from study.errors import EvenhandError, ProtocolError
from study.protocol.endpoint_address import proxy_fault
from study.protocol.judge import Judge
from study.protocol.schema import Protocol
from study.protocol.systems import System

_NEEDED: dict[str, tuple[str, ...]] = {
    "openai": ("model", "endpoint"),
    "transformers": ("model",),
    "scripted": (),
}
_FOREIGN: dict[str, tuple[str, ...]] = {
    "openai": (),
    "transformers": ("endpoint", "api_key_variable", "proxy", "leave_out"),
    "scripted": ("endpoint", "model", "api_key_variable", "proxy", "leave_out"),
}
# What only an endpoint can keep to; declared for a model on this machine, it would have no effect.
_OF_ENDPOINTS = (
    *(
        "requests_per_minute",
        "tokens_per_minute",
        "retries",
        "timeout_s",
        "longest_call_s",
        "price",
    ),
)


def judge_faults(protocol: Protocol, study_folder: Path) -> list[str]:
    """All that contradicts itself in the judge block, a sentence each; empty when nothing does.

    Nothing is asked over the network.
    """
    judge = protocol.judge
    if judge is None:
        return []
    faults = [
        *hard_faults(judge),
        *_without_effect(judge),
        *_too_short(judge),
        *_left_out(judge),
        *_groups(judge, protocol),
        *_files(judge, protocol, study_folder),
    ]
    return list(dict.fromkeys(faults))


def hard_faults(judge: Judge) -> list[str]:
    """What a run refuses."""
    backend = judge.backend
    faults = [
        f"judge.backend is {backend!r}, which needs judge.{name}. Name it in the protocol."
        for name in _NEEDED[backend]
        if not getattr(judge, name)
    ]
    faults += [
        f"judge.{name} is {getattr(judge, name)!r}, but judge.backend {backend!r} does not use it. "
        "Remove it or change the backend."
        for name in _FOREIGN[backend]
        if getattr(judge, name)
    ]
    if backend != "openai" and judge.length_parameter != "max_tokens":
        faults.append(
            f"judge.length_parameter is {judge.length_parameter!r}, but judge.backend {backend!r} does "
            "not use it. Remove it or change the backend."
        )
    if backend == "openai" and (
        fault := proxy_fault(judge.proxy, judge.endpoint, field="judge.proxy")
    ):
        faults.append(fault)
    if judge.scoring == "probability" and judge.mode == "all-in-one":
        faults.append(
            "judge.scoring is 'probability' and judge.mode is 'all-in-one'; the probabilities of one "
            "answer belong to one criterion. Set judge.mode to one-criterion."
        )
    if judge.batch and backend == "transformers":
        faults.append("judge.batch is set, but a model on this machine has no batch API.")
    if judge.max_cost is not None and judge.price is None:
        faults.append(
            f"judge.max_cost is {judge.max_cost:g}, but judge.price is missing, so nobody can count the "
            "cost. Declare the price."
        )
    return faults


def _without_effect(judge: Judge) -> Iterator[str]:
    declared = judge.model_fields_set
    if judge.backend == "transformers":
        if judge.concurrency > 1 and "concurrency" in declared:
            yield (
                f"judge.concurrency is {judge.concurrency}, but a model on this machine answers one call "
                "at a time. Remove it; `evenhand judge --cluster` uses several machines."
            )
        for name in _OF_ENDPOINTS:
            if name in declared:
                yield f"judge.{name} has no effect on a model on this machine. Remove it."
    if judge.batch:
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute"):
            if name in declared:
                yield f"judge.{name} has no effect with judge.batch. Remove one of them."
    if judge.scoring == "probability":
        if "structured_output" in declared and judge.structured_output:
            yield (
                "judge.structured_output asks for a JSON reply, but with judge.scoring 'probability' the "
                "reply is one token. Remove it."
            )
        if "max_tokens" in judge.sampling.model_fields_set and judge.sampling.max_tokens > 1:
            yield (
                f"judge.sampling.max_tokens is {judge.sampling.max_tokens}, but with judge.scoring "
                "'probability' the reply is one token. Remove it."
            )
        if judge.replicates > 1 and judge.backend == "transformers":
            yield (
                f"judge.replicates is {judge.replicates}, but the probabilities of a model on this "
                "machine do not depend on the seed: every repeat gives the same score. Set it to 1."
            )


def _too_short(judge: Judge) -> Iterator[str]:
    if judge.longest_call_s is not None and judge.longest_call_s < judge.timeout_s:
        yield (
            f"judge.longest_call_s is {judge.longest_call_s:g}, so judge.timeout_s "
            f"({judge.timeout_s:g}) is never reached. Make it at least as long."
        )


def _left_out(judge: Judge) -> Iterator[str]:
    declared = {f"sampling.{name}" for name in judge.sampling.model_fields_set}
    declared |= {"seed"} & judge.model_fields_set
    for name in judge.leave_out:
        field = name if name == "seed" else f"sampling.{name}"
        if field in declared:
            yield f"judge.{field} is declared, but judge.leave_out keeps it back. Remove one of them."


def _groups(judge: Judge, protocol: Protocol) -> Iterator[str]:
    known = [group.id for group in protocol.groups]
    asked = []
    if judge.stand_in_only_if is not None:
        asked.append(("judge.stand_in_only_if.group", judge.stand_in_only_if.group))
    if "professional_groups" in judge.review.model_fields_set:
        asked += [("judge.review.professional_groups", g) for g in judge.review.professional_groups]
    for field, group in asked:
        if group not in known:
            yield f"{field} names the group {group!r}; declared: {', '.join(known)}."


def _files(judge: Judge, protocol: Protocol, study_folder: Path) -> Iterator[str]:
    if judge.backend == "transformers" and judge.model:
        try:
            system = System(id="judge", title="Judge", backend="transformers", model=judge.model)
            locate_checkpoint(system, study_folder)
        except EvenhandError as error:
            yield str(error).replace("System 'judge'", "judge.model")
    for name in dict.fromkeys(judge.rubrics):
        try:
            rubric = load_rubric(name, protocol, study_folder=study_folder)
            if rubric.kind == "k-way" and len(protocol.systems) > MOST_RESPONSES:
                yield (
                    f"The rubric {name!r} compares all {len(protocol.systems)} systems at once; a "
                    f"comparison holds at most {MOST_RESPONSES}. Use the rubric 'pairwise'."
                )
            _wordings(rubric, judge)
        except ProtocolError as error:
            yield str(error)
    if len(set(judge.rubrics)) < len(judge.rubrics):
        yield f"judge.rubrics names {', '.join(judge.rubrics)}; expected each rubric once."


def judge_hashes(protocol: Protocol, study_folder: Path) -> dict[str, str]:
    """What the lock freezes of the judge: its rubrics and the wording of its prompts.

    Returns
    -------
    dict
        ``judge_rubrics`` and ``judge_prompts`` -> SHA-256 (hex); empty without a judge.

    Raises
    ------
    ProtocolError
        When a rubric is not there or cannot be read.
    """
    judge = protocol.judge
    if judge is None:
        return {}
    rubrics = load_rubrics(judge.rubrics, protocol, study_folder=study_folder)
    return {
        "judge_rubrics": _sha256({rubric.id: rubric.sha256 for rubric in rubrics}),
        "judge_prompts": _sha256([PROMPT_VERSION, [_wordings(r, judge) for r in rubrics]]),
    }


def _wordings(rubric: Rubric, judge: Judge) -> list[Any]:
    """Every prompt of a rubric around placeholders, so that any change of wording shows."""
    responses = ("response",) if rubric.kind == "single" else ("response", "another response")
    groups = [rubric.criteria]
    if judge.mode == "one-criterion":
        groups = [(criterion,) for criterion in rubric.criteria]
    written = [
        write_prompt(
            rubric, group, Material("prompt", responses), key=bytes(32), scoring=judge.scoring
        )
        for group in groups
    ]
    return [[list(prompt.messages), prompt.schema] for prompt in written]


def _sha256(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
