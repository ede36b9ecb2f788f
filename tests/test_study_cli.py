"""The command line: exit codes, one sentence for each mistake, blindness, and its documentation."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from study.cli.group import COMMANDS, EXIT_DEFECT, evenhand, load_command, run
from study.cli.options import find_study_folder
from study.errors import StoreError
from study.store.raters import read_raters
from study.store.ratings import read_assignments, read_ratings, save_ratings
from study.store.study import open_study, opened
from tests.fixtures_commands import page_writer
from tests.fixtures_study import SYSTEM_NAMES, answers, ready_rater, small_protocol

ROOT = Path(__file__).parent.parent
RESPONSES = """\
prompt,system,text
p-sleep,zebrafinch,It is hard to lie awake. A fixed hour to get up can help.
p-sleep,quokka,Lying awake is tiring. What goes through your mind then?
p-work,zebrafinch,Worry about work can take up a whole evening.
p-work,quokka,You sound worried. Which part of your work weighs most?
"""


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder, with no setting from outside."""
    for name in ("EVENHAND_DATABASE_URL", "EVENHAND_STUDY", "EVENHAND_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    small_protocol(tmp_path)
    (tmp_path / "responses.csv").write_text(RESPONSES)
    return tmp_path


def ok(*arguments: str) -> None:
    assert run(arguments) == 0


@pytest.fixture
def locked_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The small study in ``here/s``, locked through the command line."""
    ok("init", "s", "--protocol", "small.yaml")
    ok("import", "responses.csv")
    ok("lock")
    capsys.readouterr()
    return here / "s"


def test_a_study_from_protocol_to_verify(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way of the README, in one folder, with the study found by itself."""
    ok("init", "s", "--protocol", "small.yaml")
    ok("check")
    assert "no problems" in capsys.readouterr().out
    ok("import", "responses.csv", "--json")
    assert json.loads(capsys.readouterr().out) == {"imported": 4, "already_there": 0}
    ok("lock", "--json")
    hashes = json.loads(capsys.readouterr().out)["sha256"]
    assert set(hashes) == {"protocol", "responses", "allocation", "analysis_plan"}
    ok("enrol", "--group", "student", "-n", "2", "--json")
    raters = json.loads(capsys.readouterr().out)["raters"]
    assert all(re.fullmatch(r"http://127\.0\.0\.1:8501/j/[\w-]{27}", r["link"]) for r in raters)
    ok("rehearse", "--seed", "1", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "simulated_raters": 2,
        "answers": 24,
        "screened_out": 0,
    }
    ok("withdraw", raters[0]["code"].lower(), "--yes")
    ok("verify", "--json")
    found = json.loads(capsys.readouterr().out.partition("them too.\n")[2])
    assert found["faults"] == []
    assert re.fullmatch(r"[0-9a-f]{64}", found["last_hash"])
    with opened(here / "s") as study:
        assert len(read_ratings(study)) == 12


def test_the_link_sheet_is_for_its_owner_and_names_no_system(locked_folder: Path) -> None:
    ok("enrol", "--group", "student", "-n", "2")
    sheet = locked_folder / "links.html"
    assert sheet.stat().st_mode & 0o077 == 0
    text = sheet.read_text().lower()
    assert text.count("<svg") == 2
    assert [name for name in SYSTEM_NAMES if name in text] == []


@pytest.mark.parametrize(
    "command",
    [
        ["check"], ["check", "--json"], ["links"], ["lock"], ["lock", "--json"], ["verify"],
        ["export"], ["export", "--what", "raters"], ["export", "--what", "responses"],
        ["export", "--what", "codebook"], ["export", "--what", "protocol"], ["export", "--what", "log"],
        ["export", "--format", "jsonl"], ["enrol", "--group", "student", "-n", "1", "--yes"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_after_the_lock_no_output_names_a_system(
    locked_folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ok("enrol", "--group", "student", "-n", "1")
    capsys.readouterr()
    ok(*command)
    captured = capsys.readouterr()
    said = (captured.out + captured.err).lower()
    assert said
    assert [name for name in SYSTEM_NAMES if name in said] == []


def test_unblinding_reveals_and_exports_follow(
    locked_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ok("enrol", "--group", "student", "-n", "1")
    capsys.readouterr()
    ok("unblind", "--person", "Ann", "--person", "Bo", "--json", "--yes")
    assert set(json.loads(capsys.readouterr().out)["codes"].values()) == {"zebrafinch", "quokka"}
    ok("export")
    assert "zebrafinch" in capsys.readouterr().out


def _broken(folder: Path, content: str | bytes, name: str = "bad.csv") -> str:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


BAD_PROTOCOLS = {
    "broken YAML": ("id: [a", "YAML"),
    "a tab": ("id:\n\t- a", "line 2"),
    "empty": ("", "empty file"),
    "not UTF-8": (b"id: \xff", "UTF-8"),
    "a list": ("- a", "found a list"),
}


@pytest.mark.parametrize("name", BAD_PROTOCOLS)
def test_a_bad_protocol_is_told_and_makes_no_folder(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, said = BAD_PROTOCOLS[name]
    assert run(["init", "s", "--protocol", _broken(here, content, "bad.yaml")]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "s").exists()


def test_a_duplicate_item_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "small.yaml"
    file.write_text(file.read_text().replace("id: kind,", "id: clear,"))
    assert run(["init", "s", "--protocol", "small.yaml"]) == 2
    assert "the item 'clear' is declared twice" in capsys.readouterr().err


MISTAKES = {
    "no such protocol": (["init", "x", "--protocol", "none"], "no shipped protocol 'none'"),
    "a study is there": (["init", "s", "--protocol", "small.yaml"], "already holds a study"),
    "no study": (["check", "--study", "nowhere"], "There is no study in nowhere"),
    "no such file": (["import", "none.csv"], "There is no file none.csv"),
    "an empty text": (["import", "empty.csv"], "line 2: the text is empty"),
    "not JSON": (["import", "bad.jsonl"], "line 1: not valid JSON"),
    "no rows": (["import", "none_in.csv"], "but no rows"),
    "after the lock": (["import", "responses.csv"], "The study is locked"),
    "again after the lock": (["generate", "--again", "quokka"], "The study is locked"),
    "no such group": (["enrol", "--group", "nobody", "-n", "1"], "no group 'nobody'"),
    "no raters": (["enrol", "--group", "student", "-n", "0"], "Found 0 raters"),
    "nobody enrolled": (["links"], "Nobody is enrolled"),
    "nobody to rehearse": (["rehearse"], "Nobody who has not started"),
    "no such code": (["withdraw", "AAAA-AAAA", "--yes"], "Nobody has the participant code"),
    "no such folder": (["export", "-o", "no/such/x.csv"], "There is no folder no/such for x.csv"),
    "no such option": (["check", "--nonsense"], "No such option"),
    "no such command": (["nonsense"], "No such command"),
    "no file for labels": (["export", "--format", "sav"], "needs a file whose name ends in .sav"),
    "labels of a codebook": (
        ["export", "--what", "codebook", "--format", "sav", "-o", "c.sav"],
        "The format sav is for the ratings and the raters; found --what codebook",
    ),
    "no such format": (["export", "--format", "xls"], "is not one of"),
    "one person": (["unblind", "--yes", "--person", "Ann"], "the names of two people; found 1"),
    "the same person": (
        ["unblind", "--yes", "--person", "Ann", "--person", "ann"],
        "'Ann' was named twice",
    ),
    "nobody to ask": (
        ["unblind", "--person", "Ann", "--person", "Bo"],
        "nothing can be asked, so the systems stay under their codes: unblinding cannot be undone",
    ),
    "no protocol": (["init", "x"], "`evenhand protocols` lists those"),
    "no scheme": (
        ["enrol", "--group", "student", "-n", "1", "--address", "192.168.1.20:8501"],
        "found '192.168.1.20:8501', which does not begin with http:// or https://; expected something "
        "like http://192.168.1.20:8501",
    ),
    "no scheme in links": (["links", "--address", "tablet:8501"], "does not begin with http://"),
    "no scheme in serve": (["serve", "--address", "tablet:8501"], "does not begin with http://"),
    "an address of nobody": (["links", "--address", "http://0.0.0.0:8501"], "a tablet can open"),
    "no host": (["links", "--address", "http://:8501"], "is no web address"),
    "no such port": (["links", "--address", "http://a:99999"], "is no web address"),
    "not a number": (["enrol", "--group", "student", "-n", "many"], "not a valid integer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_words_with_exit_code_2(
    name: str, locked_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback and no defect; the study is as it was."""
    _broken(here, "prompt,system,text\np-work,quokka,\n", "empty.csv")
    _broken(here, "prompt,system,text\n", "none_in.csv")
    _broken(here, "{", "bad.jsonl")
    arguments, said = MISTAKES[name]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert run(["verify"]) == 0


def test_a_changed_protocol_is_told_and_put_back(
    locked_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = locked_folder / "study.yaml"
    before = file.read_text()
    file.write_text(before.replace("seed: 3", "seed: 4"))
    assert run(["check"]) == 2
    assert "evenhand lock --restore" in capsys.readouterr().err
    ok("lock", "--restore")
    assert file.read_text() == before
    ok("check")


def test_a_missing_response_refuses_the_lock_as_a_finding(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ok("init", "s", "--protocol", "small.yaml")
    assert run(["lock"]) == 1
    assert "evenhand generate" in capsys.readouterr().err
    for command in (["rehearse", "-n", "2"], ["generate", "--cluster", "nowhere"]):
        assert run(command) == 2
        # One sentence, and no bar that would go to nowhere above it.
        assert len(capsys.readouterr().err.strip().splitlines()[1:]) == 1


def test_tampering_is_a_finding(locked_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlalchemy import text

    with opened(locked_folder) as study, study.writing() as connection:
        connection.execute(text("UPDATE event SET at = 'x' WHERE seq = 2"))
    assert run(["verify"]) == 1
    assert "line 2 of the audit log" in capsys.readouterr().err
    assert run(["verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"]


def test_a_rehearsal_never_mixes_with_people(
    locked_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(locked_folder) as study:
        rater = ready_rater(study).rater
        own = read_assignments(study)[0].id
        save_ratings(study, rater, own, answers(study))
    assert run(["rehearse", "-n", "2"]) == 2
    assert rater.code in capsys.readouterr().err
    with opened(locked_folder) as study:
        assert len(read_raters(study)) == 1


def test_withdrawing_asks_first(locked_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal that says no; then an input that is no terminal, where nothing can be asked."""
    with opened(locked_folder) as study:
        code = ready_rater(study).rater.code
    command = [sys.executable, "-m", "study.cli", "withdraw", code, "--study", str(locked_folder)]
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"n\n")
        asked = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (asked.returncode, f"Erase everything that {code}" in asked.stdout) == (130, True)
    silent = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert (silent.returncode, silent.stdout) == (2, "")
    assert f"{code} was not erased: that cannot be undone. Give --yes." in silent.stderr
    with opened(locked_folder) as study:
        assert read_raters(study)[0].demographics


def test_a_defect_is_one_line_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(**_: object) -> int:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(evenhand, "main", breaks)
    assert run(["check"]) == EXIT_DEFECT
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    file = Path(re.search(r"with the file (\S+\.log)", said)[1])  # type: ignore[index]
    assert "Traceback" in file.read_text()
    file.unlink()


class TestWhichStudy:
    @pytest.fixture
    def one(self, here: Path) -> Path:
        ok("init", "one", "--protocol", "small.yaml")
        return here

    def test_the_only_study_in_a_folder_here(self, one: Path) -> None:
        assert find_study_folder(one) == one / "one"

    def test_the_current_folder_itself(self, one: Path) -> None:
        assert find_study_folder(one / "one") == one / "one"

    def test_several_are_refused(self, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ok("init", "two", "--protocol", "small.yaml")
        with pytest.raises(StoreError, match="Several folders"):
            find_study_folder(one)
        assert run(["check"]) == 2
        assert "--study DIR" in capsys.readouterr().err
        ok("check", "--study", "two")

    def test_none(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["check"]) == 2
        assert "evenhand init" in capsys.readouterr().err


def _commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = load_command(name)
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                part = command.get_command(context, inner)
                assert part is not None
                yield f"{name} {inner}", part


@pytest.mark.parametrize(("name", "command"), list(_commands()))
def test_every_command_has_an_example_and_every_option_says_what_it_does(
    name: str, command: click.Command
) -> None:
    assert f"evenhand {name}" in (command.help or "")
    silent = [p.opts for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_the_page_of_commands_is_current() -> None:
    """When this fails: python docs/writers/commands_page.py"""
    module = page_writer("commands")
    page = module.PAGE.read_text(encoding="utf-8")
    assert page == module.page_text()
    for name, command in _commands():
        section = page.partition(f"## evenhand {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(f"`{option}`" in section for option in parameter.opts), (name, parameter)


def test_the_console_script(here: Path) -> None:
    """Installed and called as a user does; exit code 2 and one sentence for a mistake."""
    script = Path(sys.executable).parent / "evenhand"
    done = subprocess.run([script, "check"], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "There is no study in" in done.stderr
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert re.search(r"\d+\.\d+\.\d+", version.stdout)


def test_a_study_survives_being_opened_by_two_commands_at_once(locked_folder: Path) -> None:
    first, second = open_study(locked_folder), open_study(locked_folder)
    assert ready_rater(first).rater.slot == 0
    assert ready_rater(second).rater.slot == 1
    first.close()
    second.close()


def test_the_report_comes_with_an_r_script_and_names_its_packages(
    locked_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the paths printed exist, and the versions are those that are installed."""
    from importlib import metadata

    assert run(["rehearse", "-n", "2", "--seed", "1", "--json"]) == 0
    capsys.readouterr()
    sections = ["--section", "contrast", "--section", "made-from"]
    assert run(["report", "--with-r", "--json", *sections]) == 0
    written = json.loads(capsys.readouterr().out)
    files = [Path(path) for path in written["r_files"]]
    assert files[0].name == "report.R" and all(path.is_file() for path in files)
    page = Path(written["reports"][0]).read_text(encoding="utf-8")
    for package in ("jinja2", "matplotlib", "typst"):
        assert package in page and metadata.version(package) in page
    assert run(["report", "--with-r", *sections]) == 0
    assert "R: " in capsys.readouterr().out
    assert run(["report", "--json", *sections]) == 0
    assert json.loads(capsys.readouterr().out)["r_files"] == []
