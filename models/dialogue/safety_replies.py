"""What is said in the states of safety: fixed parts by language and kind of sign, from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from models.dialogue.danger_signs import DangerSign

REPLIES_FILE = Path(__file__).with_name("safety_replies.toml")
# By the id of a fixed technique: the parts of its reply, in order. Parts in capitals go by the sign.
PARTS_OF_REPLY: dict[str, tuple[str, ...]] = {
    "safety": ("opening", "CONCERN", "HELP", "people", "contact", "question"),
    "safety-stay": ("stay", "stay_help", "people", "contact"),
    "safety-ask": ("ask", "ask_why", "stay_help"),
}


def safety_sentences(
    technique: str, sign: DangerSign, pick: Callable[[Sequence[str]], str]
) -> list[str]:
    """The sentences of a fixed reply.

    Parameters
    ----------
    technique : str
        A key of :data:`PARTS_OF_REPLY`.
    sign : DangerSign
        The latest of the conversation; it gives language, kind and whom it is about.
    pick : callable
        Chooses one of several wordings.
    """
    texts = safety_texts()[sign.language]
    # Whatever was taken, somebody has to call; so an emergency has one wording for everybody.
    about_other = sign.about_other and sign.kind != "emergency"
    by_sign = {
        "CONCERN": texts["concern"][sign.kind],
        "HELP": texts["help_other"] if about_other else texts["help"][sign.kind],
    }
    if about_other and sign.kind == "abuse":
        by_sign["HELP"] = texts["help"]["abuse"]
    return [pick(by_sign[p] if p in by_sign else texts[p]) for p in PARTS_OF_REPLY[technique]]


@cache
def safety_texts() -> dict[str, Any]:
    """All wordings, by language."""
    return tomllib.loads(REPLIES_FILE.read_text(encoding="utf-8"))
