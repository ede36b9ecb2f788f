"""A study read once: how often each table is asked for, and that what is read belongs to one moment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from models.judge.session import open_session
from models.judge.wording.probes import plan_probe
from study.rehearsal import rehearse
from study.report_view.export import rating_rows
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot, snapshot
from study.report_view.verdicts import verdict_rows
from study.store import tables
from study.store.raters import enrol
from study.store.responses import read_responses
from study.store.study import Study
from tests import fixtures_judge


@contextmanager
def _statements(study: Study) -> Iterator[list[str]]:
    """The statements that the study's database is given within the block."""
    given: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        given.append(statement)

    event.listen(study.engine, "before_cursor_execute", note)
    try:
        yield given
    finally:
        event.remove(study.engine, "before_cursor_execute", note)


def _reads(statements: list[str]) -> Counter[str]:
    """Table -> statements that begin with reading it."""
    return Counter(found[1] for s in statements if (found := re.search(r"\bFROM (\w+)", s)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Ratings, verdicts on the responses and verdicts of two probes; the tests here only read it."""
    folder = tmp_path_factory.mktemp("judged")
    study = fixtures_judge.make_study(folder / "s", rubrics=["empathy", "pairwise"], prompts=2)
    rehearse(study, 1, 2)
    session = open_session(study)
    session.run(session.calls())
    responses, prompts = read_responses(study), study.protocol.prompts
    for probe in ("longer", "identical"):
        plan = plan_probe(probe, session.planner, session.rubrics, prompts, responses)
        session.run(plan.calls)
    yield study
    study.close()


def test_the_report_reads_ratings_ledger_and_every_other_table_once(judged: Study) -> None:
    """Oracle: the statements themselves, counted by the table that they read."""
    with _statements(judged) as given:
        data = report_data(judged)
    assert len(data.ratings) > 0
    assert data.judge is not None
    assert {"longer", "identical"} <= set(data.judge.probes["probe"])
    reads = _reads(given)
    once = ("rating", "rater", "assignment", "response", "verdict_call", "verdict")
    assert {table: reads[table] for table in once} == dict.fromkeys(once, 1)
    assert [s for s in given if s.lstrip().split()[0] != "SELECT"] == ["BEGIN"]


def test_the_report_reads_neither_requests_nor_replies_of_the_judge(judged: Study) -> None:
    with _statements(judged) as given:
        report_data(judged)
    (ledger,) = [s for s in given if re.search(r"\bFROM verdict_call\b", s)]
    columns = set(re.findall(r'verdict_call\."?(\w+)', ledger.partition("FROM")[0]))
    assert columns == set(tables.verdict_call.c.keys()) - {"request", "reply", "failure"}
    assert not hasattr(Snapshot(judged).ledger.calls[0], "reply")


def test_the_export_of_verdicts_reads_the_verdicts_once(judged: Study) -> None:
    """Once without bodies, once for the raw replies; before, twice for every probe."""
    with _statements(judged) as given, snapshot(judged) as seen:
        probes = {row["probe"] for row in verdict_rows(seen)}
    assert probes == {"", "longer", "identical"}
    reads = _reads(given)
    assert (reads["verdict"], reads["verdict_call"]) == (1, 2)


def test_what_is_saved_while_a_snapshot_is_read_is_not_in_it(
    make_study: Callable[..., Study],
) -> None:
    """The rater who is enrolled in between has assignments but is no rater of a snapshot without it."""
    study = make_study()
    enrol(study, "student", 1)
    with snapshot(study) as seen:
        (there,) = seen.raters
        enrol(study, "student", 1)
        assert {page.rater_id for page in seen.assignments} == {there}
        before = rating_rows(seen)
    assert len(rating_rows(Snapshot(study))) == 2 * len(before)
    torn = Snapshot(study)
    assert len(torn.raters) == 2
    enrol(study, "student", 1)
    with pytest.raises(KeyError):
        rating_rows(torn)
