"""Disk full, read-only and missing folders: a sentence, exit code 2, and nothing half-written.

Oracle: the kernel itself. A small file system in memory that fills up (ENOSPC), a read-only mount, a limit
on the size of files (EFBIG) and /dev/full. What is left afterwards is compared byte for byte.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study.errors import WritingError
from study.whole_files import whole_file, whole_folder, write_whole
from tests.conftest import make_small_study

EVENHAND = shlex.join([sys.executable, "-m", "study.cli"])
ROOT = Path(__file__).parent.parent


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = "mount -t tmpfs -o size=64k tmpfs /tmp"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
    return done.returncode == 0


needs_mounts = pytest.mark.skipif(not _may_mount(), reason="file systems cannot be mounted here")


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked study of twelve people and two simulated raters."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    make_small_study(folder, simulated=2).close()
    return folder


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs lines of a shell in a room of its own, where it may mount what nobody else sees."""

    def run(
        script: str, *, mounts: bool = True, unbuffered: str = "1"
    ) -> subprocess.CompletedProcess[str]:
        room = ["unshare", "-rm"] if mounts else []
        told = {"EVENHAND_DATABASE_URL", "EVENHAND_STUDY"}
        return subprocess.run(
            [*room, "sh", "-c", script],
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if k not in told},
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": unbuffered,
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


def hidden(folder: Path) -> list[str]:
    """Files that a writer left behind beside their place."""
    return [p.name for p in folder.rglob(".evenhand-*")]


class TestWholeFiles:
    def test_it_is_there_whole_and_for_its_owner_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "a.csv"
        file.write_text("before")
        file.chmod(0o644)
        with whole_file(file) as part:
            part.write_text("after")
            assert file.read_text() == "before"
        assert file.read_text() == "after"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]

    def test_what_was_there_stays_when_the_writer_fails(self, tmp_path: Path) -> None:
        file = tmp_path / "a.csv"
        file.write_text("before")
        with pytest.raises(RuntimeError), whole_file(file) as part:
            part.write_text("half")
            raise RuntimeError
        assert (file.read_text(), [p.name for p in tmp_path.iterdir()]) == ("before", ["a.csv"])

    def test_a_link_stays_one_and_a_device_is_written_itself(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "target")
        write_whole(tmp_path / "link", "x")
        assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "x"
        write_whole(Path(os.devnull), "x")
        assert Path(os.devnull).is_char_device()
        with pytest.raises(WritingError, match="no room for /dev/full"):
            write_whole(Path("/dev/full"), "x")

    def test_wrong_places_are_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(WritingError, match=r"is a folder\. Name a file in it"):
            write_whole(tmp_path, "x")
        with pytest.raises(WritingError, match=r"no folder .*gone for a.csv"):
            write_whole(tmp_path / "gone" / "a.csv", "x")
        with pytest.raises(WritingError, match=r"no folder .*file for a.csv"):
            write_whole(tmp_path / "file" / "a.csv", "x")

    def test_a_folder_is_there_whole_or_as_it_was(self, tmp_path: Path) -> None:
        place = tmp_path / "deep" / "report"
        with whole_folder(place) as part:
            write_whole(part / "a", "1")
        with pytest.raises(RuntimeError), whole_folder(place) as part:
            write_whole(part / "a", "2")
            raise RuntimeError
        assert ((place / "a").read_text(), hidden(tmp_path)) == ("1", [])
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


# Each writes something else: text, a binary file by a library, many files, a page of links.
WRITERS = [
    "export -o full/out.csv",
    "export --what codebook -o full/out.jsonl --format jsonl",
    "export --format sav -o full/out.sav",
    "export --format dta -o full/out.dta",
    "protocols --schema > full/schema.json",
    "export --what log --format jsonl > full/schema.json",
    "init full/new --protocol eai-2025",
]


@needs_mounts
@pytest.mark.parametrize("command", WRITERS)
def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(
    rated: Path,
    tmp_path: Path,
    shell: Callable[..., subprocess.CompletedProcess[str]],
    command: str,
) -> None:
    (tmp_path / "full").mkdir()
    study = "" if command.startswith(("init", "protocols")) else f"--study {rated}"
    words, to, file = command.partition(" > ")
    done = shell(
        "mount -t tmpfs -o size=64k tmpfs full && echo before > full/out.csv && "
        "head -c 57344 /dev/zero > full/filler\n"
        f"{EVENHAND} {words} {study} {to}{file}\n"
        "echo code $? >&2; cat full/out.csv; ls -A full full/new 2>/dev/null"
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert "room" in done.stderr or "full" in done.stderr
    assert done.stdout.startswith("before\n")
    kept = set(done.stdout.split()[1:]) - {"full:", "schema.json"}
    assert kept == {"filler", "out.csv"}


@needs_mounts
@pytest.mark.parametrize("command", ["report", "report --with-r", "links"])
def test_in_the_studys_own_folder_too(
    rated: Path,
    tmp_path: Path,
    shell: Callable[..., subprocess.CompletedProcess[str]],
    command: str,
) -> None:
    # The database itself lies elsewhere, so that what fills up is what is being written.
    (tmp_path / "full").mkdir()
    done = shell(
        "mount -t tmpfs -o size=32k tmpfs full && D=$(mktemp -d) && "
        f"cp {rated}/study.yaml {rated}/study.key full/ && cp {rated}/study.db* $D/ && "
        "head -c 1000000 /dev/zero > full/filler 2>/dev/null\n"
        f"EVENHAND_DATABASE_URL=sqlite:///$D/study.db {EVENHAND} {command} --study full\n"
        "echo code $? >&2; ls -A full full/reports 2>/dev/null; rm -r $D"
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert "There is no room for" in done.stderr
    kept = set(done.stdout.split()) - {"full:", "full/reports:", "reports"}
    assert kept == {"filler", "study.key", "study.yaml"}


@pytest.mark.slow
@needs_mounts
@pytest.mark.offline_model
def test_no_room_for_what_a_library_writes_is_told(
    tmp_path: Path, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    # torch writes the converted weights (13 MB) into the temporary folder and tells it in its own way.
    (tmp_path / "full").mkdir()
    done = shell(
        "mount -t tmpfs -o size=1m tmpfs full\n"
        f"TMPDIR=$PWD/full {EVENHAND} quantize {ROOT}/models/shipped/demo-base -o out.pte\n"
        "echo code $? >&2; ls -A full | grep -v torchinductor"
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert "There is no room on the disk" in done.stderr and "TMPDIR" in done.stderr
    assert done.stdout == "" and not (tmp_path / "out.pte").exists()


@needs_mounts
@pytest.mark.parametrize(
    "command", ["export -o ro/out.csv", "init ro/new --protocol demo", "export --study ro"]
)
def test_a_read_only_folder_is_a_sentence(
    rated: Path,
    tmp_path: Path,
    shell: Callable[..., subprocess.CompletedProcess[str]],
    command: str,
) -> None:
    shutil.copytree(rated, tmp_path / "ro")
    study = "" if "--study" in command or "init" in command else f"--study {rated}"
    done = shell(
        "mount --bind ro ro && mount -o remount,bind,ro ro\n"
        f"{EVENHAND} {command} {study}; echo code $? >&2"
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert "may write" in done.stderr
    assert not (tmp_path / "ro" / "out.csv").exists() and not (tmp_path / "ro" / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        "export -o out.csv",
        "export --format sav -o out.sav",
        "export --format dta -o out.dta",
        "report",
    ],
)
def test_a_limit_on_the_size_of_files_is_a_full_disk(
    rated: Path,
    tmp_path: Path,
    shell: Callable[..., subprocess.CompletedProcess[str]],
    command: str,
) -> None:
    shutil.copytree(rated, tmp_path / "study")
    # ulimit counts in blocks of 512 or 1024 bytes; 2 of them are less than any of these files.
    done = shell(
        f"touch study/study.db-shm; ulimit -f 2; {EVENHAND} {command} --study study; echo code $? >&2",
        mounts=False,
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out.*")) and not hidden(tmp_path)
    assert not (tmp_path / "study" / "reports").exists() or not list(
        (tmp_path / "study" / "reports").iterdir()
    )


def test_without_any_temporary_folder_a_defect_is_still_one_line(
    tmp_path: Path, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    # Nothing at all can be written, so tempfile finds no folder (FileNotFoundError).
    code = (
        "import sys; from study.cli import group; "
        "group.evenhand.main = lambda **_: 1 / 0; sys.exit(group.run([]))"
    )
    done = shell(f"ulimit -f 0; {shlex.join([sys.executable, '-c', code])}", mounts=False)
    assert (done.returncode, "Traceback" in done.stderr) == (70, False)
    assert done.stderr.startswith("evenhand has a defect (ZeroDivisionError")
    assert "could be written nowhere" in done.stderr


@pytest.mark.parametrize(
    "command", ["--help", "protocols", "export --study STUDY", "export --what log --study STUDY"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_place_for_the_output_is_told(
    rated: Path,
    shell: Callable[..., subprocess.CompletedProcess[str]],
    command: str,
    unbuffered: str,
) -> None:
    words = command.replace("STUDY", str(rated))
    done = shell(
        f"{EVENHAND} {words} > /dev/full; echo code $? >&2", mounts=False, unbuffered=unbuffered
    )
    assert "code 2" in done.stderr and "Traceback" not in done.stderr
    assert "output could not be written" in done.stderr and "Exception ignored" not in done.stderr


@pytest.fixture(autouse=True)
def rated_stays(rated: Path) -> Iterator[None]:
    """What a command could not write elsewhere left the study itself alone."""
    yield
    assert hidden(rated) == []
