"""Receipts, places for a panel's participants, redirects and the reconciliation with a panel.

Oracle: hand-made databases and CSV files in which every kind of difference occurs once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, text

from models.generation.rehearsed_reply import scripted_reply
from protocols import shipped_protocols
from study import completion, participation
from study.blinding import receipt_code
from study.cli.group import run
from study.entities import Answer, Enrolment, MissingReason, RaterStatus
from study.errors import LinkError, ProtocolError, StoreError
from study.participation import Step, find_place
from study.protocol import parse_protocol
from study.rehearsal import rehearse
from study.report_view.export import panel_rows, rater_rows
from study.report_view.snapshot import Snapshot
from study.store import panels
from study.store.audit import study_faults
from study.store.completeness import open_answers
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code, find_by_token, read_raters, withdraw
from study.store.ratings import next_assignment, save_ratings
from study.store.study import Study
from tests.fixtures_session import SESSION, come_to, go_on, session_protocol
from tests.fixtures_study import SMALL, answer_everything, answers, ready_rater

MakeStudy = Callable[..., Study]
FORGET = (
    "DELETE FROM rating WHERE item_id = 'kind' AND assignment_id IN "
    "(SELECT id FROM assignment WHERE position = 1)"
)
only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


@pytest.fixture
def session(make_study: MakeStudy, tmp_path: Path) -> Study:
    no_wait = {"minimum_seconds: 1": "minimum_seconds: 0"}
    return make_study(protocol=session_protocol(tmp_path, **no_wait))


def enter(study: Study, participant: str) -> Enrolment:
    token = panels.take_place(study, participant)
    return Enrolment(find_by_token(study, token), token)


class TestReceipt:
    def test_only_for_every_required_answer(self, locked: Study) -> None:
        enrolled = ready_rater(locked)
        for rated in range(4):
            rater = find_by_token(locked, enrolled.token)
            assert completion.receipt(locked, rater) is None
            assert len(open_answers(locked, rater)) == 3 * (4 - rated)
            assignment = next_assignment(locked, rater)
            assert assignment is not None
            participation.submit(locked, rater, assignment.id, answers(locked))
        rater = find_by_token(locked, enrolled.token)
        code = completion.receipt(locked, rater)
        assert code == receipt_code(locked.key, rater.id)
        found = completion.rater_with_receipt(locked, f" {code.lower()} ")
        assert found is not None and found.code == rater.code

    def test_an_answer_that_vanished_takes_it_back(self, locked: Study) -> None:
        """The database says finished; the answers themselves decide."""
        enrolled = ready_rater(locked)
        come_to(locked, enrolled, Step.FINISHED)
        with locked.writing() as connection:
            connection.execute(text(FORGET))
        rater = find_by_token(locked, enrolled.token)
        assert rater.status is RaterStatus.FINISHED
        assert open_answers(locked, rater) == [(1, "kind")]
        assert completion.receipt(locked, rater) is None

    @only_sqlite
    def test_a_skipped_answer_counts_only_where_it_may_be_skipped(self, locked: Study) -> None:
        enrolled = ready_rater(locked)
        given = {**answers(locked), "kind": Answer(missing=MissingReason.SKIPPED)}
        while (assignment := next_assignment(locked, enrolled.rater)) is not None:
            save_ratings(locked, enrolled.rater, assignment.id, given)
        assert open_answers(locked, enrolled.rater) == [(p, "kind") for p in (1, 2, 3, 4)]
        items = locked.protocol.instruments[0].items
        optional = tuple(i.model_copy(update={"optional": i.id == "kind"}) for i in items)
        instrument = locked.protocol.instruments[0].model_copy(update={"items": optional})
        protocol = locked.protocol.model_copy(update={"instruments": (instrument,)})
        assert open_answers(replace(locked, protocol=protocol), enrolled.rater) == []

    @only_sqlite
    def test_nobody_has_anothers_receipt(self, locked: Study) -> None:
        """1,000 raters, 1,000 receipts; none is a participant code."""
        codes = {receipt_code(locked.key, f"rater-{i}") for i in range(1000)}
        assert len(codes) == 1000
        assert completion.rater_with_receipt(locked, "00000-00000") is None


class TestPlaces:
    def test_one_place_for_each_participant(self, session: Study) -> None:
        enrol(session, "student", 2)
        first, again = enter(session, "5f1a" * 6), enter(session, "5f1a" * 6)
        other = enter(session, "OTHER-participant_9")
        assert first.token == again.token != other.token
        assert panels.participant_of(session, first.rater) == "5f1a" * 6
        with pytest.raises(StoreError, match="evenhand enrol --group student"):
            enter(session, "third")
        assert study_faults(session) == []

    def test_sixteen_at_once_get_sixteen_places(self, session: Study) -> None:
        """Each participant three times at the same time, as from impatient taps."""
        enrol(session, "student", 16)
        wanted = [f"p{i % 16}" for i in range(48)]
        with ThreadPoolExecutor(12) as pool:
            tokens = list(pool.map(lambda p: panels.take_place(session, p), wanted))
        places = dict(zip(wanted, tokens, strict=True))
        assert len(set(tokens)) == len(places) == 16
        assert [places[p] for p in wanted] == tokens
        assert study_faults(session) == []

    @pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
    @pytest.mark.parametrize("places", [1, 2, 3])
    def test_the_last_place_is_found_by_the_tab_that_came_second(
        self, session: Study, places: int
    ) -> None:
        """Oracle: both tabs hold one link, although the first took the last place while the second looked.

        The listener lets the first tab go through the moment the second has seen that it has no place
        yet, which is what happened by chance under load. (On SQLite writers take turns from the start.)
        """
        enrol(session, "student", places)
        for other in range(places - 1):
            panels.take_place(session, f"other-{other}")
        first: list[str] = []
        inside: list[bool] = []

        def let_the_first_through(*called: object) -> None:
            if "rater.panel_id = " in str(called[2]) and not inside:
                inside.append(True)
                first.append(panels.take_place(session, "twice"))

        event.listen(session.engine, "after_cursor_execute", let_the_first_through)
        try:
            second = panels.take_place(session, "twice")
        finally:
            event.remove(session.engine, "after_cursor_execute", let_the_first_through)
        assert first == [second]
        assert study_faults(session) == []

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "../x", "<script>", "é", "a%00"])
    @only_sqlite
    def test_what_is_no_participant_id_is_refused(self, session: Study, given: str) -> None:
        enrol(session, "student", 1)
        with pytest.raises(LinkError, match="no participant id"):
            panels.take_place(session, given)
        assert panels.participants(session) == {}

    @only_sqlite
    def test_a_place_in_use_is_not_handed_out(self, session: Study) -> None:
        used = enrol(session, "student", 1)[0]
        participation.consent(session, used.rater)
        enrol(session, "student", 1, simulated=True)
        enrol(session, "professional", 1)
        with pytest.raises(StoreError, match="is taken"):
            enter(session, "somebody")

    @only_sqlite
    def test_a_study_without_a_panel_hands_out_nothing(self, locked: Study) -> None:
        enrol(locked, "student", 1)
        with pytest.raises(LinkError):
            panels.take_place(locked, "somebody")

    def test_the_id_is_for_the_coordinator_alone_and_goes_with_a_withdrawal(
        self, session: Study
    ) -> None:
        enrol(session, "student", 1)
        rater = enter(session, "panelist").rater
        assert "panelist" not in repr(rater_rows(Snapshot(session)))
        assert [row["participant"] for row in panel_rows(Snapshot(session))] == ["panelist"]
        withdraw(session, rater.code)
        assert panel_rows(Snapshot(session)) == []
        assert "panelist" not in repr(session.engine.url)
        if session.engine.url.get_backend_name() == "sqlite":
            assert b"panelist" not in (session.folder / "study.db").read_bytes()
        assert study_faults(session) == []


class TestRedirects:
    def test_each_ending_has_its_address(self, session: Study) -> None:
        enrol(session, "student", 4)
        done, declined, failed, linked = (enter(session, f"p{i}") for i in range(4))
        come_to(session, done, Step.FINISHED)
        participation.decline(session, declined.rater)
        for _ in range(2):
            go_on(session, come_to(session, failed, Step.COMPREHENSION), right=False)
        code = receipt_code(session.key, done.rater.id)
        assert [self.where(session, e) for e in (done, declined, failed, linked)] == [
            f"https://panel.example/complete?cc=C1ABCDEF&who=p0&receipt={code}",
            "https://panel.example/complete?cc=NOCONSENT",
            "https://panel.example/complete?cc=SCREENED",
            None,
        ]

    @only_sqlite
    def test_who_came_by_a_link_is_not_sent_to_the_panel(self, session: Study) -> None:
        enrolled = enrol(session, "student", 1)[0]
        come_to(session, enrolled, Step.FINISHED)
        assert self.where(session, enrolled) is None

    @only_sqlite
    def test_without_every_answer_nobody_is_sent_on_as_complete(self, session: Study) -> None:
        enrol(session, "student", 1)
        done = enter(session, "p")
        come_to(session, done, Step.FINISHED)
        with session.writing() as connection:
            connection.execute(text(FORGET))
        assert self.where(session, done) is None

    def where(self, study: Study, enrolled: Enrolment) -> str | None:
        return completion.redirect_address(study, find_by_token(study, enrolled.token))

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("https://panel.example/complete?cc=NOCONSENT", "http://panel.example/x", "https://"),
            ("https://panel.example/complete?cc=NOCONSENT", "javascript:alert(1)", "https://"),
            ("https://panel.example/complete?cc=NOCONSENT", "https://{participant}/x", "https://"),
            ("https://panel.example/complete?cc=NOCONSENT", "https://a.example/?b={key}", "{key}"),
            ("https://panel.example/complete?cc=NOCONSENT", "https://a.example/?b={", "not closed"),
            ("cc=NOCONSENT", "cc={receipt}", "only known to those who finish"),
            ("cc=NOCONSENT", "cc=quokka", "names a system"),
            ("group: student,", "group: nobody,", "no group 'nobody'"),
        ],
    )
    def test_an_address_that_may_not_be_is_found_by_check(
        self, old: str, new: str, said: str
    ) -> None:
        assert old in SESSION
        protocol = SMALL + SESSION.replace(old, f'"{new}"' if new.startswith(("h", "j")) else new)
        with pytest.raises(ProtocolError) as caught:
            parse_protocol(protocol, "p.yaml")
        assert said in str(caught.value)
        assert "completion." in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("        answer: 1\n  attention", "        answer: 3\n  attention", "expected one of the"),
        ("{value: 2, label: No I may not}", "{value: 1, label: No}", "values must differ"),
        ("after: 3", "after: 4", "expected at most 3"),
        ("answer: 4}", "answer: 7}", "expected a point of the scale"),
        ("answer: 4}", "answer: 4, instrument: long}", "no instrument 'long'"),
        ("id: choose-four", "id: may-stop", "declared twice"),
        ("  ending: {title: Thank you for your time, text: This study ends here for you.}\n", "",
         "their last page is needed"),
    ],
)  # fmt: skip
def test_checks_that_cannot_be_passed_are_found_by_check(old: str, new: str, said: str) -> None:
    assert old in SESSION
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(SMALL + SESSION.replace(old, new), "p.yaml")
    assert str(caught.value).count("\n") == 1 and said in str(caught.value)


class TestReconcile:
    @pytest.fixture
    def export(self, session: Study, tmp_path: Path) -> Path:
        """One participant for each way in which panel and database can differ."""
        enrol(session, "student", 9)
        names = ["good", "receipt", "partial", "returned", "absent", "wrong", "foreign", "twice"]
        people = {name: enter(session, name) for name in names}
        for name, enrolled in people.items():
            come_to(session, enrolled, Step.RATING if name == "partial" else Step.FINISHED)
        own = {name: receipt_code(session.key, e.rater.id) for name, e in people.items()}
        rows = [
            ("good", "APPROVED", "c1abcdef"),
            ("receipt", "AWAITING REVIEW", own["receipt"].lower()),
            ("partial", "APPROVED", "C1ABCDEF"),
            ("returned", "RETURNED", ""),
            ("wrong", "APPROVED", "PLEASE"),
            ("foreign", "APPROVED", own["good"]),
            ("twice", "APPROVED", "C1ABCDEF"),
            ("twice", "APPROVED", "C1ABCDEF"),
            ("stranger", "APPROVED", "C1ABCDEF"),
            ("visitor", "TIMED-OUT", ""),
        ]
        file = tmp_path / "panel.csv"
        with file.open("w", newline="", encoding="utf-8-sig") as stream:
            writer = csv.writer(stream)
            writer.writerow(["Submission id", "Participant id", "Status", "Completion code"])
            writer.writerows([f"s{i}", *row] for i, row in enumerate(rows))
        return file

    @only_sqlite
    def test_every_difference_is_found_once(
        self, session: Study, export: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 1: there are findings."""
        assert run(["reconcile", str(export), "--study", str(session.folder), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["complete"] == 3  # good, receipt, twice
        assert sorted((f["participant"], f["kind"]) for f in told["findings"]) == [
            ("absent", "not done there"),
            ("foreign", "another's code"),
            ("partial", "answers missing"),
            ("returned", "not done there"),
            ("stranger", "unknown here"),
            ("twice", "duplicate"),
            ("wrong", "wrong code"),
        ]
        details = {f["participant"]: f["detail"] for f in told["findings"]}
        assert details["partial"] == "APPROVED there; here: rating, 12 required answers missing"
        assert details["returned"] == "finished here; the panel says: RETURNED"
        text_said = self.text(session, export, capsys)
        assert "7 findings" in text_said and "zebrafinch" not in text_said

    ROWS = (
        ("once", "APPROVED", "C1ABCDEF"),
        ("again", "RETURNED", ""),
        ("again", "TIMED-OUT", ""),
        ("again", "APPROVED", "C1ABCDEF"),
        ("codes", "APPROVED", "WRONG"),
        ("codes", "APPROVED", "C1ABCDEF"),
        ("wrong", "APPROVED", "WRONG"),
        ("wrong", "AWAITING REVIEW", ""),
        ("gone", "TIMED-OUT", ""),
        ("gone", "RETURNED", ""),
        ("stranger", "RETURNED", ""),
        ("stranger", "APPROVED", "C1ABCDEF"),
    )

    @only_sqlite
    def test_the_order_of_rows_does_not_matter(
        self, session: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """By hand, in the file's order, backwards, sorted and mixed, with blank rows in between."""
        enrol(session, "student", 5)
        for name in ("once", "again", "codes", "wrong", "gone"):
            come_to(session, enter(session, name), Step.FINISHED)
        told = set()
        mixed = self.ROWS[1::2] + self.ROWS[::2]
        orders = [self.ROWS, self.ROWS[::-1], tuple(sorted(self.ROWS)), mixed]
        for rows in orders:
            file = tmp_path / "panel.csv"
            lines = [",".join(row) for row in rows]
            content = [
                "Participant id,Status,Completion code",
                "",
                *lines[:4],
                ",,",
                *lines[4:],
                ",,",
                "",
            ]
            file.write_text("\r\n".join(content), encoding="utf-8-sig")
            assert run(["reconcile", str(file), "--study", str(session.folder), "--json"]) == 1
            told.add(capsys.readouterr().out)
        assert len(told) == 1
        found = json.loads(told.pop())
        assert found["complete"] == 3  # once, again, codes
        assert "whose status says done counts" in found["rule"]
        details = {(f["participant"], f["kind"]): f["detail"] for f in found["findings"]}
        assert details == {
            (
                "again",
                "duplicate",
            ): "3 times in the file (APPROVED, RETURNED, TIMED-OUT); counted as done",
            ("codes", "duplicate"): "2 times in the file (APPROVED, APPROVED); counted as done",
            (
                "wrong",
                "duplicate",
            ): "2 times in the file (APPROVED, AWAITING REVIEW); counted as done",
            ("wrong", "wrong code"): "gave 'WRONG'",
            (
                "gone",
                "duplicate",
            ): "2 times in the file (RETURNED, TIMED-OUT); none of them says done",
            ("gone", "not done there"): "finished here; the panel says: RETURNED, TIMED-OUT",
            ("stranger", "duplicate"): "2 times in the file (APPROVED, RETURNED); counted as done",
            ("stranger", "unknown here"): "APPROVED there, but never here, or withdrawn",
        }

    @only_sqlite
    @pytest.mark.parametrize(
        ("mark", "codec"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8")]
    )
    def test_a_panels_file_as_spreadsheets_write_it(
        self,
        session: Study,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        mark: str,
        codec: str,
    ) -> None:
        """Blank rows are none; a row without a participant is a finding with the file's own line."""
        enrol(session, "student", 1)
        come_to(session, enter(session, "001"), Step.FINISHED)
        rows = [
            ["Participant id", "Status", "Completion code"],
            [""],
            ["001", "APPROVED", "c1abcdef"],
        ]
        file = tmp_path / "panel.csv"
        command = ["reconcile", str(file), "--study", str(session.folder)]
        blank = [["", "", ""], ["", "", ""]]
        file.write_bytes("\n".join(mark.join(row) for row in rows + blank).encode(codec))
        assert run(command) == 0
        told = capsys.readouterr().out
        assert "right code: 1." in told and "their order does not matter" in told
        lost = [["", "APPROVED", "C1ABCDEF"]]
        file.write_bytes("\n".join(mark.join(row) for row in rows + blank + lost).encode(codec))
        assert run([*command, "--json"]) == 1
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert finding["kind"] == "no participant"
        assert finding["detail"] == "line 6 has no participant id; its status: APPROVED"
        file.write_bytes(mark.join(["Participant id", "Status", "Status", "x"]).encode(codec))
        assert run(command) == 2
        assert "line 1: two columns are called 'Status'" in capsys.readouterr().err

    def text(self, session: Study, export: Path, capsys: pytest.CaptureFixture[str]) -> str:
        assert run(["reconcile", str(export), "--study", str(session.folder)]) == 1
        told = capsys.readouterr()
        return told.out + told.err

    @only_sqlite
    def test_nothing_to_find_is_exit_code_0_and_other_columns_have_names(
        self, session: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        enrol(session, "student", 1)
        come_to(session, enter(session, "p"), Step.FINISHED)
        file = tmp_path / "other.csv"
        file.write_text("pid,state,code\np,complete,C1ABCDEF\n", encoding="utf-8")
        command = ["reconcile", str(file), "--study", str(session.folder)]
        assert run(command) == 2
        assert "no column 'Participant id'. Found: pid, state, code" in capsys.readouterr().err
        columns = [
            "--participant-column",
            "pid",
            "--status-column",
            "state",
            "--code-column",
            "code",
        ]
        assert run([*command, *columns, "--done", "Complete"]) == 0
        assert "right code: 1" in capsys.readouterr().out

    @only_sqlite
    def test_one_receipt(
        self, session: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        enrolled = enrol(session, "student", 1)[0]
        code = receipt_code(session.key, enrolled.rater.id)
        where = ["--study", str(session.folder)]
        come_to(session, enrolled, Step.RATING)
        assert run(["reconcile", "--receipt", code, *where]) == 1
        assert "not every required answer" in capsys.readouterr().err
        come_to(session, enrolled, Step.FINISHED)
        assert run(["reconcile", "--receipt", code.replace("-", " "), *where]) == 0
        assert enrolled.rater.code in capsys.readouterr().out
        assert run(["reconcile", "--receipt", "AAAAA-AAAAA", *where]) == 1
        assert "no receipt of this study" in capsys.readouterr().err
        assert run(["reconcile", *where]) == 2
        assert run(["export", "--what", "checks", *where]) == 0
        assert "choose-two" in capsys.readouterr().out
        assert find_by_code(session, enrolled.rater.code).status is RaterStatus.FINISHED
        assert find_place(session, enrolled.token).step is Step.FINISHED


@only_sqlite
@pytest.mark.parametrize("name", ["pairwise-esconv", "nile-emotion-annotation", "umux-lite"])
def test_who_finishes_a_shipped_protocol_gets_a_receipt(make_study: MakeStudy, name: str) -> None:
    """Comparisons, marked parts and questionnaires: no kind of item is forgotten or asked too much."""
    study = make_study(locked=False, protocol=shipped_protocols()[name])
    answer_everything(study)
    lock_study(study)
    group = study.protocol.groups[0].id
    enrol(study, group, 2)
    rehearse(study, 1, replies=scripted_reply)
    for rater in read_raters(study):
        assert completion.receipt(study, rater) == receipt_code(study.key, rater.id)
    with study.writing() as connection:
        connection.execute(text("DELETE FROM rating WHERE id = 1"))
    assert [completion.receipt(study, rater) for rater in read_raters(study)].count(None) == 1
