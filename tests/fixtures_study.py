"""Studies for tests, on SQLite and on PostgreSQL; imported by the tests that use them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from study import participation
from study.entities import Answer, Enrolment, MissingReason
from study.errors import StoreError
from study.store import tables
from study.store.database import migrate, open_engine
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.responses import NewResponse, save_responses
from study.store.study import Study, create_study

PROTOCOLS = Path(__file__).parent.parent / "protocols"
POSTGRES_VARIABLE = "EVENHAND_TEST_POSTGRES"
_DEFAULT_POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """Address of a PostgreSQL database for these tests, dropped afterwards; skips without a server."""
    server = make_url(os.environ.get(POSTGRES_VARIABLE, _DEFAULT_POSTGRES))
    admin = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    name = f"evenhand_test_{uuid.uuid4().hex}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        admin.dispose()
        pytest.skip(f"no PostgreSQL server ({str(error.orig).splitlines()[0]})")
    try:
        # No test stops the server itself, so its commits need not wait for the disk.
        quick = {"options": "-c synchronous_commit=off"}
        url = server.set(database=name).update_query_dict(quick)
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The database of the studies that a test makes: SQLite in the folder, or PostgreSQL, empty."""
    if request.param == "sqlite":
        monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
        return f"sqlite:///{tmp_path / 'study' / 'study.db'}"
    url: str = request.getfixturevalue("postgres_database")
    engine = open_engine(url)
    try:
        migrate(engine)
    except StoreError:  # a test left a schema behind that is none
        drop_tables(url)
        migrate(engine)
    with engine.begin() as connection:
        # Emptying the tables takes a hundredth of the time of making new ones.
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()
    monkeypatch.setenv("EVENHAND_DATABASE_URL", url)
    return url


def drop_tables(url: str) -> None:
    """Make a PostgreSQL database blank; a SQLite file is blank when it is not there."""
    if not url.startswith("postgresql"):
        return
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET lock_timeout = '20s'"))
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: waiting for the disk at every save proves nothing here.

    What a killed process wrote is kept by the system in either case.
    """
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def small_protocol(folder: Path, **replaced: str) -> Path:
    """A protocol file of two prompts, two systems and three items, on one page of text."""
    body = SMALL
    for old, new in replaced.items():
        body = re.sub(rf"(?m)^{old}:.*$", f"{old}: {new}", body)
    file = folder / "small.yaml"
    file.write_text(body, encoding="utf-8")
    return file


SMALL = """\
schema_version: 1
id: small
version: "1.0"
title: A small study
summary: Two systems answer two prompts.
instruments:
  - id: short
    title: Three items
    licence: Apache-2.0
    source: written for the tests
    wording: own
    scale:
      id: five
      points:
        - {value: 1, label: Very poor}
        - {value: 2, label: Poor}
        - {value: 3, label: Fair}
        - {value: 4, label: Good}
        - {value: 5, label: Very good}
    items:
      - {id: clear, label: Clear, text: How clear is it?}
      - {id: kind, label: Kind, text: How kind is it?}
      - {id: useful, label: Useful, text: How useful is it?}
topics:
  - {id: sleep, title: Sleep}
  - {id: work, title: Work}
prompts:
  - {id: p-sleep, topic: sleep, text: I cannot sleep.}
  - {id: p-work, topic: work, text: I worry about work.}
systems:
  - {id: zebrafinch, title: Model Zebrafinch, backend: scripted}
  - {id: quokka, title: Model Quokka, backend: scripted}
groups:
  - {id: student, title: Students, planned: 4}
  - {id: professional, title: Professionals, planned: 2}
demographics:
  - id: gender
    question: What is your gender?
    kind: choice
    options:
      - {value: man, label: Man, planned: 2}
      - {value: woman, label: Woman, planned: 2}
  - {id: age, question: How old are you?, kind: integer, minimum: 18, maximum: 90, required: false}
design: {seed: 3}
consent:
  {title: Start, text: Taking part is voluntary., agree: I take part, decline: I do not, declined: Bye.}
instructions:
  title: Task
  text: Rate each response.
  practice: {prompt: I am late., response: That happens.}
debriefing: {title: Thanks, text: It is done.}
analysis:
  primary: {system: zebrafinch, against: quokka}
"""

SYSTEM_NAMES = ("zebrafinch", "quokka", "scripted")


def reply(prompt: str, system: str) -> str:
    """A response text that differs for each prompt and system and names neither.

    In letters: the lock takes digits with a hyphen for a telephone number.
    """
    letters = "abcdefghij"
    number = f"{len(prompt)}{sum(map(ord, system))}"
    return f"I hear you. {''.join(letters[int(digit)] for digit in number).capitalize()}."


def answer_everything(study: Study) -> None:
    """Save a response for every prompt and system; a study of conversations has none."""
    if study.protocol.design.shows == "conversation":
        return
    save_responses(
        study,
        [
            NewResponse(p.id, s.id, reply(p.id, s.id), {"latency_s": 0.5, "backend": s.backend})
            for p in study.protocol.prompts
            for s in study.protocol.systems
        ],
    )


@pytest.fixture
def make_study(tmp_path: Path, store_url: str) -> Iterator[Callable[..., Study]]:
    """Makes the small study in ``tmp_path/study``, open or locked; closed after the test."""
    made: list[Study] = []

    def make(*, locked: bool = True, protocol: Path | None = None) -> Study:
        study = create_study(tmp_path / "study", protocol or small_protocol(tmp_path))
        made.append(study)
        if locked:
            answer_everything(study)
            lock_study(study)
        return study

    yield make
    for study in made:
        study.close()


@pytest.fixture
def locked(make_study: Callable[..., Study]) -> Study:
    """The small study, locked."""
    return make_study()


def ready_rater(study: Study, group: str = "student") -> Enrolment:
    """A rater who has come as far as the first response."""
    enrolled = enrol(study, group, 1)[0]
    participation.consent(study, enrolled.rater)
    participation.save_demographics(study, enrolled.rater, {"gender": "woman", "age": 33})
    participation.finish_practice(study, enrolled.rater)
    return enrolled


def answers(study: Study, value: int = 3) -> dict[str, Answer]:
    """The same point for every item."""
    return {item.id: Answer(value) for item in study.protocol.items}


def as_answers(given: Mapping[str, int | str | MissingReason]) -> dict[str, Answer]:
    """Answers from what was given, values and reasons."""
    return {
        item: Answer(missing=one) if isinstance(one, MissingReason) else Answer(one)
        for item, one in given.items()
    }


def as_given(answer: Answer) -> int | str | None:
    """The value of an answer or, without one, the reason as it is written in the data."""
    return answer.missing.value if answer.missing else answer.value
