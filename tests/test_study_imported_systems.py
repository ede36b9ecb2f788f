"""Imported responses are a system's only origin: nothing is mixed, replaced or advised in silence.

Oracle: the texts of the files, and the log, one line for each change.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from study.store import events
from study.store.audit import study_faults
from study.store.responses import NewResponse, imported_systems, read_responses, save_responses
from study.store.study import opened
from tests.fixtures_commands import Said
from tests.fixtures_study import SMALL

ZEBRA = "prompt,system,text\np-sleep,zebrafinch,One.\n"
BOTH = ZEBRA + "p-work,zebrafinch,Two.\n"


@pytest.fixture(autouse=True)
def here(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "STUDY"):
        monkeypatch.delenv(f"EVENHAND_{name}", raising=False)
    monkeypatch.chdir(memory_folder)
    return memory_folder


@pytest.fixture
def study(here: Path, said: Said) -> Path:
    """The small study of two scripted systems and two prompts, without responses."""
    return _made(here, said, SMALL)


def _made(here: Path, said: Said, protocol: str) -> Path:
    (here / "p.yaml").write_text(protocol)
    assert said("init", "s", "--protocol", "p.yaml")[0] == 0
    for name, text in (("one.csv", ZEBRA), ("both.csv", BOTH)):
        (here / name).write_text(text)
    (here / "other.csv").write_text(BOTH.replace("Two.", "Two words."))
    return here / "s"


def texts(folder: Path, system: str = "zebrafinch") -> dict[str, str]:
    with opened(folder) as found:
        return {r.prompt_id: r.text for r in read_responses(found) if r.system_id == system}


def kinds(folder: Path) -> list[str]:
    with opened(folder) as found, found.reading() as connection:
        return [event.kind for event in events.read(connection)]


DECLARED = SMALL.replace(
    "{id: zebrafinch, title: Model Zebrafinch, backend: scripted}",
    "{id: zebrafinch, title: Model Zebrafinch, backend: imported, model: gpt-9}",
)


class TestGenerate:
    @pytest.mark.parametrize("protocol", [SMALL, DECLARED])
    def test_it_never_writes_into_an_imported_system(
        self, here: Path, said: Said, protocol: str
    ) -> None:
        folder = _made(here, said, protocol)
        assert said("import", "one.csv")[0] == 0
        code, out, err = said("generate")
        assert (code, "2 responses written" in out) == (0, True)
        assert "1 response is still missing" in out and "evenhand lock" not in out
        assert "System zebrafinch: 1 imported responses stay as they are; 1 are missing" in err
        assert texts(folder) == {"p-sleep": "One."}
        assert set(texts(folder, "quokka")) == {"p-sleep", "p-work"}

    def test_with_nothing_but_imported_systems_there_is_nothing_to_write(
        self, here: Path, said: Said
    ) -> None:
        folder = _made(here, said, SMALL.replace("backend: scripted", "backend: imported"))
        code, out, err = said("generate")
        assert (code, "0 responses written" in out) == (0, True)
        assert err.count("2 are missing: evenhand import FILE") == 2
        assert texts(folder) == {}

    def test_again_is_refused(self, study: Path, said: Said) -> None:
        said("import", "both.csv")
        code, _, err = said("generate", "--again", "zebrafinch")
        assert (code, "were imported, so evenhand cannot write them again" in err) == (2, True)
        assert texts(study) == {"p-sleep": "One.", "p-work": "Two."}

    def test_the_store_refuses_it_too(self, study: Path, said: Said) -> None:
        said("import", "one.csv")
        with opened(study) as found:
            assert imported_systems(found) == {"zebrafinch"}
            with pytest.raises(Exception, match="one origin"):
                save_responses(found, [NewResponse("p-work", "zebrafinch", "Mine.", {})])
        assert texts(study) == {"p-sleep": "One."}


class TestLock:
    @pytest.mark.parametrize("protocol", [SMALL, DECLARED])
    def test_it_advises_the_import_and_never_generate(
        self, here: Path, said: Said, protocol: str
    ) -> None:
        _made(here, said, protocol)
        said("import", "one.csv")
        code, _, err = said("lock")
        assert code == 1
        assert "no response of 'zebrafinch' to 'p-work'; evenhand import FILE" in err
        assert (
            "no response of 'quokka' to 2 prompts: 'p-sleep', 'p-work'; run `evenhand generate`"
            in err
        )

    def test_a_reworded_prompt_asks_for_a_new_import(self, study: Path, said: Said) -> None:
        said("import", "both.csv")
        said("generate")
        protocol = study / "study.yaml"
        protocol.write_text(protocol.read_text().replace("I cannot sleep.", "I sleep badly."))
        err = said("lock")[2]
        assert (
            "the prompt 'p-sleep' was reworded after 'zebrafinch' answered it; evenhand import"
            in err
        )
        assert "run `evenhand generate --again quokka`" in err
        # The same text may answer the new wording as well: a person says so by importing it again.
        code, _, err = said("import", "both.csv")
        assert (code, "the same text, for another wording of the prompt" in err) == (2, True)
        assert said("import", "both.csv", "--replace")[0] == 0
        assert "zebrafinch" not in said("lock")[2]

    @pytest.mark.slow
    def test_thousands_are_summed_up(self, here: Path, said: Said) -> None:
        many = "".join(f"  - {{id: q{i}, topic: sleep, text: Text {i}.}}\n" for i in range(1200))
        folder = _made(here, said, SMALL.replace("systems:\n", many + "systems:\n", 1))
        said("import", "one.csv")
        code, _, err = said("lock")
        assert code == 1 and len(err) < 1000
        assert (
            "no response of 'quokka' to 1,202 prompts: 'p-sleep', 'p-work', 'q0' and 1,199 more"
            in err
        )
        rows = "".join(f"q{i},zebra,x\n" for i in range(2500))
        (here / "wrong.csv").write_text("prompt,system,text\n" + rows)
        code, _, err = said("import", "wrong.csv")
        assert (code, "and 2,480 more" in err, len(err) < 4000) == (2, True, True)
        assert texts(folder) == {"p-sleep": "One."}


class TestReplacing:
    def test_other_texts_are_told_and_nothing_changes(self, study: Path, said: Said) -> None:
        said("import", "both.csv")
        before = kinds(study)
        code, _, err = said("import", "other.csv")
        assert code == 2
        assert "1 response is there already, and differs;" in err
        assert (
            "p-work x zebrafinch: from character 4 on, there 'Two.', in the file 'Two words.'"
            in err
        )
        assert "evenhand import FILE --replace" in err
        assert texts(study)["p-work"] == "Two."
        assert kinds(study) == before

    def test_with_replace_they_take_the_place_and_the_log_tells(
        self, study: Path, said: Said
    ) -> None:
        said("import", "both.csv")
        code, out, _ = said("import", "other.csv", "--replace", "--json")
        assert (code, json.loads(out)) == (0, {"imported": 1, "already_there": 1})
        assert texts(study) == {"p-sleep": "One.", "p-work": "Two words."}
        assert kinds(study)[-1:] == ["response_replaced"]
        with opened(study) as found:
            assert study_faults(found) == []

    def test_the_same_file_again_changes_nothing(self, study: Path, said: Said) -> None:
        said("import", "both.csv")
        before = kinds(study)
        for words in (["import", "both.csv"], ["import", "both.csv", "--replace"]):
            code, out, _ = said(*words)
            assert (code, "0 responses imported, 2 were already there" in out) == (0, True)
        assert kinds(study) == before

    def test_after_the_lock_nothing_is_replaced(self, study: Path, said: Said) -> None:
        said("import", "both.csv")
        said("generate")
        assert said("lock")[0] == 0
        code, _, err = said("import", "other.csv", "--replace")
        assert (code, "is locked" in err) == (2, True)
        assert texts(study)["p-work"] == "Two."

    def test_what_generate_wrote_is_replaced_as_a_whole_or_not(
        self, study: Path, said: Said
    ) -> None:
        said("generate")
        written = texts(study)
        code, _, err = said("import", "both.csv")
        assert (code, "were written by `evenhand generate`" in err) == (2, True)
        code, _, err = said("import", "one.csv", "--replace")
        assert (code, "The file lacks p-work; give them, too" in err) == (2, True)
        assert texts(study) == written
        assert said("import", "both.csv", "--replace")[0] == 0
        assert texts(study) == {"p-sleep": "One.", "p-work": "Two."}
        assert kinds(study)[-2:] == ["response_replaced"] * 2


class TestProtocol:
    @pytest.mark.parametrize(
        ("field", "said_of_it"),
        [
            ("tokenizer: x", "remove tokenizer"),
            ("endpoint: http://h/v1", "remove endpoint"),
            ("adapter: a", "remove adapter"),
        ],
    )
    def test_a_field_of_who_writes_is_refused(
        self, here: Path, said: Said, field: str, said_of_it: str
    ) -> None:
        (here / "p.yaml").write_text(DECLARED.replace("model: gpt-9", field))
        code, _, err = said("init", "s", "--protocol", "p.yaml")
        assert (code, said_of_it in err) == (2, True)

    def test_check_needs_no_model_of_it(self, here: Path, said: Said) -> None:
        _made(here, said, DECLARED)
        code, _, err = said("check")
        assert (code, "missing" in err) == (0, False)


class TestReport:
    """Whose responses were imported is told by number before unblinding, and by name afterwards.

    Oracle: the protocol's own names. Which code was imported must not be seen before, since the protocol
    and the file name the system: neither in words nor by tokens, which imported responses lack.
    """

    @pytest.mark.parametrize(
        ("imported", "blind", "after"),
        [
            ((), None, None),
            (("zebrafinch",), "of 1 of the 2 systems were", "the table of systems says which"),
            (("zebrafinch", "quokka"), "of every system were", "of every system were"),
        ],
    )
    def test_it_tells_how_many_and_after_unblinding_which(
        self,
        here: Path,
        said: Said,
        imported: tuple[str, ...],
        blind: str | None,
        after: str | None,
    ) -> None:
        _made(here, said, SMALL)
        for system in imported:
            (here / f"{system}.csv").write_text(BOTH.replace("zebrafinch", system))
            assert said("import", f"{system}.csv")[0] == 0
        for command in (("generate",), ("lock",), ("rehearse", "-n", "4")):
            assert said(*command)[0] == 0, command
        said("export", "--what", "responses", "--format", "jsonl", "-o", "r.jsonl")
        rows = [json.loads(line) for line in (here / "r.jsonl").read_text().splitlines()]
        assert len(rows) == 4
        assert all(row["completion_tokens"] is None for row in rows)
        page, tables = self._report(said, "blind")
        assert ("made elsewhere and imported" in page) == bool(imported)
        assert blind is None or blind in page
        assert "origin" not in tables["systems"]
        assert "tokens" not in tables["systems"] and "tokens" not in tables["automatic-length"]
        assert said("unblind", "--person", "Ann", "--person", "Bo", "--yes")[0] == 0
        page, tables = self._report(said, "open")
        assert ("made elsewhere and imported" in page) == bool(imported)
        assert after is None or after in page
        shown = csv.DictReader(tables["systems"].splitlines())
        origins = {row["system"]: row.get("origin") for row in shown}
        expected = {s: "imported" if s in imported else "generated" for s in origins}
        assert origins == (expected if imported else dict.fromkeys(origins))
        assert len(origins) == 2
        assert "tokens" in tables["automatic-length"]

    def _report(self, said: Said, name: str) -> tuple[str, dict[str, str]]:
        code, out, err = said(
            "report", "--json", "--section", "materials", "--section", "automatic-measures"
        )
        assert code == 0, (name, err)
        folder = Path(json.loads(out)["reports"][0]).parent
        tables = {path.stem: path.read_text() for path in (folder / "tables").glob("*.csv")}
        return " ".join((folder / "report.html").read_text().split()), tables
