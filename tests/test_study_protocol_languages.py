"""A protocol in several languages: the texts of each, and what a missing one is told as.

Oracle: texts written here, lines of the file counted here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols import shipped_protocols
from study import participation
from study.cli.group import run
from study.entities import RaterStatus
from study.errors import ProtocolError, StoreError
from study.participation import Step, find_place
from study.protocol import load_protocol, parse_protocol
from study.rehearsal import rehearse
from study.report_view.export import protocol_text, rater_rows
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.raters import choose_language, enrol, find_by_code, read_raters, withdraw
from study.store.study import Study, create_study

MakeStudy = Callable[..., Study]
FILE = shipped_protocols()["four-languages"]
TEXT = FILE.read_text(encoding="utf-8")


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def faults(text: str) -> list[str]:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, "p.yaml")
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def test_each_language_is_an_ordinary_protocol_of_the_same_study() -> None:
    protocol = load_protocol(FILE)
    assert protocol.consent.agree == "I have read this and I take part"
    spanish, arabic = protocol.in_language("es"), protocol.in_language("ar")
    assert spanish.consent.agree == "Lo he leído y participo"
    assert arabic.items[0].text == "يتناول الرد ما كتبه الشخص."
    assert (spanish.language, arabic.language, protocol.language) == ("es", "ar", "en")
    for other in (spanish, arabic, protocol.in_language("de")):
        assert [i.id for i in other.items] == [i.id for i in protocol.items]
        assert [i.scale.values for i in other.instruments] == [
            i.scale.values for i in protocol.instruments
        ]
        assert (other.prompts, other.systems) == (protocol.prompts, protocol.systems)
        assert other.analysis == protocol.analysis
    for same in (None, "en", "fr"):
        assert protocol.in_language(same) is protocol
    # Nothing is left in English where raters read.
    for field in ("title", "text", "agree", "decline", "declined"):
        texts = {getattr(p.consent, field) for p in (protocol, spanish, arabic)}
        assert len(texts) == 3


def test_the_language_that_is_named_first_is_the_reports() -> None:
    german = parse_protocol(TEXT.replace("language: en\n", "language: de\n", 1), "p.yaml")
    assert german.consent.decline == "Ich nehme nicht teil"
    assert german.in_language("en").consent.decline == "I do not take part"


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("    es: No participo\n", "", "consent.decline", "the text in 'es' is missing"),
        ("    es: No participo\n", '    es: ""\n', "consent.decline", "the text in 'es' is missing"),
        ("    es: No participo\n", "    es: No participo\n    fr: Non\n", "consent.decline",
         "the language 'fr' is not declared"),
        ("label: {en: A little, es: Un poco, de: Wenig, ar: قليلًا}", "label: A little",
         "instruments[1].scale.points[2].label", "in one language only"),
        ("- id: understood", "- id: {en: understood, es: understood, de: understood, ar: understood}",
         "instruments[1].items[1].id", "the same in every language"),
        ("languages: [en, es, de, ar]", "languages: [en, en, es, de, ar]", "languages", "each once"),
        ("language: en\n", "language: fr\n", "language", "expected one of the languages"),
        ("languages: [en, es, de, ar]", "languages: [english, es]", "languages[1]", "[a-z]{2}"),
        ('topic: sleep, text: "I lie', 'topic: sleep, text: {en: a, es: b, de: c, ar: d}, label: "I lie',
         "prompts[1].text", "found fields"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_by_file_line_and_field(
    old: str, new: str, field: str, said: str
) -> None:
    assert old in TEXT
    found = faults(TEXT.replace(old, new, 1))
    own = [line for line in found if f", {field}: " in line]
    assert len(own) == 1 and said in own[0], found
    assert own[0].startswith("p.yaml, line ")


def test_the_line_is_that_of_the_text() -> None:
    changed = TEXT.replace("    de: Gracias\n", "").replace("    es: Gracias\n", "", 1)
    (told,) = faults(changed)
    # The field's own line; its texts stand below it.
    wanted = line_of(changed, "debriefing:") + 1
    assert told == f"p.yaml, line {wanted}, debriefing.title: the text in 'es' is missing; add it"


def test_check_refuses_a_language_without_a_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    french = tmp_path / "french.yaml"
    french.write_text(
        TEXT.replace("languages: [en, es, de, ar]", "languages: [en, es, de, fr]").replace(
            " ar:", " fr:"
        ),
        encoding="utf-8",
    )
    for file, code in ((FILE, 0), (french, 2)):
        folder = tmp_path / file.stem
        create_study(folder, file).close()
        assert run(["check", "--study", str(folder)]) == code
    assert "not translated into 'fr'" in capsys.readouterr().err


def test_the_choice_is_kept_exported_and_erased(make_study: MakeStudy, tmp_path: Path) -> None:
    from study.store.locking import lock_study
    from tests.fixtures_study import answer_everything

    study = make_study(locked=False, protocol=FILE)
    answer_everything(study)
    lock = lock_study(study)
    enrolled = enrol(study, "volunteer", 2)
    first = enrolled[0]
    assert find_place(study, first.token).step is Step.LANGUAGE
    with pytest.raises(StoreError, match="Its languages: en, es, de, ar"):
        choose_language(study, first.rater, "fr")
    assert choose_language(study, first.rater, "de")
    assert choose_language(study, first.rater, "ar")
    place = find_place(study, first.token)
    assert (place.step, place.rater.language) == (Step.CONSENT, "ar")
    participation.consent(study, first.rater)
    # After consent it stays: a rater reads one language.
    assert not choose_language(study, first.rater, "en")
    assert [row["language"] for row in rater_rows(Snapshot(study))] == ["ar", "en"]
    assert (
        study.in_language("ar").protocol_sha256 == study.protocol_sha256 == lock.hashes["protocol"]
    )
    withdraw(study, first.rater.code)
    assert find_by_code(study, first.rater.code).language is None
    assert study_faults(study) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_simulated_raters_choose_too(make_study: MakeStudy) -> None:
    from study.store.locking import lock_study
    from tests.fixtures_study import answer_everything

    study = make_study(locked=False, protocol=FILE)
    answer_everything(study)
    lock_study(study)
    assert rehearse(study, 1, 8).answers == 8 * 4 * 3
    people = read_raters(study)
    assert {r.status for r in people} == {RaterStatus.FINISHED}
    assert len({r.language for r in people}) >= 3
    assert json.dumps([row["language"] for row in rater_rows(Snapshot(study))]).count('"') == 16


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_blinded_export_holds_every_language_and_no_system(make_study: MakeStudy) -> None:
    told = protocol_text(Snapshot(make_study(locked=False, protocol=FILE)))
    for text in ("No participo", "Ich nehme nicht teil", "لا أشارك"):
        assert text in told
    assert "reflective-script" not in told and "second-script" not in told
