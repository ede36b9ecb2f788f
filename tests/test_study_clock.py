"""Points in time: their text, and that a study keeps and gives them as they were."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update

from study.clock import now, read_time, time_text
from study.errors import StoreError
from study.store import tables
from study.store.raters import enrol, read_raters
from tests.fixtures_judge import make_study

MOMENTS = st.datetimes(timezones=st.just(dt.UTC))


@given(at=MOMENTS, other=MOMENTS)
def test_texts_of_times_are_read_back_and_sort_as_the_times(
    at: dt.datetime, other: dt.datetime
) -> None:
    """Properties that the database's comparisons of texts rest on."""
    assert read_time(time_text(at)) == at
    assert len(time_text(at)) == 32
    assert (time_text(at) < time_text(other)) == (at < other)


def test_the_form_of_a_time_is_that_of_every_study_so_far() -> None:
    at = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
    assert time_text(at) == "2026-03-01T09:30:00.000000+00:00"
    assert read_time("2026-03-01T09:30:00.000000+00:00") == at == read_time("2026-03-01T09:30:00")
    assert now().tzinfo is dt.UTC


def test_the_database_holds_the_text_and_what_is_no_time_is_told(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", prompts=1)
    try:
        enrol(study, study.protocol.groups[0].id, 1)
        (rater,) = read_raters(study)
        with study.writing() as connection:
            held = connection.execute(text("SELECT enrolled_at FROM rater")).scalar_one()
            assert held == time_text(rater.enrolled_at)
            moved = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
            connection.execute(update(tables.rater).values(finished_at=moved))
        assert read_raters(study)[0].finished_at == moved
        with study.writing() as connection:
            connection.execute(text("UPDATE rater SET finished_at = 'soon'"))
        with pytest.raises(StoreError, match="holds 'soon' where a time should stand"):
            read_raters(study)
    finally:
        study.close()
