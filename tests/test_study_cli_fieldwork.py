"""The coordinator's commands around a session: cards, address, warnings, unblinding, model files.

Oracle: what a coordinator must be told, worked out by hand for the small study of two groups.
"""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from models.backends.scripted import ScriptedBackend
from study.store.link_address import read_address
from study.store.locking import unblind_study
from study.store.raters import read_raters
from study.store.ratings import read_assignments, save_ratings
from study.store.study import opened
from survey_app.chat.answering import chat_remark
from survey_app.server.addresses import ANY_HOST, local_network_address
from tests.conftest import free_port
from tests.fixtures_chat import chat_address, make_chat_study
from tests.fixtures_commands import Said
from tests.fixtures_study import SYSTEM_NAMES, answers, ready_rater, small_protocol
from tests.test_study_cli import RESPONSES

OWN = "192.168.7.7"


@pytest.fixture(autouse=True)
def here(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in a network where this machine has one address."""
    for name in ("DATABASE_URL", "STUDY", "ADDRESS", "CHAT_ADDRESS", "CHAT_KEY"):
        monkeypatch.delenv(f"EVENHAND_{name}", raising=False)
    monkeypatch.setattr("survey_app.server.addresses.local_network_address", lambda: OWN)
    monkeypatch.chdir(memory_folder)
    small_protocol(memory_folder)
    (memory_folder / "responses.csv").write_text(RESPONSES)
    return memory_folder


@pytest.fixture
def folder(here: Path, said: Said) -> Path:
    """The small study, locked."""
    for words in (["init", "s", "--protocol", "small.yaml"], ["import", "responses.csv"], ["lock"]):
        assert said(*words)[0] == 0
    return here / "s"


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """A server that only says where it listens; gives the addresses that it was told."""
    told: list[str | None] = []

    def serve(_: Path, __: str, port: int, *, address, chat_address, when_listening) -> None:  # type: ignore[no-untyped-def]
        del chat_address
        told.append(address)
        when_listening(port)

    monkeypatch.setattr("survey_app.server.serving.serve", serve)
    return told


class TestCards:
    def test_a_second_enrolment_adds_its_cards(self, folder: Path, said: Said) -> None:
        assert "(3 cards" in said("enrol", "--group", "student", "-n", "3")[1]
        code, out, _ = said("enrol", "--group", "professional", "-n", "2", "--json")
        told = json.loads(out)
        assert (code, told["cards"], len(told["raters"])) == (0, 5, 2)
        sheet = (folder / "links.html").read_text()
        assert re.findall(r"<h2>(.*?)</h2>", sheet) == ["Students: 3", "Professionals: 2"]
        with opened(folder) as study:
            assert sorted(re.findall(r'class="code">(.*?)<', sheet)) == sorted(
                rater.code for rater in read_raters(study)
            )

    def test_who_withdrew_and_who_is_simulated_gets_none(self, folder: Path, said: Said) -> None:
        said("rehearse", "-n", "2")
        code, _, err = said("links")
        assert (code, "simulated raters, who need no link" in err) == (2, True)
        raters = json.loads(said("enrol", "--group", "student", "-n", "2", "--json")[1])["raters"]
        said("withdraw", raters[0]["code"], "--yes")
        assert json.loads(said("links", "--json")[1])["cards"] == 1
        assert raters[1]["code"] in (folder / "links.html").read_text()


class TestAddress:
    def test_a_wrong_one_enrols_nobody(self, folder: Path, said: Said) -> None:
        assert said("enrol", "--group", "student", "-n", "1", "--address", "tablet:8501")[0] == 2
        with opened(folder) as study:
            assert read_raters(study) == []
            assert read_address(study) is None

    def test_it_is_kept_for_links_enrol_and_serve(
        self, folder: Path, said: Said, listening: list[str | None]
    ) -> None:
        given = "http://192.168.1.20:8501"
        _, out, err = said("enrol", "--group", "student", "-n", "1", "--address", given + "/")
        assert (out.count(f"{given}/j/"), err) == (1, "Study: s\n")
        assert f"{given}/j/" in said("links")[1]
        assert f"{given}/j/" in said("enrol", "--group", "student", "-n", "1", "--yes")[1]
        _, out, err = said("serve", "--host", ANY_HOST)
        assert f"Coordinator: {given}/coordinator/" in out
        assert (listening, "do not lead here" in err) == ([given], False)
        assert said("verify")[0] == 0

    def test_another_one_says_what_becomes_of_the_cards(
        self, folder: Path, said: Said, listening: list[str | None]
    ) -> None:
        said("enrol", "--group", "student", "-n", "1", "--address", "http://a.example:8501")
        _, out, err = said("links", "--address", "http://b.example:8501")
        assert "http://b.example:8501/j/" in out
        assert "Links began with http://a.example:8501 before" in err
        _, _, err = said("serve", "--address", "https://c.example")
        assert "was written for http://b.example:8501. Write it again: evenhand links" in err
        assert "https://c.example/j/" in said("links")[1]

    def test_links_of_this_computer_only_are_told(self, folder: Path, said: Said) -> None:
        _, out, err = said("enrol", "--group", "student", "-n", "1")
        assert "http://127.0.0.1:8501/j/" in out
        assert f"this computer only. For tablets: evenhand links --address http://{OWN}:8501" in err
        said("links", "--address", "https://study.example.org")
        assert said("links")[2] == "Study: s\n"

    @pytest.mark.parametrize(
        ("address", "words", "told", "coordinator"),
        [
            (None, [], "this computer only. For tablets: evenhand links --address http://ADDRESS-OF-THIS"
             "-COMPUTER:8501, then evenhand serve --host 0.0.0.0 --port 8501", "http://127.0.0.1:8501"),
            (None, ["--host", ANY_HOST, "--port", "18496"],
             "In the local network this computer is http://192.168.7.7:18496.\nThe raters' links begin with "
             "http://127.0.0.1:8501: they work on this computer only, and this server listens on port "
             "18496. For tablets: evenhand links --address http://192.168.7.7:18496\n",
             "http://127.0.0.1:18496"),
            ("http://10.0.0.5:8501", ["--host", ANY_HOST, "--port", "18496"],
             "The raters' links begin with http://10.0.0.5:8501, but this server listens on port 18496 of "
             "all networks.", "http://127.0.0.1:18496"),
            ("http://10.0.0.5:8501", [], "listens on port 8501 of this computer alone.",
             "http://127.0.0.1:8501"),
            ("https://study.example.org", [], "", "https://study.example.org"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_the_server_is_told(
        self,
        folder: Path,
        said: Said,
        listening: list[str | None],
        address: str | None,
        words: list[str],
        told: str,
        coordinator: str,
    ) -> None:
        if address:
            said("enrol", "--group", "student", "-n", "1", "--address", address)
        _, out, err = said("serve", *words)
        assert told in err
        assert (err == "Study: s\n") is (told == "")
        assert f"Coordinator: {coordinator}/coordinator/" in out


def test_an_own_address_is_of_this_machine_or_nothing() -> None:
    """Oracle: a socket can listen at an address of this machine and at no other."""
    own = local_network_address()
    if own is not None:
        with socket.socket() as probe:
            probe.bind((own, 0))
        assert not own.startswith("127.")


class TestUnblinding:
    PEOPLE = ("--person", "Ann", "--person", "Bo")

    def test_it_says_how_far_the_study_is_and_asks(
        self, folder: Path, said: Said, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raters = json.loads(said("enrol", "--group", "student", "-n", "3", "--json")[1])["raters"]
        said("withdraw", raters[0]["code"], "--yes")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        answer = ["n", "y"]
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer.pop(0))
        code, out, err = said("unblind", *self.PEOPLE)
        assert "0 of 2 raters have finished (1 more declined" in err
        assert code == 130
        assert [name for name in SYSTEM_NAMES if name in (out + err).lower()] == []
        assert said("export", "--what", "log")[1].count("unblinded") == 0
        code, out, _ = said("unblind", *self.PEOPLE)
        assert (code, "zebrafinch" in out) == (0, True)
        # What is revealed already needs no question: none is left in the list.
        assert said("unblind", *self.PEOPLE)[0] == 0

    def test_where_nobody_can_answer_it_refuses(self, folder: Path, said: Said) -> None:
        for words, why in (((), "is no terminal"), (("--json",), "With --json")):
            code, out, err = said("unblind", *self.PEOPLE, *words)
            assert (code, out) == (2, "")
            assert why in err and "--yes" in err
        assert said("unblind", *self.PEOPLE, "--yes")[0] == 0

    def test_an_open_study_is_a_mistake(self, said: Said) -> None:
        said("init", "s", "--protocol", "small.yaml")
        code, _, err = said("unblind", *self.PEOPLE, "--yes")
        assert (code, "evenhand lock" in err) == (2, True)

    def test_the_report_says_when_and_what_came_after(self, folder: Path, said: Said) -> None:
        """Oracle: a page of three items before it and one after it."""
        with opened(folder) as study:
            rater = ready_rater(study).rater
            own = [a.id for a in read_assignments(study)]
            save_ratings(study, rater, own[0], answers(study))
            at = unblind_study(study, "Ann", "Bo")

        def page() -> str:
            sections = ("--section", "materials")
            written = json.loads(said("report", "--json", *sections)[1])["reports"][0]
            return Path(written).read_text(encoding="utf-8")

        when = f"unblinded on {at:%Y-%m-%d} at {at:%H:%M:%S} UTC"
        before = page()
        assert f"{when}; 0 answers were saved after that." in before
        assert "before its end" not in before
        with opened(folder) as study:
            save_ratings(study, rater, own[1], answers(study))
        after = page()
        assert f"{when}; 3 answers were saved after that." in after
        assert "unblinded before its end: 3 answers" in after


class TestBeforeTheLock:
    @pytest.fixture(autouse=True)
    def _open_study(self, here: Path, said: Said) -> None:
        said("init", "s", "--protocol", "small.yaml")

    def test_verify_does_not_say_that_a_lock_holds(self, said: Said) -> None:
        code, out, _ = said("verify")
        assert (code, "lock holds" in out, "not locked yet" in out) == (0, False, True)
        assert json.loads(said("verify", "--json")[1])["locked"] is False
        said("import", "responses.csv")
        said("lock")
        assert "the lock holds" in said("verify")[1]
        assert json.loads(said("verify", "--json")[1])["locked"] is True

    def test_an_export_says_that_there_is_nothing(self, said: Said) -> None:
        for what, why in (
            ("ratings", "nobody is enrolled"),
            ("responses", "evenhand generate"),
            ("turns", "no conversations"),
        ):
            code, out, err = said("export", "--what", what)
            assert (code, out, why in err) == (0, "", True)

    def test_a_second_lock_says_that_nothing_changed(self, said: Said) -> None:
        said("import", "responses.csv")
        first = said("lock")[1]
        second = said("lock")[1]
        assert first.startswith("Locked at")
        assert second.startswith("It was locked before, at ") and "nothing changed" in second
        assert json.loads(said("lock", "--json")[1])["locked_before"] is True


class TestModelFiles:
    @pytest.fixture
    def misspelt(self, here: Path) -> str:
        file = here / "small.yaml"
        named = file.read_text().replace(
            "title: Model Quokka, backend: scripted",
            "title: Model Quokka, backend: executorch, model: 'shipped:demo-tunedd.pte'",
        )
        file.write_text(named)
        return "small.yaml"

    def test_a_misspelt_one_is_a_mistake_until_the_responses_are_there(
        self, misspelt: str, said: Said
    ) -> None:
        said("init", "s", "--protocol", misspelt)
        code, out, err = said("check")
        assert (code, out) == (2, "")
        assert "'quokka'" in err and "demo-tunedd.pte" in err and "shipped:demo-tuned.pte" in err
        said("import", "responses.csv")
        code, out, err = said("check")
        assert (code, "no problems" in out, "Warning" in err) == (0, True, True)
        assert said("lock")[0] == 0
        code, out, err = said("check")
        assert (code, "of 1 system are not on this machine" in err) == (0, True)
        assert [name for name in SYSTEM_NAMES if name in (out + err).lower()] == []

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ("backend: executorch, model: my.pte", "my.pte"),
            ("backend: transformers, model: shipped:demo-bas", "demo-bas"),
            ("backend: transformers, model: shipped:demo-base, adapter: tuned", "tuned"),
            ("backend: dialogue, model: shipped:demo-tunedd.pte", "demo-tunedd.pte"),
            ("backend: dialogue, model: shipped:demo-tuned, dialogue: {classifier: feel}", "feel"),
            ("backend: dialogue, model: shipped:demo-tuned, dialogue: {embeddings: vec}", "vec"),
        ],
    )
    def test_every_backend_is_looked_through(
        self, here: Path, said: Said, fields: str, named: str
    ) -> None:
        file = here / "small.yaml"
        file.write_text(file.read_text().replace("Quokka, backend: scripted", f"Quokka, {fields}"))
        said("init", "s", "--protocol", "small.yaml")
        code, _, err = said("check")
        assert (code, named in err) == (2, True)

    def test_live_systems_refuse_the_lock(self, here: Path, said: Said) -> None:
        said("init", "s", "--protocol", "nile-user-study")
        assert said("check")[0] == 0
        file = here / "s" / "study.yaml"
        file.write_text(file.read_text().replace("shipped:demo-tuned", "shipped:demo-tunedd", 1))
        assert said("check")[0] == 2
        code, _, err = said("lock")
        assert (code, "not locked" in err, "demo-tunedd" in err) == (2, True, True)
        assert "evenhand lock --models-elsewhere" in err
        file.write_text(file.read_text().replace("shipped:demo-tunedd", "shipped:demo-tuned"))
        assert said("lock")[0] == 0

    def test_models_on_another_machine_do_not_refuse_the_lock(self, here: Path, said: Said) -> None:
        said("init", "s", "--protocol", "nile-user-study")
        file = here / "s" / "study.yaml"
        file.write_text(file.read_text().replace("shipped:demo-tuned", "../far-away", 1))
        assert said("lock")[0] == 2
        assert said("lock", "--models-elsewhere")[0] == 0


class TestChatAddress:
    def test_a_study_without_conversations_says_that_it_does_nothing(
        self, folder: Path, said: Said, listening: list[str | None]
    ) -> None:
        address = "http://127.0.0.1:1/v1"
        assert "--chat-address does nothing here" in said("serve", "--chat-address", address)[2]
        assert "does nothing" in said("rehearse", "-n", "2", "--chat-address", address)[2]

    def test_systems_that_are_not_there_are_told(
        self, here: Path, said: Said, listening: list[str | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = make_chat_study(here / "talks", raters=1)
        gone = f"http://127.0.0.1:{free_port()}/v1"
        _, _, err = said("serve", "--study", "talks", "--chat-address", gone)
        assert f"the systems do not answer at {gone} now (no connection)" in err
        assert "evenhand serve-model --all" in err
        assert [name for name in SYSTEM_NAMES if name in err.lower()] == []
        every = {"zebrafinch": ScriptedBackend(), "quokka": ScriptedBackend()}
        for backends, told in (
            (every, None),
            ({"quokka": ScriptedBackend()}, "1 of this study's 2"),
        ):
            with chat_address(study, backends) as address:
                remark = chat_remark(study, address)
            assert remark is None if told is None else told in str(remark)
        study.close()
