"""A few short questions to the judge's endpoint: does it answer, and with what the protocol needs?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models.endpoint.failures import AttemptFailed
from models.judge.asking.calls import chat_request
from models.judge.asking.sending import LocalSender
from models.judge.verdicts.parsing import JudgeReply, judge_outcomes, read_reply
from models.judge.wording.prompts import JudgePrompt, Material, write_prompt
from models.judge.wording.rubrics import Criterion, load_rubrics
from study.errors import ModelError
from study.protocol.judge import Judge
from study.protocol.schema import Protocol
from study.store.judge.verdicts import Outcome

# Made up for this check; no participant and no system wrote them.
_MADE_UP = Material("I worry about my exam.", ("That sounds hard.", "Let us look at it together."))

# What a message that refuses a setting calls it -> what would be changed.
_NAMED = (
    (re.compile(r"max_(?:completion_)?tokens"), "length_parameter"),
    (re.compile(r"temperature"), "temperature"),
    (re.compile(r"top_p"), "top_p"),
    (re.compile(r"\bseed\b"), "seed"),
    (re.compile(r"response_format|json_schema|structured|guided"), "structured_output"),
)
_CHANGES = tuple(change for _, change in _NAMED)


@dataclass
class _Trial:
    """The judge with what an endpoint made us change, and its latest answer."""

    judge: Judge
    prompt: JudgePrompt
    changed: list[str] = field(default_factory=list)
    first_refusal: str = ""

    def ask(self, changed: list[str]) -> JudgeReply | None:
        judge = _with(self.judge, changed)
        request = chat_request(judge, self.prompt.messages, self.prompt.schema, seed=judge.seed)
        return read_reply(asyncio.run(_ask(judge, request)))

    def answer(self) -> JudgeReply | None:
        """The first answer that is not refused because of a setting.

        Raises
        ------
        AttemptFailed, ModelError
            When there is none whatever is changed.
        """
        guessed: list[str] = []
        while True:
            try:
                reply = self.ask(self.changed)
            except AttemptFailed as failed:
                said = failed.failure.message
                self.first_refusal = self.first_refusal or said
                change, is_named = self._next_change(said)
                if failed.failure.status not in (400, 422) or not change:
                    raise
                self.changed.append(change)
                if not is_named:
                    guessed.append(change)
                continue
            return self._without_needless(guessed) or reply

    def _next_change(self, said: str) -> tuple[str, bool]:
        left = [c for c in _CHANGES if c not in self.changed and self._is_sent(c)]
        named = [change for pattern, change in _NAMED if pattern.search(said.lower())]
        for change in named:
            if change in left:
                return change, True
        # One that was changed and is still refused: no other change is of any use.
        if named or not left:
            return "", False
        return left[0], False

    def _is_sent(self, change: str) -> bool:
        if change == "structured_output":
            return self.judge.structured_output and self.judge.scoring == "stated"
        return change not in self.judge.leave_out

    def _without_needless(self, guessed: list[str]) -> JudgeReply | None:
        """Take back each change that was only guessed and is not needed."""
        reply = None
        for change in guessed:
            fewer = [c for c in self.changed if c != change]
            try:
                reply = self.ask(fewer)
            except AttemptFailed:
                continue
            self.changed = fewer
        return reply


def _with(judge: Judge, changed: list[str]) -> Judge:
    update: dict[str, object] = {}
    if "length_parameter" in changed:
        others = {
            "max_tokens": "max_completion_tokens",
            "max_completion_tokens": "max_tokens",
        }
        update["length_parameter"] = others[judge.length_parameter]
    if "structured_output" in changed:
        update["structured_output"] = False
    left_out = [c for c in changed if c in ("temperature", "top_p", "seed")]
    if left_out:
        update["leave_out"] = (*judge.leave_out, *left_out)
    return judge.model_copy(update=update)


def endpoint_faults(protocol: Protocol, study_folder: Path) -> list[str]:
    """What the judge's endpoint cannot do although the protocol needs it, a sentence each.

    Sends the first question of the first rubric, about a made-up response, and reads the answer as a
    run would; where the endpoint refuses a setting, a few more to find out what it takes. Empty for a
    judge without an endpoint.
    """
    judge = protocol.judge
    if judge is None or judge.backend != "openai":
        return []
    rubric = load_rubrics(judge.rubrics, protocol, study_folder=study_folder)[0]
    shown = _MADE_UP.responses[:1] if rubric.kind == "single" else _MADE_UP.responses
    criteria = rubric.criteria[:1]
    material = Material(_MADE_UP.prompt_text, shown)
    prompt = write_prompt(rubric, criteria, material, key=bytes(32), scoring=judge.scoring)
    trial = _Trial(judge, prompt)
    try:
        reply = trial.answer()
    except (AttemptFailed, ModelError) as error:
        told = error.failure.told if isinstance(error, AttemptFailed) else str(error)
        return [f"The judge at {judge.endpoint} does not answer as the protocol asks: {told}"]
    letters = "ABCDEFGH"[: len(shown)]
    return [
        *_changes(trial),
        *_not_scored(judge, reply, criteria, letters),
        *_another_model(judge, reply),
    ]


def _changes(trial: _Trial) -> Iterator[str]:
    if not trial.changed:
        return
    judge = _with(trial.judge, trial.changed)
    fields = []
    if "length_parameter" in trial.changed:
        fields.append(f"judge.length_parameter: {judge.length_parameter}")
    if judge.leave_out != trial.judge.leave_out:
        fields.append(f"judge.leave_out: [{', '.join(judge.leave_out)}]")
    if "structured_output" in trial.changed:
        fields.append("judge.structured_output: false")
    yield (
        f"{judge.endpoint} refuses what the protocol would send ({trial.first_refusal}). It answers with "
        f"{'; '.join(fields)}. Put that into the protocol."
    )


def _not_scored(
    judge: Judge, reply: JudgeReply | None, criteria: tuple[Criterion, ...], letters: str
) -> Iterator[str]:
    if reply is None:
        yield f"What {judge.endpoint} answers is no chat completion. Correct judge.endpoint."
        return
    if judge.scoring == "probability" and not reply.top_tokens:
        yield (
            f"judge.scoring is 'probability', but {judge.endpoint} gives no log probabilities, so no "
            "response could be scored. Set judge.scoring to stated, or use another endpoint."
        )
        return
    (verdict,) = judge_outcomes(reply, criteria, letters, scoring=judge.scoring)
    if verdict.outcome in (Outcome.SCORED, Outcome.ABSTAINED):
        return
    problem = str(verdict.detail.get("problem", "")).rstrip(".")
    remedy = (
        "Raise judge.sampling.max_tokens."
        if verdict.outcome == Outcome.TRUNCATED
        else "Use a model that keeps to the form of the reply."
    )
    yield (
        f"The reply of {judge.endpoint} could not be scored: {verdict.outcome}, {problem}. {remedy}"
    )


def _another_model(judge: Judge, reply: JudgeReply | None) -> Iterator[str]:
    returned = reply.returned_model if reply else None
    if returned and not is_same_model(judge.model, returned):
        yield (
            f"judge.model is {judge.model!r}, but {judge.endpoint} answered as {returned!r}. Name the "
            "model that answers, or ask the endpoint's provider why another one does."
        )


# What endpoints put behind a model's name: a date, a revision of three digits or more, "latest".
_REVISION = re.compile(r"(?:[-@:_.]v?\d{3,}(?:[-.]?\d+)*|[-:@]latest)\Z")


def is_same_model(asked: str, returned: str) -> bool:
    """Whether a returned model name stands for the one asked for.

    Folders before the name (``org/``, ``models/``) and a date or revision behind it make no other
    model: ``gpt-4o`` may come back as ``gpt-4o-2024-08-06``, but not as ``gpt-4o-mini``.
    """
    names = [name.strip().rstrip("/").rsplit("/", 1)[-1].lower() for name in (asked, returned)]
    if names[0] == names[1]:
        return True
    bare = [_REVISION.sub("", name) for name in names]
    revised = [name != short for name, short in zip(names, bare, strict=True)]
    # Two different revisions of one model are two models.
    pinned = all(revised) and not any(name.endswith("latest") for name in names)
    return bare[0] == bare[1] and not pinned


async def _ask(judge: Judge, request: dict[str, object]) -> str:
    sender = LocalSender(judge)
    try:
        async with sender.turn() as send:
            return await send(request, "check")
    finally:
        await sender.close()
