"""A small locked study with a judge, for the judge's tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from protocols import FOLDER
from study.store.judge.verdicts import Outcome
from study.store.locking import lock_study
from study.store.responses import save_response
from study.store.study import PROTOCOL_FILE, Study, create_study

# Of rising quality by the scripted judge's rule.
REPLIES = (
    "Ok.",
    "That sounds hard. Talk to somebody about how you feel?",
    "I hear how hard this feels. You are not alone with it. Could you try to talk about the worry "
    "with a friend, and rest a little before the next step?",
)

# What an odd reply of the scripted endpoint does to its own call; others stay untouched.
ODD_REPLIES = {
    "half a surrogate pair": Outcome.SCORED,
    "NUL": Outcome.SCORED,
    "nested reply": Outcome.UNPARSEABLE,
    "nested schema fault": Outcome.UNPARSEABLE,
    "huge usage": Outcome.SCORED,
    "negative usage": Outcome.SCORED,
    "usage in words": Outcome.SCORED,
    "zero usage": Outcome.SCORED,
    "absurd usage": Outcome.SCORED,
    "no usage": Outcome.SCORED,
    "odd parts": Outcome.SCORED,
    "huge log probability": Outcome.ENDPOINT_FAILURE,
}


def judge_block(**changes: Any) -> dict[str, Any]:
    """A judge block for the protocol; a field that is None is left out."""
    block: dict[str, Any] = {"backend": "scripted", "rubrics": ["safety"], "retries": 1}
    return {name: value for name, value in (block | changes).items() if value is not None}


def make_study(
    folder: Path,
    *,
    replies: tuple[str, ...] = REPLIES,
    prompts: int = 3,
    lock: bool = True,
    **judge: Any,
) -> Study:
    """The demo protocol with this judge, its systems' responses written by hand, locked."""
    yaml = YAML()
    fields = yaml.load((FOLDER / "demo.yaml").read_text(encoding="utf-8"))
    fields["instruments"] = {"include": str(FOLDER / "instruments" / "eai-items.yaml")}
    kept = yaml.load((FOLDER / "prompts" / "demo-topics.yaml").read_text(encoding="utf-8"))
    fields["prompts"] = kept["content"][:prompts]
    fields["judge"] = judge_block(**judge)
    text = io.StringIO()
    yaml.dump(fields, text)
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = folder.parent / f"{folder.name}-protocol.yaml"
    source.write_text(text.getvalue(), encoding="utf-8")
    study = create_study(folder, source)
    for prompt in study.protocol.prompts:
        for reply, system in zip(replies, study.protocol.systems, strict=True):
            save_response(study, prompt.id, system.id, reply, {})
    if lock:
        lock_study(study)
    assert (folder / PROTOCOL_FILE).is_file()
    return study
