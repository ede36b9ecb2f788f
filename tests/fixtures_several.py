"""Protocols whose pages show several responses, or ask to mark parts of one; for the tests."""

from __future__ import annotations

from pathlib import Path

from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.responses import save_response
from study.store.study import Study, create_study
from tests.fixtures_study import SMALL

_HEAD = """\
instruments:
  - id: several
    title: Several responses
    licence: Apache-2.0
    source: written for the tests
    wording: own
    items:
"""
PAIR_ITEMS = """\
      - {id: clearer, label: Clear, text: Which one is clearer?, kind: pairwise, reasons: true}
      - {id: kinder, label: Kind, text: Which one is kinder?, kind: pairwise}
"""
RANKING_ITEMS = """\
      - {id: order, label: Order, text: Put the responses in order., kind: ranking}
      - {id: loose, label: Loose, text: Order them by kindness., kind: ranking, ties: true, optional: true}
"""
SPAN_ITEMS = """\
      - id: marks
        label: Marks
        text: Which sentences stand out?
        kind: spans
        labels: [{id: harm, label: Harmful advice}, {id: empathy, label: Empathy shown}]
      - id: mood
        label: Mood
        text: Which emotion does it express most?
        kind: choice
        options: [{value: 1, label: Happy}, {value: 2, label: Sad}]
"""
_THIRD = "  - {id: numbat, title: Model Numbat, backend: scripted}\n"
_PRACTICE = "practice: {prompt: I am late., response: That happens."
SEVERAL_NAMES = ("zebrafinch", "quokka", "numbat", "scripted")


def several_protocol(folder: Path, shows: str, *, prompts: int = 2) -> Path:
    """The small protocol with pairs, with all of three responses, or with parts to mark.

    Parameters
    ----------
    shows : str
        ``"pair"`` (two systems), ``"all"`` (three) or ``"response"`` (one system, nothing compared).
    """
    items = {"pair": PAIR_ITEMS, "all": RANKING_ITEMS, "response": SPAN_ITEMS}[shows]
    before, _, rest = SMALL.partition("instruments:\n")
    body = before + _HEAD + items + rest[rest.index("topics:") :]
    body = body[: body.index("analysis:")] + "analysis: {confidence: 0.95}\n"
    body = body.replace("design: {seed: 3}", f"design: {{seed: 3, shows: {shows}}}")
    if shows == "all":
        body = body.replace("groups:\n", _THIRD + "groups:\n")
        body = body.replace(_PRACTICE, f"{_PRACTICE}, further: [Do not worry., Run!]")
    elif shows == "pair":
        body = body.replace(_PRACTICE, f"{_PRACTICE}, further: [Do not worry.]")
    else:
        body = body.replace("  - {id: quokka, title: Model Quokka, backend: scripted}\n", "")
    more = "".join(
        f"  - {{id: p-{i}, topic: work, text: Message number {i}.}}\n"
        for i in range(3, prompts + 1)
    )
    file = folder / f"{shows}.yaml"
    file.write_text(body.replace("systems:\n", f"{more}systems:\n"), encoding="utf-8")
    return file


REPLIES = (
    "That sounds hard to carry. Many people know this feeling about {topic}.\n\n"
    "1. Write down what worries you most.\n2. Talk to a person whom you trust.\n\n"
    "What would help **a little** today?",
    "Thank you for telling me this. You could sleep less and work more! Try to breathe.",
    "I see. Do you want to say more about it?",
)


def served_study(folder: Path, shows: str, *, prompts: int = 3, raters: int = 3) -> Study:
    """A locked study with enrolled raters, for a server of its own."""
    study = create_study(folder / "study", several_protocol(folder, shows, prompts=prompts))
    for prompt in study.protocol.prompts:
        for system, text in zip(study.protocol.systems, REPLIES, strict=False):
            reply = text.format(topic=prompt.topic) + f" I read: {prompt.text}"
            save_response(study, prompt.id, system.id, reply, {"file_sha256": "5b" * 32})
    lock_study(study)
    enrol(study, "student", raters)
    return study
