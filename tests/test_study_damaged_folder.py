"""A study folder that was copied badly: what is lost is said, what does not need it works, nothing changes.

Oracle: the folder itself, compared byte for byte before and after; the study as it was before the damage.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from study.cli.group import run
from study.errors import StoreError
from study.rehearsal import rehearse
from study.store.study import Study, open_study
from tests.conftest import make_small_study
from tests.fixtures_commands import Said


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsed study whose links, codes and rows are known."""
    folder = tmp_path_factory.mktemp("kept") / "study"
    study = make_small_study(folder, raters=3, simulated=0)
    rehearse(study, 1)
    study.close()
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "STUDY", "ADDRESS"):
        monkeypatch.delenv(f"EVENHAND_{name}", raising=False)
    return Path(shutil.copytree(kept, tmp_path / "study"))


@pytest.fixture
def said(folder: Path, said: Said) -> Said:
    """Runs a command on the folder."""
    return lambda *words: said(*words, "--study", str(folder))


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def other_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE recipe (cake TEXT)")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "0 bytes": (lambda file: file.write_bytes(b""), "is empty (0 bytes)"),
    "text": (lambda file: file.write_bytes(b"not a database at all" * 400), "damaged"),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:5000]), "damaged"),
    "zeros": (lambda file: file.write_bytes(bytes(file.stat().st_size)), "damaged"),
    "another program's": (other_program, "holds no study"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["check", "export", "verify"])
def test_a_database_that_is_none_is_told_and_left_as_it_is(
    folder: Path, said: Said, damage: str, command: str
) -> None:
    make, words = DAMAGES[damage]
    make(folder / "study.db")
    before = content(folder)
    code, out, err = said(command)
    assert (code, out) == (2, "")
    assert words in err and "from your copy" in err and "Traceback" not in err
    after = content(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"study.db-wal", "study.db-shm"}


def test_a_page_damaged_in_the_middle_is_told(folder: Path, said: Said) -> None:
    file = folder / "study.db"
    whole = bytearray(file.read_bytes())
    whole[8192:-4096] = os.urandom(len(whole) - 12288)
    file.write_bytes(whole)
    code, _, err = said("export")
    assert code == 2
    assert "damaged: put study.db back" in err and "Traceback" not in err


def test_the_database_and_its_logs_are_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    before = os.umask(0o022)
    try:
        study = make_small_study(tmp_path / "s", raters=2)
        names = ("study.db", "study.db-wal", "study.db-shm", "study.key")
        modes = {name: stat.S_IMODE((tmp_path / "s" / name).stat().st_mode) for name in names}
        study.close()
        assert modes == dict.fromkeys(names, 0o600)
        for command in (
            ["report", "--with-r"],
            ["links"],
            ["export", "-o", str(tmp_path / "s/e.csv")],
        ):
            assert run([*command, "--study", str(tmp_path / "s")]) == 0
    finally:
        os.umask(before)
    written = [p for p in (tmp_path / "s").rglob("*") if p.is_file() and p.name != "study.yaml"]
    assert len(written) > 10
    assert {stat.S_IMODE(p.stat().st_mode) for p in written} == {0o600}


def test_an_older_studys_database_is_closed_to_other_accounts(folder: Path) -> None:
    (folder / "study.db").chmod(0o644)
    open_study(folder).close()
    assert stat.S_IMODE((folder / "study.db").stat().st_mode) == 0o640


class TestWithoutKey:
    @pytest.fixture
    def lost(self, folder: Path) -> Path:
        (folder / "study.key").unlink()
        return folder

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe" + b"zz" * 31, b"ab" * 20])
    def test_a_damaged_key_is_a_lost_one(self, folder: Path, said: Said, content: bytes) -> None:
        (folder / "study.key").write_bytes(content)
        code, out, err = said("export", "--what", "log")
        assert (code, "study.key is damaged (expected 64" in err) == (0, True)
        assert out.count("\n") > 10

    @pytest.mark.parametrize(
        "what", ["ratings", "raters", "responses", "codebook", "protocol", "log"]
    )
    def test_exports_are_the_same_as_with_it(
        self, lost: Path, kept: Path, said: Said, capsys: pytest.CaptureFixture[str], what: str
    ) -> None:
        code, out, err = said("export", "--what", what)
        assert code == 0
        assert re.search(r"study\.key is (missing|damaged)", err) and "link can be made" in err
        assert run(["export", "--what", what, "--study", str(kept)]) == 0
        assert capsys.readouterr().out == out

    def test_the_report_is_the_same_as_with_it(
        self, lost: Path, kept: Path, said: Said, tmp_path: Path
    ) -> None:
        other = shutil.copytree(kept, tmp_path / "whole")
        assert run(["report", "--study", str(other)]) == 0
        assert said("report")[0] == 0
        pages = [next((f / "reports").glob("*/report.html")).read_text() for f in (lost, other)]
        assert pages[0] == pages[1]

    @pytest.mark.parametrize(
        "command",
        [["links"], ["enrol", "--group", "student", "-n", "1"], ["serve"], ["rehearse", "-n", "2"]],
    )
    def test_what_needs_it_says_so(self, lost: Path, said: Said, command: list[str]) -> None:
        before = content(lost)
        code, out, err = said(*command)
        assert code == 2
        assert "Put the file back from your copy" in err and "Traceback" not in err
        assert "/j/" not in out
        assert content(lost)["study.db"] == before["study.db"]

    def test_a_participant_can_still_withdraw_and_the_systems_be_revealed(
        self, lost: Path, said: Said, kept: Path
    ) -> None:
        rows = json.loads(
            "["
            + ",".join(said("export", "--what", "raters", "--format", "jsonl")[1].splitlines())
            + "]"
        )
        assert said("withdraw", rows[0]["rater"], "--yes")[0] == 0
        code, out, _ = said("unblind", "--person", "A", "--person", "B", "--yes", "--json")
        assert code == 0
        with_key = open_study(kept)
        try:
            from study.store.locking import system_codes

            expected = {code: system for system, code in system_codes(with_key).items()}
        finally:
            with_key.close()
        assert json.loads(out)["codes"] == expected
        # With the key back, the lines that nothing vouches for are named, and nothing else is.
        shutil.copy(kept / "study.key", lost / "study.key")
        code, _, err = said("verify")
        told = [line for line in err.splitlines() if line.startswith("  ")]
        assert code == 1
        assert len(told) == 2 and all("was written without study.key" in line for line in told)

    def test_verify_says_what_it_cannot_check(self, lost: Path, said: Said) -> None:
        code, _, err = said("verify")
        assert code == 1
        assert "1 fault was found:" in err
        assert "cannot be checked without it" in err

    def test_tampering_is_still_found(self, lost: Path, said: Said) -> None:
        with closing(sqlite3.connect(lost / "study.db")) as database:
            database.execute(
                "UPDATE rating SET value = 1 WHERE value = (SELECT max(value) FROM rating)"
            )
            database.commit()
        code, _, err = said("verify")
        assert code == 1 and "but the log says" in err


def test_a_study_locked_before_codes_were_kept_says_that_they_are_others(
    folder: Path, said: Said
) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as database:
        (text,) = database.execute("SELECT payload FROM event WHERE kind = 'locked'").fetchone()
        old = json.dumps({k: v for k, v in json.loads(text).items() if k != "blind_codes"})
        database.execute("UPDATE event SET payload = ? WHERE kind = 'locked'", (old,))
        database.commit()
    (folder / "study.key").unlink()
    code, out, err = said("export")
    assert code == 0 and out.count("\n") > 10
    assert "codes" in err and "not those of earlier reports" in err


def test_another_studys_key_is_not_taken_for_a_lost_one(folder: Path) -> None:
    (folder / "study.key").write_text("ab" * 32)
    with pytest.raises(StoreError, match="another study"):
        open_study(folder)


def test_the_key_is_asked_for_where_it_is_used(folder: Path) -> None:
    (folder / "study.key").unlink()
    study: Study = open_study(folder)
    try:
        with pytest.raises(StoreError, match=r"study\.key is missing"):
            _ = study.key
    finally:
        study.close()
