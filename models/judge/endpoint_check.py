"""One short question to the judge's endpoint: does it answer, and with what the protocol needs?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from models.judge.calls import chat_request
from models.judge.parsing import read_reply
from models.judge.prompts import Material, write_prompt
from models.judge.rubrics import load_rubrics
from models.judge.sending import AttemptFailed, LocalSender
from study.errors import ModelError
from study.protocol.judge import Judge
from study.protocol.schema import Protocol

# Made up for this check; no participant and no system wrote them.
_MADE_UP = Material("I worry about my exam.", ("That sounds hard.", "Let us look at it together."))


def endpoint_faults(protocol: Protocol, study_folder: Path) -> list[str]:
    """What the judge's endpoint cannot do although the protocol needs it, a sentence each.

    Sends one request: the first question of the first rubric, about a made-up response. Empty for a
    judge without an endpoint.
    """
    judge = protocol.judge
    if judge is None or judge.backend != "openai":
        return []
    rubric = load_rubrics(judge.rubrics, protocol, study_folder=study_folder)[0]
    shown = _MADE_UP.responses[:1] if rubric.kind == "single" else _MADE_UP.responses
    written = write_prompt(
        rubric,
        rubric.criteria[:1],
        Material(_MADE_UP.prompt_text, shown),
        key=bytes(32),
        scoring=judge.scoring,
    )
    request = chat_request(judge, written.messages, written.schema, seed=judge.seed)
    try:
        reply = read_reply(asyncio.run(_ask(judge, request)))
    except (AttemptFailed, ModelError) as error:
        return [f"The judge at {judge.endpoint} does not answer as the protocol asks: {error}"]
    if reply is None:
        return [f"What {judge.endpoint} answers is no chat completion. Correct judge.endpoint."]
    if judge.scoring == "probability" and not reply.top_tokens:
        return [
            f"judge.scoring is 'probability', but {judge.endpoint} gives no log probabilities, so no "
            "response could be scored. Set judge.scoring to stated, or use another endpoint."
        ]
    return []


async def _ask(judge: Judge, request: dict[str, Any]) -> str:
    sender = LocalSender(judge)
    try:
        async with sender.turn() as send:
            return await send(request, "check")
    finally:
        await sender.close()
