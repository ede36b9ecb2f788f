"""The pages without a browser: sentences, failures of the database, refusals at the start.

Streamlit's own test runner has no cookies, so the one function that reads identity is replaced.
"""

from __future__ import annotations

import re
import socket
import sqlite3
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from study import participation
from study.entities import Rater, RaterStatus
from study.errors import EvenhandError, LockError, ProtocolError, StoreError
from study.protocol import Item, load_protocol
from study.store.raters import find_by_code, link_secret, read_raters
from study.store.ratings import read_ratings
from survey_app import identity
from survey_app.drawing.rating_card import Card
from survey_app.messages import available_languages, load_messages
from survey_app.server.documents import shell
from survey_app.server.serving import ServingError, serve
from survey_app.server.settings import STUDY_VARIABLE
from survey_app.server.study_in_force import close_study, study_in_force
from tests.fixtures_item_kinds import every_kind_protocol

if TYPE_CHECKING:
    from study.store.study import Study

APP = Path(__file__).parents[1] / "survey_app"


@pytest.fixture
def served(small_study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    monkeypatch.setenv(STUDY_VARIABLE, str(small_study.folder))
    close_study()
    yield small_study
    close_study()


@pytest.fixture
def open_page(served: Study, monkeypatch: pytest.MonkeyPatch) -> Callable[[Rater | None], AppTest]:
    def open_one(rater: Rater | None) -> AppTest:
        token = None if rater is None else link_secret(served, rater)
        monkeypatch.setattr(identity, "rater_token", lambda: token)
        return AppTest.from_file(str(APP / "main.py"), default_timeout=90).run()

    return open_one


def texts(page: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in page.get("html"))


def rating_rater(study: Study) -> Rater:
    rater = read_raters(study)[0]
    participation.consent(study, rater)
    about = {"gender": "man", "experience": "never"}
    participation.save_demographics(study, rater, about)
    participation.finish_practice(study, rater)
    return find_by_code(study, rater.code)


def answer(page: AppTest, point: int) -> AppTest:
    for group in page.segmented_control:
        group.select(point)
    return page.button[0].click().run()


def rename_table(study: Study, old: str, new: str) -> None:
    database = sqlite3.connect(study.folder / "study.db")
    database.execute("PRAGMA legacy_alter_table=ON")
    database.execute(f"ALTER TABLE {old} RENAME TO {new}")
    database.commit()
    database.close()


def test_the_steps_in_their_order(
    served: Study, open_page: Callable[[Rater | None], AppTest]
) -> None:
    rater = read_raters(served)[1]
    page = open_page(rater)
    assert "Before you start" in texts(page)
    page.button[0].click().run()
    assert "About you" in texts(page)
    page.radio[0].set_value("man")
    page.radio[1].set_value("never")
    page.button[0].click().run()
    assert "What you will do" in texts(page)
    answer(page, 4)
    assert "Response 1 of 6" in texts(page)
    for position in range(1, 7):
        answer(page, 1 + position % 5)
    assert "All 6 responses are rated and saved" in texts(page)
    assert find_by_code(served, rater.code).status is RaterStatus.FINISHED
    assert len(read_ratings(served)) == 48


def test_without_a_link_the_page_asks_for_one(open_page: Callable[[Rater | None], AppTest]) -> None:
    assert "Please open your own link" in texts(open_page(None))


def test_a_database_that_refuses_the_answers_keeps_them_on_the_page(
    served: Study, open_page: Callable[[Rater | None], AppTest]
) -> None:
    # Real failures: the table of the answers, then that of the raters, is away for a moment.
    page = open_page(rating_rater(served))
    rename_table(served, "rating", "rating_away")
    answer(page, 2)
    assert "could not be saved just now" in texts(page)
    assert [group.value for group in page.segmented_control] == [2] * 8
    rename_table(served, "rating_away", "rating")
    rename_table(served, "rater", "rater_away")
    page.button[0].click().run()
    assert "could not be saved just now" in texts(page)
    assert [group.value for group in page.segmented_control] == [2] * 8
    rename_table(served, "rater_away", "rater")
    page.button[0].click().run()
    assert "Saved: 1 of 6" in texts(page)
    assert [rating.answer.value for rating in read_ratings(served)] == [2] * 8


def test_a_failure_shows_a_sentence_and_no_details(
    served: Study, caplog: pytest.LogCaptureFixture
) -> None:
    def script() -> None:
        from survey_app.routing import show_failure

        show_failure(ValueError("inner detail"))

    page = AppTest.from_function(script).run()
    assert "Nothing that you saved is lost" in texts(page)
    assert "inner detail" not in texts(page)
    assert "inner detail" in caplog.text


def test_simulated_raters_mark_the_page(
    tmp_path: Path, make_small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_small_study(tmp_path / "s", raters=1, simulated=1)
    monkeypatch.setenv(STUDY_VARIABLE, str(study.folder))
    monkeypatch.setattr(identity, "rater_token", lambda: None)
    close_study()
    page = AppTest.from_file(str(APP / "main.py"), default_timeout=90).run()
    assert "Simulated data - not a real study" not in texts(page)
    secret = link_secret(study, next(r for r in read_raters(study) if not r.simulated))
    monkeypatch.setattr(identity, "rater_token", lambda: secret)
    assert "Simulated data - not a real study" in texts(page.run())
    close_study()
    study.close()


def test_an_unlocked_or_changed_study_is_not_served(
    served: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = sqlite3.connect(served.folder / "study.db")
    database.execute("UPDATE response SET text = 'changed' WHERE rowid = 1")
    database.commit()
    with pytest.raises(LockError, match="responses differs from what was locked"):
        study_in_force()
    database.execute("UPDATE study SET locked_at = NULL, locked_protocol = NULL")
    database.commit()
    database.close()
    with pytest.raises(LockError, match="evenhand lock"):
        study_in_force()
    monkeypatch.setenv(STUDY_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match="no study in"):
        study_in_force()
    monkeypatch.delenv(STUDY_VARIABLE)
    with pytest.raises(StoreError, match="EVENHAND_STUDY is not set"):
        study_in_force()


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 99_999, "There is no port 99999"),
        ("203.0.113.7", 8501, "cannot listen on '203.0.113.7'"),
        ("no-such-host.invalid", 8501, "cannot listen on"),
    ],
)
def test_a_wrong_address_is_a_sentence(tmp_path: Path, host: str, port: int, message: str) -> None:
    # 203.0.113.0/24 is kept for documentation (RFC 5737): no machine has it.
    with pytest.raises(ServingError, match=re.escape(message)) as refused:
        serve(tmp_path, host, port)
    assert isinstance(refused.value, EvenhandError)


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServingError, match=f"Port {port} on 127.0.0.1 is already in use"):
            serve(tmp_path, "127.0.0.1", port)


def test_every_sentence_is_used_and_every_used_sentence_exists() -> None:
    # Oracle: the keys written in the code against the keys of each catalogue.
    code = "\n".join(path.read_text() for path in APP.rglob("*.py"))
    quoted = set(re.findall(r"""["']([a-z]+\.[a-z_]+)["']""", code))
    used = {key for key in quoted if not key.endswith((".css", ".js"))}
    families = ("status.", "coordinator.column_", "coordinator.minutes", "coordinator.hours")
    for language in available_languages():
        keys = set(load_messages(language).sentences)
        sections = {key.split(".")[0] for key in keys}
        assert {key for key in used if key.split(".")[0] in sections} <= keys
        assert {key for key in keys - used if not key.startswith(families)} == set()
        assert {f"status.{status.value}" for status in RaterStatus} <= keys


def test_an_item_has_the_same_keys_in_every_order_and_none_has_anothers(tmp_path: Path) -> None:
    """A draft and a saved answer find their item by these keys; each rater has another order."""
    protocol = load_protocol(every_kind_protocol(tmp_path))
    items = protocol.items

    def keys(order: Sequence[Item]) -> dict[str, str]:
        card = Card("f00dfeed99", protocol, load_messages("en"), order)
        return {item_id: widget.key for item_id, widget in card.widgets.items()}

    own = keys(items)
    assert len(set(own.values())) == len(items) > 1
    assert keys(items[::-1]) == own
    # Were some of them not asked, the others would keep theirs.
    assert keys(items[2:]) == {item.id: own[item.id] for item in items[2:]}


def test_catalogues_have_the_same_places() -> None:
    def places(sentence: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}

    english = load_messages("en").sentences
    for language in available_languages():
        other = load_messages(language).sentences
        assert {k: places(s) for k, s in other.items()} == {
            k: places(s) for k, s in english.items()
        }


def test_a_language_without_catalogue_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"not translated into 'xx' yet.*en"):
        load_messages("xx")


def test_the_start_document_speaks_the_studys_language() -> None:
    page = shell("en")
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert '<html lang="en" dir="ltr">' in page
    # No inline script is left, which the content security policy would refuse.
    assert re.findall(r"<script(?![^>]*src=)[^>]*>", page) == []
    assert "Streamlit" not in re.sub(r'(href|src)="[^"]*"', "", page)


def test_the_last_page_is_not_shown_to_another_rater(
    served: Study, open_page: Callable[[Rater | None], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(rating_rater(served))
    other = link_secret(served, read_raters(served)[2])
    monkeypatch.setattr(identity, "rater_token", lambda: other)
    rename_table(served, "rater", "rater_away")
    page.run()
    assert "Response 1 of 6" not in texts(page)
    assert "cannot be shown right now" in texts(page)
