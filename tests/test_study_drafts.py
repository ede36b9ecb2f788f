"""Drafts in the store, on SQLite and on PostgreSQL.

Oracle: the rule that a draft is no answer: it is taken while its page is open, goes when the page is
saved and with its rater, and is in no export and no line of the audit log.
"""

from __future__ import annotations

import datetime as dt
import json

import pytest
from sqlalchemy import select

from study import drafts, participation
from study.drafts import Draft
from study.errors import LinkError
from study.participation import Step, find_place
from study.report_view.export import check_rows, rater_rows, rating_rows
from study.report_view.snapshot import Snapshot
from study.store import events, tables
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol, withdraw
from study.store.ratings import next_assignment
from study.store.revisions import rated_assignment
from study.store.study import Study, create_study
from tests.fixtures_session import come_to, go_on, session_protocol
from tests.fixtures_study import answer_everything, answers, ready_rater

TEXT = "Zaunkönig \u0000 \ud83d"


def pages(study: Study) -> list[str]:
    with study.reading() as connection:
        return sorted(connection.execute(select(tables.draft.c.page)).scalars())


def test_a_draft_goes_when_its_response_is_saved_and_cannot_come_afterwards(locked: Study) -> None:
    enrolled, other = ready_rater(locked), ready_rater(locked)
    first = next_assignment(locked, enrolled.rater)
    theirs = next_assignment(locked, other.rater)
    assert first is not None and theirs is not None
    held = Draft({"a-1": 2, "a-2": TEXT}, "w", 1)
    assert drafts.keep(locked, enrolled.token, first.id, held)
    assert drafts.open_page(locked, enrolled.rater, first.id) == held.values
    # Of one document the later one counts; another document is another hand.
    assert drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": 3}, "w", 3))
    assert drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": 9}, "w", 2))
    assert drafts.open_page(locked, enrolled.rater, first.id) == {"a-1": 3}
    assert drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": 4}, "v", 1))
    assert drafts.open_page(locked, enrolled.rater, first.id) == {"a-1": 4}
    # Nobody has a draft on another's page, and nobody else's page has one.
    assert not drafts.keep(locked, enrolled.token, theirs.id, held)
    with pytest.raises(LinkError):
        drafts.keep(locked, "x" * 27, first.id, held)
    assert drafts.keep(locked, other.token, theirs.id, held)
    participation.submit(locked, enrolled.rater, first.id, answers(locked))
    assert pages(locked) == [theirs.id]
    assert not drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": 1}, "w", 9))
    assert pages(locked) == [theirs.id]


def test_changes_of_saved_answers_have_a_draft_until_they_are_saved_or_left(locked: Study) -> None:
    enrolled = ready_rater(locked)
    rater, token = enrolled.rater, enrolled.token
    first = next_assignment(locked, rater)
    assert first is not None
    participation.submit(locked, rater, first.id, answers(locked, 3))
    present = next_assignment(locked, rater)
    rated = rated_assignment(locked, rater, 1)
    assert present is not None and rated is not None
    page = drafts.page_of_revision(first.id, rated.revision)
    held = Draft({"a-1": 2}, "w", 1)
    assert drafts.keep(locked, token, present.id, held)
    assert drafts.keep(locked, token, page, held)
    assert not drafts.keep(locked, token, drafts.page_of_revision(first.id, 99), held)
    # Saved: its draft goes, that of the response to be rated stays, and the old page takes none.
    participation.revise(locked, rater, first.id, answers(locked, 5))
    assert pages(locked) == [present.id]
    assert not drafts.keep(locked, token, page, held)
    # Left: the next page that is opened drops it.
    again = rated_assignment(locked, rater, 1)
    assert again is not None and again.revision > rated.revision
    page = drafts.page_of_revision(first.id, again.revision)
    assert drafts.keep(locked, token, page, held)
    assert drafts.open_page(locked, rater, present.id) == held.values
    assert pages(locked) == [present.id]


def test_every_page_of_a_way_has_a_draft_of_its_own_that_goes_with_it(tmp_path, store_url) -> None:  # type: ignore[no-untyped-def]
    study = create_study(tmp_path / "study", session_protocol(tmp_path))
    answer_everything(study)
    lock_study(study)
    enrolled, _ = enrol(study, "student", 2)
    seen: list[tuple[Step, str | None]] = []
    while (place := find_place(study, enrolled.token)).step is not Step.FINISHED:
        page = drafts.page_of(study, place)
        seen.append((place.step, page))
        if page is not None:
            assert drafts.keep(study, enrolled.token, page, Draft({"x": TEXT}, "w", 1))
            assert pages(study) == [page]
        if place.step is Step.BREAK:
            come_to(study, enrolled, Step.BREAK)
            with study.writing() as connection:
                # The break's minimum time is no part of this test.
                connection.execute(
                    tables.passage.insert().values(
                        rater_id=place.rater.id,
                        step=f"break-{place.rated}",
                        at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                    )
                )
            continue
        go_on(study, place)
        assert pages(study) == []
        if page is not None:
            assert not drafts.keep(study, enrolled.token, page, Draft({"x": TEXT}, "w", 2))
    with_draft = [page for _, page in seen if page is not None]
    assert len(set(with_draft)) == len(with_draft)
    assert {step for step, page in seen if page is None} == {Step.CONSENT, Step.BREAK}
    assert {
        Step.DEMOGRAPHICS,
        Step.INSTRUCTIONS,
        Step.COMPREHENSION,
        Step.ATTENTION,
        Step.RATING,
    } <= {step for step, _ in seen}
    study.close()


def test_no_export_and_no_line_of_the_log_holds_a_draft_and_withdrawal_erases_it(
    locked: Study,
) -> None:
    enrolled = ready_rater(locked)
    first = next_assignment(locked, enrolled.rater)
    assert first is not None
    with locked.reading() as connection:
        before = len(list(events.read(connection)))
    drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": "Zaunkönig"}, "w", 1))
    with locked.reading() as connection:
        lines = list(events.read(connection))
    assert len(lines) == before
    assert "Zaunk" not in json.dumps([line.payload for line in lines])
    for rows in (rating_rows, rater_rows, check_rows):
        assert "Zaunk" not in repr(rows(Snapshot(locked)))
    assert study_faults(locked) == []
    withdraw(locked, enrolled.rater.code)
    assert pages(locked) == []
    with pytest.raises(LinkError):
        drafts.keep(locked, enrolled.token, first.id, Draft({"a-1": "late"}, "w", 2))
    assert pages(locked) == []
