"""The store on SQLite and PostgreSQL: what is acknowledged is there, once, and tampering is found."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, delete, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from study import participation
from study.entities import Answer, MissingReason, RaterStatus
from study.errors import Finding, ImportFileError, LinkError, LockError, RatingError, StoreError
from study.store import events, tables
from study.store.audit import study_faults
from study.store.database import database_url, migrate, open_engine
from study.store.locking import lock_faults, lock_study, read_lock, unblind_study, unblinded_at
from study.store.raters import enrol, find_by_token, mark_simulated, read_raters, withdraw
from study.store.ratings import (
    mark_shown,
    next_assignment,
    read_assignments,
    read_ratings,
    revise_ratings,
    save_ratings,
)
from study.store.responses import delete_responses, read_responses, save_response
from study.store.study import Study, create_study, open_study, restore_locked_protocol
from tests.fixtures_study import (
    answers,
    as_answers,
    as_given,
    drop_tables,
    ready_rater,
    small_protocol,
)

ROOT = Path(__file__).parent.parent
MakeStudy = Callable[..., Study]
only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def first_assignment(study: Study, rater: object) -> str:
    """Id of the response that this rater has to rate next."""
    assignment = next_assignment(study, rater)  # type: ignore[arg-type]
    assert assignment is not None
    return assignment.id


def log_kinds(study: Study) -> list[str]:
    with study.reading() as connection:
        return [event.kind for event in events.read(connection)]


RATING_COLUMNS = ("item_id", "value", "missing_reason", "text", "place")
OLD_RATINGS = (
    "INSERT INTO rater (id, code, group_id, slot, simulated, enrolled_at) "
    "VALUES ('r', 'c', 'g', 0, false, 't')",
    "INSERT INTO response (id, prompt_id, system_id, text, provenance, created_at, imported) "
    "VALUES ('x', 'p', 's', 'words', '{}', 't', false)",
    "INSERT INTO assignment (id, rater_id, response_id, position, label) "
    "VALUES ('a', 'r', 'x', 1, 'K')",
    "INSERT INTO rating (assignment_id, item_id, value, revision, saved_at) "
    "VALUES ('a', 'kind', 4, 1, 't')",
    "INSERT INTO rating (assignment_id, item_id, missing_reason, revision, saved_at) "
    "VALUES ('a', 'clear', 'skipped', 1, 't')",
)


class TestSchema:
    @pytest.mark.parametrize("start", ["blank", "0001"])
    def test_migrated_schema_is_that_of_the_tables(
        self, store_url: str, start: str, tmp_path: Path
    ) -> None:
        """Alembic's own comparison of the database with the metadata finds no difference."""
        (tmp_path / "study").mkdir()
        drop_tables(store_url)
        engine = open_engine(store_url)
        try:
            if start != "blank":
                migrate(engine, start)
            migrate(engine)
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"compare_type": True})
                assert compare_metadata(context, tables.metadata) == []
            assert set(inspect(engine).get_table_names()) == {
                *tables.metadata.tables,
                "alembic_version",
            }
        finally:
            engine.dispose()

    def test_migration_from_the_first_schema_keeps_the_data(
        self, store_url: str, tmp_path: Path
    ) -> None:
        (tmp_path / "study").mkdir()
        drop_tables(store_url)
        engine = open_engine(store_url)
        try:
            migrate(engine, "0001")
            with engine.begin() as connection:
                values = {
                    "id": 1,
                    "fingerprint": "f",
                    "created_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                }
                connection.execute(tables.study.insert().values(values))
                for statement in OLD_RATINGS:
                    connection.execute(text(statement))
            migrate(engine)
            with engine.connect() as connection:
                assert connection.execute(select(tables.study.c.fingerprint)).scalar_one() == "f"
                found = connection.execute(text("SELECT * FROM rating ORDER BY id")).mappings()
                kept = [tuple(row[name] for name in RATING_COLUMNS) for row in found]
            assert kept == [("kind", 4, None, None, None), ("clear", None, "skipped", None, None)]
            with engine.connect() as connection:
                assert connection.execute(select(tables.assignment.c.response_id)).all() == [("x",)]
            with engine.begin() as connection, pytest.raises(IntegrityError):
                # References are followed after the copy of the table as before it.
                connection.execute(delete(tables.assignment))
            self._exactly_one_of_three(engine)
        finally:
            engine.dispose()

    def _exactly_one_of_three(self, engine: Engine) -> None:
        """Value, text or reason; each pair, none and all three are refused, on every database."""
        row = (
            "INSERT INTO rating (assignment_id, item_id, revision, saved_at, value, text, "
            "missing_reason) VALUES ('a', :item, 1, 't', :value, :text, :reason)"
        )
        for number, present in enumerate(itertools.product((False, True), repeat=3)):
            given = dict(zip(("value", "text", "reason"), present, strict=True))
            values = {"value": 3, "text": "so", "reason": "skipped"}
            row_values = {k: values[k] if there else None for k, there in given.items()}
            refused = sum(present) != 1
            with (
                pytest.raises(IntegrityError) if refused else contextlib.nullcontext(),
                engine.begin() as connection,
            ):
                connection.execute(text(row), {"item": f"i{number}", **row_values})
        with engine.begin() as connection, pytest.raises(IntegrityError):
            # One answer per assignment and item, as before.
            connection.execute(
                text(row), {"item": "kind", "value": 1, "text": None, "reason": None}
            )

    def test_a_database_of_a_newer_version_is_refused(self, make_study: MakeStudy) -> None:
        study = make_study()
        with study.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match=r"9999.*newer version"):
            open_study(study.folder)


class TestFolder:
    def test_opening_gives_what_was_created(self, locked: Study) -> None:
        again = open_study(locked.folder)
        assert (again.protocol, again.key) == (locked.protocol, locked.key)
        again.close()

    def test_a_folder_is_never_overwritten(self, locked: Study, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="already holds a study"):
            create_study(locked.folder, tmp_path / "small.yaml")

    def test_no_study(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"no study in .* \(no study\.yaml\)"):
            open_study(tmp_path)

    @only_sqlite
    @pytest.mark.parametrize("content", ["", "zz", "ab" * 31, "ab" * 33])
    def test_a_damaged_key(self, locked: Study, content: str) -> None:
        (locked.folder / "study.key").write_text(content)
        study = open_study(locked.folder)
        with pytest.raises(StoreError, match="damaged"):
            _ = study.key
        study.close()

    @only_sqlite
    def test_a_missing_key(self, locked: Study) -> None:
        (locked.folder / "study.key").unlink()
        study = open_study(locked.folder)
        with pytest.raises(StoreError, match=r"study\.key is missing"):
            _ = study.key
        study.close()

    def test_another_studys_key(self, locked: Study) -> None:
        (locked.folder / "study.key").write_text("ab" * 32)
        with pytest.raises(StoreError, match="another study"):
            open_study(locked.folder)

    @only_sqlite
    def test_a_missing_database_is_not_replaced_by_an_empty_one(self, locked: Study) -> None:
        locked.close()
        for file in locked.folder.glob("study.db*"):
            file.unlink()
        with pytest.raises(StoreError, match=r"study\.db is missing"):
            open_study(locked.folder)
        assert not (locked.folder / "study.db").exists()

    @only_sqlite
    @pytest.mark.parametrize("damage", [b"not a database at all" * 400, None])
    def test_a_damaged_database(self, locked: Study, damage: bytes | None) -> None:
        locked.close()
        file = locked.folder / "study.db"
        file.write_bytes(damage or file.read_bytes()[:5000])
        with pytest.raises(StoreError, match="database"):
            open_study(locked.folder)

    @pytest.mark.postgres
    @pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
    def test_two_studies_cannot_share_a_database(self, locked: Study, tmp_path: Path) -> None:
        other = tmp_path / "other"
        with pytest.raises(StoreError, match="another study"):
            create_study(other, tmp_path / "small.yaml")
        assert not (other / "study.yaml").exists()  # so the next try is not refused
        assert not (other / "study.key").exists()

    def test_a_server_that_does_not_answer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EVENHAND_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
        with pytest.raises(StoreError, match="cannot be opened"):
            create_study(tmp_path / "s", small_protocol(tmp_path))

    @pytest.mark.parametrize("url", ["nonsense", "nosuch://x"])
    def test_an_address_that_is_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        monkeypatch.setenv("EVENHAND_DATABASE_URL", url)
        with pytest.raises(StoreError, match="EVENHAND_DATABASE_URL"):
            create_study(tmp_path / "s", small_protocol(tmp_path))

    def test_a_bad_protocol_leaves_nothing_behind(self, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("id: 5")
        with pytest.raises(Exception, match="problems"):
            create_study(tmp_path / "s", file)
        assert not (tmp_path / "s").exists()


class TestResponses:
    def test_a_response_is_saved_once(self, make_study: MakeStudy) -> None:
        study = make_study(locked=False)
        assert save_response(study, "p-work", "quokka", "First", {"seed": 1})
        assert not save_response(study, "p-work", "quokka", "Second", {})
        assert [(r.text, r.provenance) for r in read_responses(study)] == [("First", {"seed": 1})]

    @pytest.mark.parametrize(
        ("prompt", "system", "words", "said"),
        [
            ("p-none", "quokka", "x", "no prompt 'p-none'"),
            ("p-work", "emu", "x", "no system 'emu'"),
            ("p-work", "quokka", " \n", "is empty"),
            ("p-work", "quokka", "a\x00b", "NUL"),
        ],
    )
    @only_sqlite
    def test_what_does_not_fit_is_refused(
        self, make_study: MakeStudy, prompt: str, system: str, words: str, said: str
    ) -> None:
        study = make_study(locked=False)
        with pytest.raises(ImportFileError, match=said):
            save_response(study, prompt, system, words, {})
        assert read_responses(study) == []

    def test_simultaneous_saves_make_one_row(self, make_study: MakeStudy) -> None:
        study = make_study(locked=False)
        with ThreadPoolExecutor(8) as pool:
            saved = list(
                pool.map(lambda i: save_response(study, "p-work", "quokka", f"t{i}", {}), range(8))
            )
        assert sum(saved) == 1
        assert len(read_responses(study)) == 1
        assert study_faults(study) == []


class TestLock:
    def test_incomplete_responses_are_refused_by_name(self, make_study: MakeStudy) -> None:
        study = make_study(locked=False)
        with pytest.raises(Finding, match="none of the 4 responses"):
            lock_study(study)
        save_response(study, "p-work", "quokka", "x", {})
        with pytest.raises(
            Finding, match="no response of 'zebrafinch' to 2 prompts: 'p-sleep', 'p-work'"
        ):
            lock_study(study)
        assert read_lock(study) is None

    def test_a_reworded_prompt_is_found(self, make_study: MakeStudy) -> None:
        study = make_study(locked=False)
        save_response(study, "p-work", "quokka", "x", {"prompt_sha256": "0" * 64})
        with pytest.raises(Finding, match="'p-work' was reworded"):
            lock_study(study)

    def test_nothing_changes_after_the_lock(self, locked: Study) -> None:
        for change in (
            lambda: save_response(locked, "p-work", "quokka", "x", {}),
            lambda: delete_responses(locked),
        ):
            with pytest.raises(LockError, match="locked"):
                change()
        assert lock_study(locked) == read_lock(locked)
        assert log_kinds(locked).count("locked") == 1

    def test_raters_need_a_lock(self, make_study: MakeStudy) -> None:
        with pytest.raises(LockError, match="evenhand lock"):
            enrol(make_study(locked=False), "student", 1)

    def test_a_changed_protocol_is_refused_and_can_be_put_back(self, locked: Study) -> None:
        file = locked.folder / "study.yaml"
        before = file.read_text()
        file.write_text(before.replace("seed: 3", "seed: 4"))
        with pytest.raises(LockError, match="evenhand lock --restore"):
            open_study(locked.folder)
        kept = restore_locked_protocol(locked.folder)
        assert file.read_text() == before
        assert "seed: 4" in kept.read_text()
        open_study(locked.folder).close()

    @pytest.mark.parametrize("column", ["text", "provenance"])
    def test_a_changed_response_is_found(self, locked: Study, column: str) -> None:
        with locked.writing() as connection:
            connection.execute(update(tables.response).values({column: '{"changed": 1}'}))
        assert [fault for fault in lock_faults(locked) if "responses differs" in fault]

    def test_an_open_study_has_no_lock_faults(self, make_study: MakeStudy) -> None:
        assert lock_faults(make_study(locked=False)) == []

    def test_unblinding_needs_two_people_and_is_logged(self, locked: Study) -> None:
        for pair in (("Ann", " ann "), ("Ann  Bo", "ann bo"), ("Ann", ""), (" ", "Bo")):
            with pytest.raises(StoreError, match="two"):
                unblind_study(locked, *pair)
        assert unblinded_at(locked) is None
        at = unblind_study(locked, "Ann", "Bo")
        assert unblind_study(locked, "Cy", "Di") == at == unblinded_at(locked)
        assert log_kinds(locked)[-2:] == ["unblinded", "unblinded"]

    def test_an_open_study_cannot_be_unblinded(self, make_study: MakeStudy) -> None:
        with pytest.raises(LockError, match="not locked"):
            unblind_study(make_study(locked=False), "Ann", "Bo")


class TestEnrolment:
    def test_slots_are_taken_in_turn_also_when_two_people_enrol_at_once(
        self, locked: Study
    ) -> None:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: enrol(locked, "student", 3), range(6)))
        assert [r.slot for r in read_raters(locked)] == list(range(18))
        assert study_faults(locked) == []

    @pytest.mark.parametrize(("group", "n"), [("nobody", 1), ("student", 0), ("student", 10_001)])
    def test_what_cannot_be(self, locked: Study, group: str, n: int) -> None:
        with pytest.raises(StoreError):
            enrol(locked, group, n)
        assert read_raters(locked) == []

    def test_an_unknown_link(self, locked: Study) -> None:
        for token in ("", "nothing", "\udcff", "a" * 10_000, "'; DROP TABLE rater; --"):
            with pytest.raises(LinkError, match="not valid"):
                find_by_token(locked, token)


class TestRatings:
    def test_answers_are_saved_once(self, locked: Study) -> None:
        rater = ready_rater(locked).rater
        assignment = first_assignment(locked, rater)
        assert save_ratings(locked, rater, assignment, answers(locked, 2))
        assert not save_ratings(locked, rater, assignment, answers(locked, 5))
        assert [r.answer.number for r in read_ratings(locked)] == [2, 2, 2]
        assert study_faults(locked) == []

    @pytest.mark.parametrize("column", [{"assignment_id", "item_id"}])
    def test_uniqueness_lives_in_the_database(self, locked: Study, column: set[str]) -> None:
        unique = inspect(locked.engine).get_unique_constraints("rating")
        assert column in [set(constraint["column_names"]) for constraint in unique]

    def test_simultaneous_submissions_make_one(self, locked: Study) -> None:
        """Sixteen threads on one response, as from a nervous finger in two tabs."""
        rater = ready_rater(locked).rater
        assignment = first_assignment(locked, rater)
        points = [1 + i % 5 for i in range(16)]
        with ThreadPoolExecutor(16) as pool:
            won = list(
                pool.map(
                    lambda p: save_ratings(locked, rater, assignment, answers(locked, p)), points
                )
            )
        assert sum(won) == 1
        assert [r.answer.number for r in read_ratings(locked)] == [points[won.index(True)]] * 3
        assert log_kinds(locked).count("ratings_saved") == 1
        assert study_faults(locked) == []

    def test_many_raters_at_once_leave_a_whole_chain(self, locked: Study) -> None:
        """Eight raters, a withdrawal, an enrolment and a rehearsal's marking, all at the same time."""
        raters = [ready_rater(locked).rater for _ in range(8)]

        def rate(rater: object) -> int:
            done = 0
            while (assignment := next_assignment(locked, rater)) is not None:  # type: ignore[arg-type]
                mark_shown(locked, assignment.id)
                try:
                    done += participation.submit(locked, rater, assignment.id, answers(locked))  # type: ignore[arg-type]
                except RatingError:
                    return 0  # withdrawn in between
            return done

        with ThreadPoolExecutor(11) as pool:
            work = [pool.submit(rate, rater) for rater in raters]
            pool.submit(withdraw, locked, raters[0].code).result()
            pool.submit(enrol, locked, "student", 2).result()
            pool.submit(mark_simulated, locked).result()
            done = [job.result() for job in work]
        assert done[1:] == [4] * 7
        assert len(read_ratings(locked)) == 7 * 4 * 3
        assert study_faults(locked) == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"clear": 6}, "not a point of the scale of 'Clear'"),
            ({"clear": 0}, "expected one of 1, 2, 3, 4, 5"),
            ({"clear": True}, "True is not a point"),
            ({"clear": 2.5}, "2.5 is not a point"),
            ({"nothing": 1}, "no item 'nothing'"),
        ],
    )
    def test_an_answer_that_does_not_fit_changes_nothing(
        self, locked: Study, change: dict[str, int], said: str
    ) -> None:
        rater = ready_rater(locked).rater
        with pytest.raises(RatingError, match=said):
            save_ratings(
                locked, rater, first_assignment(locked, rater), answers(locked) | as_answers(change)
            )
        assert read_ratings(locked) == []

    def test_an_open_question_is_named(self, locked: Study) -> None:
        rater = ready_rater(locked).rater
        with pytest.raises(RatingError, match=r"How kind is it\?"):
            given = as_answers({"clear": 1, "useful": 1})
            save_ratings(locked, rater, first_assignment(locked, rater), given)

    def test_a_missing_answer_keeps_its_reason(self, locked: Study) -> None:
        rater = ready_rater(locked).rater
        given = {**answers(locked), "kind": Answer(missing=MissingReason.SKIPPED)}
        assert save_ratings(locked, rater, first_assignment(locked, rater), given)
        kept = {r.item_id: as_given(r.answer) for r in read_ratings(locked)}
        assert kept["kind"] == "skipped"
        assert study_faults(locked) == []

    def test_nobody_rates_for_another(self, locked: Study) -> None:
        rater, other = ready_rater(locked).rater, ready_rater(locked).rater
        with pytest.raises(RatingError, match="does not belong to this link"):
            save_ratings(locked, other, first_assignment(locked, rater), answers(locked))

    def test_a_correction_is_a_revision_and_the_log_keeps_both(self, locked: Study) -> None:
        rater = ready_rater(locked).rater
        assignment = first_assignment(locked, rater)
        with pytest.raises(RatingError, match="no saved answers"):
            revise_ratings(locked, rater, assignment, as_answers({"kind": 5}))
        save_ratings(locked, rater, assignment, answers(locked, 2))
        assert revise_ratings(locked, rater, assignment, as_answers({"kind": 5, "clear": 2})) == 1
        kept = {r.item_id: (r.answer.value, r.revision) for r in read_ratings(locked)}
        assert kept == {"clear": (2, 1), "kind": (5, 2), "useful": (2, 1)}
        with locked.reading() as connection:
            said = [
                e.payload["answers"]
                for e in events.read(connection)
                if e.payload and "answers" in e.payload
            ]
        assert said == [{"clear": 2, "kind": 2, "useful": 2}, {"kind": 5}]
        assert study_faults(locked) == []


class TestTampering:
    """Whoever can write to the database, but does not have the key, is found out by ``verify``."""

    @pytest.fixture
    def rated(self, locked: Study) -> Study:
        for _ in range(2):
            rater = ready_rater(locked).rater
            save_ratings(locked, rater, first_assignment(locked, rater), answers(locked))
        assert study_faults(locked) == []
        return locked

    def run(self, study: Study, *statements: str) -> list[str]:
        with study.writing() as connection:
            for statement in statements:
                connection.execute(text(statement))
        return study_faults(study)

    @pytest.mark.parametrize(
        "payload", ['{"answers": as_answers({"kind": 5})}', "[]", "not json", "null"]
    )
    def test_a_changed_payload(self, rated: Study, payload: str) -> None:
        faults = self.run(rated, f"UPDATE event SET payload = '{payload}' WHERE seq = 9")  # noqa: S608
        assert any("content of line 9 " in fault and "was changed" in fault for fault in faults)

    def test_an_erased_payload_without_a_withdrawal(self, rated: Study) -> None:
        faults = self.run(rated, "UPDATE event SET payload = NULL WHERE kind = 'ratings_saved'")
        assert any("erased, but nobody withdrew" in fault for fault in faults)

    def test_a_deleted_line(self, rated: Study) -> None:
        faults = self.run(rated, "DELETE FROM event WHERE seq = 7")
        assert "line 7 of the audit log is missing" in faults

    def test_swapped_lines(self, rated: Study) -> None:
        faults = self.run(
            rated,
            "UPDATE event SET seq = 1000 WHERE seq = 7",
            "UPDATE event SET seq = 7 WHERE seq = 8",
            "UPDATE event SET seq = 8 WHERE seq = 1000",
        )
        assert any("line 7 " in fault and "does not fit" in fault for fault in faults)

    def test_a_forged_line(self, rated: Study) -> None:
        """A forger without the key can make every hash but the keyed one."""
        with rated.reading() as connection:
            head = connection.execute(select(tables.audit_head)).one()
        seq = head.seq + 1
        line = {"seq": seq, "at": "now", "kind": "locked", "actor": "coordinator", "payload": "{}"}
        digest = hashlib.sha256(b"{}").hexdigest()
        hashes = {"payload_sha256": digest, "previous_hash": head.hash, "hash": "aa"}
        with rated.writing() as connection:
            connection.execute(insert(tables.event).values(**line, **hashes))
            connection.execute(update(tables.audit_head).values(seq=seq, hash="aa"))
        faults = study_faults(rated)
        assert faults == [f"line {head.seq + 1} of the audit log (locked) does not fit the chain"]

    def test_a_cut_off_tail(self, rated: Study) -> None:
        with rated.writing() as connection:
            connection.execute(delete(tables.event).where(tables.event.c.seq > 12))
        assert any("the audit log ends at line 12" in fault for fault in study_faults(rated))

    def test_a_cut_off_tail_with_its_head_is_found_by_the_answers(self, rated: Study) -> None:
        with rated.writing() as connection:
            last = connection.execute(select(tables.audit_head)).one().seq
            before = connection.execute(
                select(tables.event).where(tables.event.c.seq == last - 1)
            ).one()
            connection.execute(delete(tables.event).where(tables.event.c.seq == last))
            connection.execute(update(tables.audit_head).values(seq=before.seq, hash=before.hash))
        assert any("stored but was never logged" in fault for fault in study_faults(rated))

    def test_a_missing_head(self, rated: Study) -> None:
        assert "the end of the audit log is missing" in self.run(rated, "DELETE FROM audit_head")
        with pytest.raises(StoreError, match="end of the audit log is missing"):
            enrol(rated, "student", 1)

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("UPDATE rating SET value = 5 WHERE item_id = 'kind'", "is 5, but the log says 3"),
            ("DELETE FROM rating WHERE item_id = 'kind'", "was logged but is not stored"),
            ("UPDATE rater SET simulated = NOT simulated WHERE slot = 0", "marked as simulated"),
            ("UPDATE rater SET token_sha256 = 'x' WHERE slot = 0", "the link of rater"),
            ("UPDATE rater SET code = 'AAAA-AAAA' WHERE slot = 0", "id and code of slot 0"),
            ("UPDATE assignment SET position = position + 10", "differ from the allocation"),
            (
                "UPDATE assignment SET label = 'XXXX' WHERE position = 1",
                "differ from the allocation",
            ),
            (
                "UPDATE response SET system_id = 'emu' WHERE system_id = 'quokka'",
                "the id of another one",
            ),
        ],
    )
    def test_changed_data(self, rated: Study, statement: str, said: str) -> None:
        faults = self.run(rated, statement)
        assert any(said in fault for fault in faults), faults


class TestWithdrawal:
    def test_everything_of_one_rater_is_gone_and_the_chain_holds(self, locked: Study) -> None:
        gone, stays = ready_rater(locked), ready_rater(locked)
        for enrolled in (gone, stays):
            save_ratings(
                locked, enrolled.rater, first_assignment(locked, enrolled.rater), answers(locked)
            )
        withdraw(locked, gone.rater.code)
        kept = {r.id: r for r in read_raters(locked)}[gone.rater.id]
        assert kept.status is RaterStatus.WITHDRAWN
        assert (kept.demographics, kept.consented_at) == ({}, None)
        own = [a for a in read_assignments(locked) if a.rater_id == gone.rater.id]
        assert {(a.shown_at, a.submitted_at, a.seconds) for a in own} == {(None, None, None)}
        assert {r.assignment_id for r in read_ratings(locked)}.isdisjoint({a.id for a in own})
        assert len(read_ratings(locked)) == 3
        with locked.reading() as connection:
            payloads = [e.payload for e in events.read(connection) if e.actor == gone.rater.id]
        assert [p for p in payloads[:-1] if p is not None] == []
        assert study_faults(locked) == []
        with pytest.raises(LinkError):
            find_by_token(locked, gone.token)

    def test_a_second_withdrawal_changes_nothing(self, locked: Study) -> None:
        code = ready_rater(locked).rater.code
        assert withdraw(locked, code) == withdraw(locked, code)
        assert log_kinds(locked).count("rater_withdrawn") == 1

    def test_an_old_page_cannot_bring_a_withdrawn_rater_back(self, locked: Study) -> None:
        enrolled = ready_rater(locked)
        rater, assignment = enrolled.rater, first_assignment(locked, enrolled.rater)
        withdraw(locked, rater.code)
        lines = len(log_kinds(locked))
        participation.consent(locked, rater)
        participation.save_demographics(locked, rater, {"gender": "man", "age": 40})
        participation.finish_practice(locked, rater)
        participation.finish(locked, rater)
        mark_shown(locked, assignment)
        with pytest.raises(RatingError, match="withdrawn"):
            participation.submit(locked, rater, assignment, answers(locked))
        now = next(r for r in read_raters(locked) if r.id == rater.id)
        assert (now.status, now.demographics) == (RaterStatus.WITHDRAWN, {})
        assert {a.shown_at for a in read_assignments(locked)} == {None}
        assert len(log_kinds(locked)) == lines

    @only_sqlite
    def test_erased_answers_are_not_left_in_the_file(self, locked: Study) -> None:
        """The bytes of study.db and its write-ahead log, searched for the payloads' random salts."""
        gone = ready_rater(locked)
        for _ in range(4):
            save_ratings(locked, gone.rater, first_assignment(locked, gone.rater), answers(locked))
        with locked.reading() as connection:
            own = [e for e in events.read(connection) if e.actor == gone.rater.id]
        salts = [e.payload["salt"].encode() for e in own if e.payload]
        assert len(salts) == 8

        def held() -> bytes:
            return b"".join(path.read_bytes() for path in locked.folder.glob("study.db*"))

        assert all(salt in held() for salt in salts)
        assert b'"age": 33' in held()
        withdraw(locked, gone.rater.code)
        assert [salt for salt in salts if salt in held()] == []
        assert b'"age": 33' not in held()


WRITER = """
import sys
from pathlib import Path
from study.entities import Answer
from study.store.study import open_study
from study.store.raters import read_raters
from study.store.ratings import next_assignment, save_ratings
study = open_study(Path(sys.argv[1]))
rater = next(r for r in read_raters(study) if r.code == sys.argv[2])
while (assignment := next_assignment(study, rater)) is not None:
    given = {item.id: Answer(4) for item in study.protocol.items}
    assert save_ratings(study, rater, assignment.id, given)
    print(assignment.id, flush=True)
"""


def _killed_while_writing(study: Study, code: str, after: int) -> set[str]:
    """Ids that a real process said it had saved before it was killed with SIGKILL."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(study.folder), code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = {process.stdout.readline().strip() for _ in range(after)}
    os.kill(process.pid, signal.SIGKILL)
    said |= {line.strip() for line in process.stdout if line.endswith("\n")}
    process.stdout.close()
    process.wait()
    return said - {""}


def test_every_acknowledged_save_survives_kill_9(make_study: MakeStudy, tmp_path: Path) -> None:
    """Twice, a process that saves in a loop is killed; all that it acknowledged is there, whole."""
    prompts = "".join(f"  - {{id: p{i}, topic: sleep, text: Number {i}.}}\n" for i in range(60))
    file = small_protocol(tmp_path)
    file.write_text(file.read_text().replace("prompts:\n", f"prompts:\n{prompts}"))
    study = make_study(protocol=file)
    for after in (1, 5):
        rater = ready_rater(study).rater
        said = _killed_while_writing(study, rater.code, after)
        assert len(said) >= after
        own = {a.id: a for a in read_assignments(study) if a.rater_id == rater.id}
        stored: dict[str, int] = {}
        for rating in read_ratings(study):
            if rating.assignment_id in own:
                stored[rating.assignment_id] = stored.get(rating.assignment_id, 0) + 1
        assert said <= stored.keys()
        assert set(stored.values()) == {3}  # no response with some of its answers
        assert len(stored) < len(own)  # the process was stopped in the middle
        assert study_faults(study) == []


@only_sqlite
def test_writers_wait_for_one_another(locked: Study) -> None:
    """A write that finds the file locked waits for it and does not fail."""
    rater = ready_rater(locked).rater
    blocker = sqlite3.connect(locked.folder / "study.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(
            save_ratings, locked, rater, first_assignment(locked, rater), answers(locked)
        )
        with pytest.raises(TimeoutError):
            job.result(timeout=0.5)
        blocker.execute("ROLLBACK")
        assert job.result(timeout=30)
    blocker.close()


@only_sqlite
def test_sqlite_is_set_so_that_nothing_acknowledged_is_lost(locked: Study) -> None:
    with locked.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


@only_sqlite
def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_half_saved(locked: Study) -> None:
    rater = ready_rater(locked).rater
    assignment = first_assignment(locked, rater)
    with locked.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    big = dict.fromkeys(answers(locked), Answer(missing=MissingReason.SKIPPED))
    with pytest.raises(StoreError, match="disk") as caught:
        while True:
            save_ratings(locked, rater, assignment, big)
            enrol(locked, "student", 50)
    assert "INSERT" not in str(caught.value)
    assert study_faults(locked) == []


@only_sqlite
def test_a_copied_folder_is_the_same_study(locked: Study, tmp_path: Path) -> None:
    locked.close()
    copy = shutil.copytree(locked.folder, tmp_path / "copy")
    study = open_study(copy)
    assert study_faults(study) == []
    assert database_url(copy) != database_url(locked.folder)
    study.close()


def test_finding_a_raters_place_asks_the_database_little(locked: Study) -> None:
    """Two SELECTs at most: it is called on every run of a page."""
    from sqlalchemy import event as sqlalchemy_event

    enrolled = ready_rater(locked)
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(locked.engine, "before_cursor_execute", note)
    place = participation.find_place(locked, enrolled.token)
    sqlalchemy_event.remove(locked.engine, "before_cursor_execute", note)
    assert place.assignment is not None
    assert len([s for s in statements if s.startswith("SELECT")]) == 2
    assert not [s for s in statements if s.startswith(("UPDATE", "INSERT"))]
