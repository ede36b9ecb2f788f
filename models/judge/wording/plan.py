"""Which calls a study's judge makes: every response, criterion, order and replicate, with its key."""

from __future__ import annotations

import hashlib
import itertools
import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.judge.asking.calls import chat_request
from models.judge.asking.limits import (
    completion_tokens_at_most,
    cost_at_most,
    prompt_tokens_at_most,
    tokens_expected,
)
from models.judge.wording.prompts import PROMPT_VERSION, Material, write_prompt
from models.judge.wording.rubrics import Criterion, Rubric
from study.design import williams_square
from study.entities import Response
from study.protocol.judge import Judge
from study.protocol.schema import Prompt
from study.store.judge.verdicts import PlannedCall

KEY_VERSION = 1


@dataclass(frozen=True)
class JudgeIdentity:
    """Who judges: the model, and where it answers. Part of every cache key.

    Attributes
    ----------
    model : str
        The name asked for.
    endpoint : str
        Address without secrets, ``scripted`` or ``local:SHA-256 of the model's files``.
    simulated : bool
        Whether the verdicts are made up by rule.
    """

    model: str
    endpoint: str
    simulated: bool = False


@dataclass(frozen=True)
class JudgeCall:
    """One planned call with all that is needed to make it and to read its reply."""

    planned: PlannedCall
    criteria: tuple[Criterion, ...]
    letters: str
    prompt_tokens_at_most: int
    prompt_tokens_expected: int
    completion_tokens_at_most: int

    @property
    def tokens_at_most(self) -> int:
        """More tokens than the call can take, input and output together."""
        return self.prompt_tokens_at_most + self.completion_tokens_at_most


@dataclass(frozen=True)
class Question:
    """What one call asks: these criteria of a rubric about these responses in this order.

    Attributes
    ----------
    rubric : Rubric
    criteria : tuple of Criterion
    material : Material
    prompt_id : str
    response_ids : tuple of str
        In the order of ``material.responses``.
    probe : str
        Which probe changed the material; empty for the study's own texts.
    """

    rubric: Rubric
    criteria: tuple[Criterion, ...]
    material: Material
    prompt_id: str
    response_ids: tuple[str, ...]
    probe: str = ""


@dataclass(frozen=True)
class Planner:
    """Makes calls for one study and one judge.

    Parameters
    ----------
    judge : Judge
    identity : JudgeIdentity
    key : bytes
        The study's key, for the fences.
    """

    judge: Judge
    identity: JudgeIdentity
    key: bytes

    def plan(
        self, rubrics: Iterable[Rubric], prompts: Sequence[Prompt], responses: Sequence[Response]
    ) -> list[JudgeCall]:
        """All calls of the study, rubric by rubric.

        Within a rubric the responses come in the order of their opaque ids, so that neither the
        requests' order nor a log of them tells which system wrote what.
        """
        texts = {prompt.id: prompt.text for prompt in prompts}
        calls: list[JudgeCall] = []
        for rubric in rubrics:
            for shown in compared(rubric, responses):
                material = Material(texts[shown[0].prompt_id], tuple(r.text for r in shown))
                calls += self.calls(
                    rubric, material, prompt_id=shown[0].prompt_id, ids=[r.id for r in shown]
                )
        return calls

    def calls(
        self,
        rubric: Rubric,
        material: Material,
        *,
        prompt_id: str,
        ids: Sequence[str],
        probe: str = "",
        replicates: int | None = None,
    ) -> Iterator[JudgeCall]:
        """The calls for one response, or for several in one order."""
        groups = [rubric.criteria]
        if self.judge.mode == "one-criterion":
            groups = [(criterion,) for criterion in rubric.criteria]
        for criteria in groups:
            question = Question(rubric, criteria, material, prompt_id, tuple(ids), probe)
            for replicate in range(1, (replicates or self.judge.replicates) + 1):
                yield self._call(question, replicate)

    def _call(self, question: Question, replicate: int) -> JudgeCall:
        judge, rubric, criteria = self.judge, question.rubric, question.criteria
        written = write_prompt(
            rubric, criteria, question.material, key=self.key, scoring=judge.scoring
        )
        # Replicates with one seed could come back from an endpoint as the same reply.
        seed = (judge.seed + replicate - 1) % 2**31
        request = chat_request(judge, written.messages, written.schema, seed=seed)
        letters = string.ascii_uppercase[: len(question.response_ids)]
        at_most = prompt_tokens_at_most(request)
        most_output = completion_tokens_at_most(request)
        planned = PlannedCall(
            cache_key=cache_key(question, request, judge, self.identity, replicate),
            probe=question.probe,
            rubric_id=rubric.id,
            rubric_version=rubric.version,
            rubric_sha256=rubric.sha256,
            mode=judge.mode,
            scoring=judge.scoring,
            prompt_id=question.prompt_id,
            response_ids=question.response_ids,
            criteria=tuple(c.id for c in criteria),
            plan={"letters": letters, "criteria": [c.model_dump(mode="json") for c in criteria]},
            replicate=replicate,
            model=self.identity.model,
            endpoint=self.identity.endpoint,
            seed=seed,
            request=request,
            cost_at_most=cost_at_most(judge.price, request),
            simulated=self.identity.simulated,
        )
        return JudgeCall(
            planned, criteria, letters, at_most, tokens_expected(written.messages), most_output
        )


def compared(rubric: Rubric, responses: Sequence[Response]) -> list[tuple[Response, ...]]:
    """What is shown together, in which order.

    Returns
    -------
    list of tuple of Response
        ``single``: each response alone. ``pairwise``: each pair of responses to one prompt in both
        orders. ``k-way``: all responses to one prompt in the orders of a Williams square, so that
        each stands at each place and directly behind each other equally often.
    """
    ordered = sorted(responses, key=lambda response: response.id)
    if rubric.kind == "single":
        return [(response,) for response in ordered]
    by_prompt: dict[str, list[Response]] = {}
    for response in ordered:
        by_prompt.setdefault(response.prompt_id, []).append(response)
    shown: list[tuple[Response, ...]] = []
    for group in by_prompt.values():
        if rubric.kind == "pairwise":
            shown += itertools.permutations(group, 2)
        elif len(group) > 1:
            shown += [tuple(group[i] for i in row) for row in williams_square(len(group))]
    return shown


def cache_key(
    question: Question,
    request: Mapping[str, Any],
    judge: Judge,
    identity: JudgeIdentity,
    replicate: int,
) -> str:
    """SHA-256 (hex) over everything that can change the reply, and over what it is a reply to.

    The request holds the wording, the model, the sampling and the seed; the rest says for which
    responses in which order, by which rubric and version, and which repeat it is.
    """
    rubric, material = question.rubric, question.material
    plain = {
        "versions": [KEY_VERSION, PROMPT_VERSION],
        "rubric": [rubric.id, rubric.version, rubric.sha256],
        "criteria": [c.model_dump(mode="json") for c in question.criteria],
        "responses": list(question.response_ids),
        "texts": [material.prompt_text, *material.responses],
        "request": dict(request),
        "judge": [identity.model, identity.endpoint],
        "mode": [judge.mode, judge.scoring],
        "replicate": replicate,
        "probe": question.probe,
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
