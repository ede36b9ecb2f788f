"""Enrolling twice by mistake, taking it back, and doing two things at once.

Oracle: the raters, their links and the log before and after; the operating system's own locks.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study import participation
from study.design import allocate
from study.entities import RaterStatus
from study.errors import LinkError, StoreError
from study.report_view.export import rater_rows
from study.report_view.snapshot import Snapshot
from study.store import events
from study.store.audit import study_faults
from study.store.exclusive import Serving, only_judge, only_writer
from study.store.raters import (
    enrol,
    find_by_token,
    link_secret,
    note_opened,
    read_raters,
    undo_enrolment,
)
from study.store.study import Study, opened
from study.wording import command, listed, summed_up
from tests.fixtures_chat import make_chat_study
from tests.fixtures_commands import Said
from tests.fixtures_study import SMALL
from tests.test_study_cli import RESPONSES

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def here(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "STUDY", "ADDRESS"):
        monkeypatch.delenv(f"EVENHAND_{name}", raising=False)
    monkeypatch.chdir(memory_folder)
    (memory_folder / "p.yaml").write_text(SMALL)
    (memory_folder / "responses.csv").write_text(RESPONSES)
    return memory_folder


@pytest.fixture
def folder(here: Path, said: Said) -> Path:
    """The small study, locked."""
    for words in (["init", "s", "--protocol", "p.yaml"], ["import", "responses.csv"], ["lock"]):
        assert said(*words)[0] == 0
    return here / "s"


def number(folder: Path) -> Counter[str]:
    with opened(folder) as study:
        return Counter(rater.group for rater in read_raters(study))


class TestTheGroup:
    PROFESSIONALS = "  - {id: professional, title: Professionals, planned: 2}\n"

    def test_of_a_protocol_with_one_it_need_not_be_named(self, here: Path, said: Said) -> None:
        (here / "p.yaml").write_text(SMALL.replace(self.PROFESSIONALS, ""))
        for words in (["init", "s", "--protocol", "p.yaml"], ["import", "responses.csv"], ["lock"]):
            assert said(*words)[0] == 0
        assert said("enrol", "-n", "3")[0] == 0
        assert number(here / "s") == {"student": 3}

    def test_of_a_protocol_with_several_it_is_asked_for(self, folder: Path, said: Said) -> None:
        code, out, err = said("enrol", "-n", "3")
        assert (code, out) == (2, "")
        assert "--group GROUP -n N. The protocol's groups: student, professional." in err
        assert number(folder) == {}


class TestRepeating:
    @pytest.mark.parametrize("more", [[], ["--json"]])
    def test_where_nothing_can_be_asked_it_needs_yes(
        self, folder: Path, said: Said, more: list[str]
    ) -> None:
        assert said("enrol", "--group", "student", "-n", "3")[0] == 0
        code, out, err = said("enrol", "--group", "student", "-n", "3", *more)
        assert (code, out) == (2, "")
        assert "3 raters are enrolled in student already; the protocol planned 4" in err
        assert "nobody was enrolled; give --yes to enrol 3 more" in err
        assert number(folder) == {"student": 3}
        assert said("enrol", "--group", "student", "-n", "3", "--yes", *more)[0] == 0
        assert number(folder) == {"student": 6}

    def test_another_group_is_no_repetition_and_simulated_raters_are_none(
        self, folder: Path, said: Said
    ) -> None:
        assert said("rehearse", "-n", "2")[0] == 0
        assert said("enrol", "--group", "student", "-n", "2")[0] == 0
        assert said("enrol", "--group", "professional", "-n", "2")[0] == 0

    @pytest.mark.parametrize(("answer", "raters"), [("n", 2), ("y", 4)])
    def test_at_a_terminal_it_asks(
        self, folder: Path, said: Said, answer: str, raters: int
    ) -> None:
        import pty

        said("enrol", "--group", "student", "-n", "2")
        ours, theirs = pty.openpty()
        words = [sys.executable, "-m", "study.cli", "enrol", "--group", "student", "-n", "2"]
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        os.write(ours, f"{answer}\n".encode())
        _, err = process.communicate(timeout=120)
        os.close(ours)
        os.close(theirs)
        assert b"Enrol 2 more? [y/N]" in err
        assert (number(folder)["student"], process.returncode == 0) == (raters, answer == "y")

    def test_group_and_number_are_asked_for(self, folder: Path, said: Said) -> None:
        code, _, err = said("enrol", "-n", "3")
        assert (
            code,
            "--group GROUP -n N. The protocol's groups: student, professional" in err,
        ) == (2, True)


class TestUndo:
    def test_who_never_opened_the_link_is_gone_without_a_trace_in_the_flow(
        self, folder: Path, said: Said
    ) -> None:
        said("enrol", "--group", "student", "-n", "3")
        said("enrol", "--group", "professional", "-n", "2")
        with opened(folder) as study:
            first = next(r for r in read_raters(study) if (r.group, r.slot) == ("student", 0))
            note_opened(study, first)
        code, out, _ = said("enrol", "--undo", "--group", "student", "--json")
        told = json.loads(out)
        assert (code, len(told["removed"]), told["left"]) == (0, 2, 1)
        assert number(folder) == {"student": 1, "professional": 2}
        _, out, _ = said("enrol", "--undo", "--group", "professional", "-n", "1")
        assert "Write the sheet of cards again: evenhand links" in out
        _, out, _ = said("enrol", "--undo", "--group", "professional")
        assert "0 raters stay" in out and "evenhand links" in out  # for the student's card
        assert (folder / "links.html").is_file()
        with opened(folder) as study:
            assert first.code not in told["removed"]
            assert study_faults(study) == []
            assert all(row["status"] != "withdrawn" for row in rater_rows(Snapshot(study)))
            with study.reading() as connection:
                kinds = Counter(event.kind for event in events.read(connection))
        assert (kinds["enrolment_undone"], kinds["rater_withdrawn"]) == (4, 0)

    def test_the_last_ones_go_first_and_come_back_with_the_same_links(self, locked: Study) -> None:
        before = {e.rater.slot: (e.rater.code, e.token) for e in enrol(locked, "student", 4)}
        gone = undo_enrolment(locked, "student", 2)
        assert {r.slot for r in gone} == {2, 3}
        for rater in gone:
            with pytest.raises(LinkError):
                find_by_token(locked, link_secret(locked, rater))
        again = {e.rater.slot: (e.rater.code, e.token) for e in enrol(locked, "student", 2)}
        assert again == {slot: before[slot] for slot in (2, 3)}
        assert study_faults(locked) == []

    def test_whose_old_cards_open_the_places_again_is_said(self, folder: Path, said: Said) -> None:
        assert "undone" not in said("enrol", "--group", "student", "-n", "2")[2]
        removed = json.loads(said("enrol", "--undo", "-n", "1", "--json")[1])["removed"]
        code, _, err = said("enrol", "--group", "student", "-n", "2", "--yes")
        assert code == 0
        # Two are enrolled now; one of them has the code and link of the card that was taken back.
        assert f"open these places again: {removed[0]}. Whoever" in err
        assert "undone" not in said("enrol", "--group", "professional", "-n", "1")[2]

    def test_a_gap_is_filled_so_that_the_orders_stay_balanced(self, locked: Study) -> None:
        raters = [e.rater for e in enrol(locked, "student", 4)]
        note_opened(locked, raters[3])
        note_opened(locked, raters[0])
        assert {r.slot for r in undo_enrolment(locked)} == {1, 2}
        assert [e.rater.slot for e in enrol(locked, "student", 3)] == [1, 2, 4]
        assert len(allocate(locked.protocol).rows) >= 4
        assert study_faults(locked) == []

    def test_every_trace_of_use_keeps_a_rater(self, locked: Study) -> None:
        used = [e.rater for e in enrol(locked, "student", 3)]
        note_opened(locked, used[0])
        participation.consent(locked, used[1])
        participation.decline(locked, used[2])
        assert undo_enrolment(locked) == []
        states = [r.status for r in read_raters(locked)]
        assert sorted(states) == sorted(
            [RaterStatus.ENROLLED, RaterStatus.CONSENTED, RaterStatus.DECLINED]
        )

    def test_simulated_raters_stay(self, locked: Study) -> None:
        enrol(locked, "student", 2, simulated=True)
        assert undo_enrolment(locked) == []

    def test_a_chat_studys_planned_conversations_go_with_them(self, tmp_path: Path) -> None:
        study = make_chat_study(tmp_path / "chat")
        try:
            enrol(study, study.protocol.groups[0].id, 2)
            undo_enrolment(study)
            assert study_faults(study) == []
        finally:
            study.close()

    @pytest.mark.parametrize("words", [["--group", "teacher"], ["-n", "0"]])
    def test_a_mistake_is_told(self, folder: Path, said: Said, words: list[str]) -> None:
        said("enrol", "--group", "student", "-n", "1")
        assert said("enrol", "--undo", *words)[0] == 2
        assert number(folder) == {"student": 1}


HOLDER = (
    "import sys, time; from pathlib import Path; from study.store.study import open_study; "
    "from study.store.exclusive import Serving, only_judge, only_writer; "
    "study = open_study(Path(sys.argv[1]));\n"
)


def hold(folder: Path, what: str) -> subprocess.Popen[str]:
    """Another process that holds a lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER + what, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


class TestTwoAtOnce:
    @pytest.mark.parametrize(
        "words", [["generate"], ["generate", "--again", "quokka"], ["import", "responses.csv"]]
    )
    def test_a_second_writer_is_refused_until_the_first_has_ended_however_it_did(
        self, here: Path, said: Said, words: list[str]
    ) -> None:
        assert said("init", "s", "--protocol", "p.yaml")[0] == 0
        other = hold(
            here / "s", "with only_writer(study): print('held', flush=True); time.sleep(600)"
        )
        try:
            code, out, err = said(*words)
            assert (code, out) == (2, "")
            assert "Another `evenhand generate` or `evenhand import` is at work" in err
        finally:
            other.send_signal(signal.SIGKILL)
            other.communicate(timeout=60)
        assert said(*words)[0] == 0

    @pytest.mark.postgres
    @pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
    @pytest.mark.parametrize("only_one", [only_writer, only_judge])
    def test_on_one_postgresql_database_two_folders_are_kept_apart(
        self, locked: Study, tmp_path: Path, only_one: Callable[[Study], Any]
    ) -> None:
        copy = shutil.copytree(
            locked.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.lock")
        )
        held = f"with {only_one.__name__}(study): print('held', flush=True); time.sleep(600)"
        other = hold(copy, held)
        try:
            with pytest.raises(StoreError, match="is at work"), only_one(locked):
                pass
        finally:
            other.kill()
            other.communicate(timeout=60)

    def test_a_second_server_is_told_of_the_first(
        self, folder: Path, said: Said, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "survey_app.server.serving.serve",
            lambda _folder, _host, port, *, when_listening, **_: when_listening(port),
        )
        what = (
            "s = Serving(study); s.first(); s.listens('port 8501 of 127.0.0.1'); "
            "print('held', flush=True); time.sleep(600)"
        )
        other = hold(folder, what)
        try:
            err = said("serve", "--port", "8502")[2]
            assert (
                "another `evenhand serve` serves this study already, on port 8501 of 127.0.0.1"
                in err
            )
        finally:
            other.kill()
            other.communicate(timeout=60)
        assert "another `evenhand serve`" not in said("serve", "--port", "8502")[2]
        with opened(folder) as study:
            serving = Serving(study)
            assert serving.first() is None
            serving.end()


class TestCheck:
    def test_a_study_that_nobody_can_rate_is_warned_of(self, here: Path, said: Said) -> None:
        many = "".join(f"  - {{id: q{i}, topic: sleep, text: Text {i}.}}\n" for i in range(2998))
        (here / "p.yaml").write_text(SMALL.replace("systems:\n", many + "systems:\n", 1))
        assert said("init", "s", "--protocol", "p.yaml")[0] == 0
        code, out, err = said("check", "--json")
        facts = json.loads(out)
        assert (code, facts["prompts"], facts["pages_per_rater"]) == (0, 3000, 6000)
        assert facts["allocation_sha256"] == "not made for more than 1,000 pages"
        assert "Warning: one rater would need about" in err and "for 6,000 pages" in err
        assert len(err) < 600

    def test_a_study_that_people_can_rate_is_not(self, folder: Path, said: Said) -> None:
        code, out, err = said("check", "--json")
        assert (code, "would need" in err) == (0, False)
        assert len(json.loads(out)["allocation_sha256"]) == 64

    @pytest.mark.parametrize(("tokens", "warned"), [(2048, True), (64, False)])
    def test_long_responses_count(self, here: Path, said: Said, tokens: int, warned: bool) -> None:
        # 24 prompts x 2 systems x 2048 tokens x .75 words / 220 words a minute: 335 minutes of reading.
        many = "".join(f"  - {{id: q{i}, topic: sleep, text: Text {i}.}}\n" for i in range(22))
        text = SMALL.replace("systems:\n", many + "systems:\n", 1)
        text = text.replace(
            "backend: scripted}", f"backend: scripted, decoding: {{max_new_tokens: {tokens}}}}}"
        )
        (here / "p.yaml").write_text(text)
        assert said("init", "s", "--protocol", "p.yaml")[0] == 0
        assert ("one rater would need about" in said("check")[2]) is warned


class TestWording:
    @pytest.mark.parametrize("name", ["my study", "it's mine", "a$b", "(1)", "-x", "größe"])
    def test_a_hint_is_one_command_for_a_shell(self, name: str) -> None:
        assert shlex.split(command("check", "--study", Path(name))) == [
            "evenhand",
            "check",
            "--study",
            name,
        ]

    def test_the_hint_of_init_works_as_it_is(self, here: Path, said: Said) -> None:
        out = said("init", "my study", "--protocol", "p.yaml")[1]
        hint = out.strip().splitlines()[-1].split("then: ", 1)[1]
        words = shlex.split(hint)
        assert words == ["evenhand", "check", "--study", "my study"]
        assert said(*words[1:])[0] == 0
        code, _, err = said("init", "my study", "--protocol", "p.yaml")
        assert (code, "evenhand check --study 'my study'" in err) == (2, True)

    def test_long_lists_are_cut_and_counted(self) -> None:
        assert listed("abc") == "a, b, c"
        assert listed(map(str, range(2000)), most=2) == "0, 1 and 1,998 more"
        assert summed_up(["x"] * 21) == ["x"] * 21
        assert summed_up(["x"] * 3000)[-1] == "... and 2,980 more"
