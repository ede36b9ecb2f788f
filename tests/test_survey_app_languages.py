"""Languages of the pages: complete catalogues, and Arabic from right to left in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from study import participation
from study.cli.group import run
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, read_raters
from study.store.study import create_study
from survey_app import messages
from survey_app.messages import available_languages, catalogue_faults, load_messages
from tests.conftest import ROOT, RaterPage, SurveyServer, free_port, wait_until_settled
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answer_everything, small_protocol


def test_the_four_languages_have_the_same_sentences_with_the_same_places() -> None:
    assert available_languages() == ("ar", "de", "en", "es")
    english = load_messages("en")
    for language in available_languages():
        words = load_messages(language)
        assert catalogue_faults(english.sentences, words.sentences) == []
        assert words.direction == ("rtl" if language == "ar" else "ltr")


def test_every_sentence_is_translated() -> None:
    """A sentence that was copied from English would be the same; these few are the same word."""
    same = {
        "de": {"card.optional", "coordinator.column_code", "coordinator.column_status"},
        "es": set(),
        "ar": set(),
    }
    english = load_messages("en").sentences
    for language, allowed in same.items():
        words = load_messages(language).sentences
        assert {k for k in english if words[k] == english[k]} <= allowed | {"card.no"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a.b": "Noch {number}"}, "'a.c' is missing"),
        ({"a.b": "Noch", "a.c": "x"}, "places [], expected ['number']"),
        ({"a.b": "Noch {zahl}", "a.c": "x"}, "places ['zahl'], expected ['number']"),
        ({"a.b": "Noch {number}", "a.c": ""}, "'a.c' is missing"),
        ({"a.b": "Noch {number}", "a.c": "x", "a.d": "y"}, "'a.d' is not in English"),
    ],
)
def test_an_incomplete_catalogue_is_found(found: dict[str, str], said: str) -> None:
    faults = catalogue_faults({"a.b": "Open: {number}", "a.c": "Go"}, found)
    assert len(faults) == 1 and said in faults[0]


def test_check_refuses_a_language_without_or_with_half_a_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one sentence: the user's mistake."""
    file = small_protocol(tmp_path)
    file.write_text(file.read_text().replace("id: small\n", "id: small\nlanguage: fr\n", 1))
    create_study(tmp_path / "study", file).close()
    arguments = ["check", "--study", str(tmp_path / "study")]
    assert run(arguments) == 2
    assert "'fr' yet" in capsys.readouterr().err

    catalogues = tmp_path / "catalogues"
    catalogues.mkdir()
    english = (ROOT / "survey_app" / "catalogues" / "en.yaml").read_text(encoding="utf-8")
    (catalogues / "en.yaml").write_text(english, encoding="utf-8")
    half = english.replace("  unsure: Not sure\n", "")
    (catalogues / "fr.yaml").write_text(half, encoding="utf-8")
    monkeypatch.setattr(messages, "_CATALOGUES", catalogues)
    load_messages.cache_clear()
    try:
        assert run(arguments) == 2
    finally:
        load_messages.cache_clear()
    said = capsys.readouterr().err
    assert "fr.yaml is not complete" in said and "'card.unsure'" in said


ARABIC = {
    "How warm is it?": "ما مدى دفء هذا الرد؟",
    "How muddled is it?": "ما مدى تشوش هذا الرد؟",
    "Its tone is": "نبرة الرد",
    "low: cold, high: kind": "low: باردة, high: لطيفة",
    "Is there medical advice?": "هل فيه نصيحة طبية؟",
    "What does it mainly do?": "ماذا يفعل أساسًا؟",
    "It listens": "يصغي",
    "It advises": "ينصح",
    "Anything else?": "هل من شيء آخر؟",
    "Not at all": "أبدًا",
    "Very much": "كثيرًا جدًا",
    "Completely": "تمامًا",
    "Would one feel heard?": "هل يشعر المرء بأنه مسموع؟",
    "Would one feel safe?": "هل يشعر المرء بالأمان؟",
    "Would one feel free?": "هل يشعر المرء بالحرية؟",
    "I cannot sleep.": "لا أستطيع النوم.",
    "I worry about work.": "يقلقني العمل.",
}


@pytest.fixture(scope="module")
def arabic_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SurveyServer]:
    folder = tmp_path_factory.mktemp("arabic")
    file = every_kind_protocol(folder)
    text = file.read_text(encoding="utf-8").replace("id: small\n", "id: small\nlanguage: ar\n", 1)
    for english, arabic in ARABIC.items():
        text = text.replace(english, arabic)
    file.write_text(text, encoding="utf-8")
    study = create_study(folder / "study", file)
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 1)
    served = SurveyServer(study, free_port(), folder / "server.log")
    served.start()
    yield served
    served.stop()
    study.close()


@pytest.mark.browser
def test_arabic_runs_from_right_to_left(
    arabic_server: SurveyServer, open_tablet: Callable[..., RaterPage]
) -> None:
    """Oracle: the boxes. The first point lies right of the last; nothing sticks out sideways."""
    study = arabic_server.study
    (rater,) = read_raters(study)
    participation.consent(study, rater)
    participation.save_demographics(study, rater, {"gender": "woman"})
    participation.finish_practice(study, rater)
    for width, height in ((820, 1180), (360, 740)):
        page = open_tablet(arabic_server.link(find_by_code(study, rater.code)), width, height).page
        page.locator("[data-testid=stSlider]").nth(2).wait_for()
        expect(page.locator("html")).to_have_attribute("lang", "ar")
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        points = page.get_by_role("radiogroup").nth(1).get_by_role("radio")
        first, last = points.first.bounding_box(), points.last.bounding_box()
        assert first is not None and last is not None and first["x"] > last["x"]
        # The outer corners of both ends are round, and no corner between two points.
        round_corners = points.evaluate_all("all => all.map(e => getComputedStyle(e).borderRadius)")
        assert round_corners == ["0px 8px 8px 0px", *["0px"] * 5, "8px 0px 0px 8px"]
        narrow = "document.documentElement.scrollWidth <= window.innerWidth"
        page.wait_for_function(narrow)
        page.get_by_role("button", name="حفظ ومتابعة").wait_for()
        wait_until_settled(page)
        # on purpose: nothing is drawn any more
        assert "Save" not in page.inner_text("body")
        if os.environ.get("EVENHAND_SCREENS") == "1" and width == 820:
            target = ROOT / "docs" / "screens" / "12-arabic-820x1180.png"
            page.screenshot(path=target, animations="disabled")
            page.locator("[data-testid=stMain]").evaluate("e => e.scrollTop = 1e6")
            page.screenshot(path=target.with_name("12-arabic-sliders-820x1180.png"))
