"""Studies whose pages are hard to lay out: long responses, many of them, right to left."""

from __future__ import annotations

from pathlib import Path

from study import participation
from study.entities import Rater
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, read_raters
from study.store.responses import save_response
from study.store.study import create_study
from tests.conftest import SurveyServer, free_port
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_several import several_protocol

_SENTENCES = {
    "en": "It sounds as if a great deal is resting on you at the moment, and that wears anybody out.",
    "ar": "يبدو أن أمورًا كثيرة تثقل كاهلك في هذه الأيام، وهذا يرهق أي إنسان مهما كان قويًا.",
}
LAST = {"en": "This is the last sentence of it.", "ar": "هذه هي الجملة الأخيرة."}


def long_text(language: str, paragraphs: int) -> str:
    """Paragraphs of equal length, and a last sentence that can be looked for."""
    one = " ".join([_SENTENCES.get(language, _SENTENCES["en"])] * 4)
    return "\n\n".join([*[one] * paragraphs, LAST.get(language, LAST["en"])])


def layout_server(
    folder: Path, shows: str, language: str = "en", *, paragraphs: int = 8, **replaced: str
) -> SurveyServer:
    """A running server of a study whose responses are that long.

    Parameters
    ----------
    shows : str
        ``"kinds"`` for a response with an item of every kind, else as in ``several_protocol``.
    replaced : str
        Text of the protocol -> other text.
    """
    file = every_kind_protocol(folder) if shows == "kinds" else several_protocol(folder, shows)
    text = file.read_text(encoding="utf-8")
    text = text.replace("id: small\n", f"id: small\nlanguage: {language}\n", 1)
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    study = create_study(folder / "study", file)
    for prompt in study.protocol.prompts:
        for number, system in enumerate(study.protocol.systems):
            # Of different lengths: the boxes must fit all the same.
            reply = long_text(language, paragraphs + number) + f" {number}."
            save_response(study, prompt.id, system.id, reply, {"file_sha256": "5b" * 32})
    lock_study(study)
    enrol(study, "student", 24)
    server = SurveyServer(study, free_port(), folder / "server.log")
    server.start()
    return server


def next_rater(server: SurveyServer, *, rating: bool = True) -> Rater:
    """A rater whom no other test uses; ``rating``: about to see the first response."""
    rater = read_raters(server.study)[server.taken]
    server.taken += 1
    if rating:
        participation.consent(server.study, rater)
        participation.save_demographics(server.study, rater, {"gender": "woman"})
        participation.finish_practice(server.study, rater)
    return find_by_code(server.study, rater.code)
