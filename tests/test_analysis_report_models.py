"""The models section of the report: what its rows speak to, and a model that breaks down."""

from __future__ import annotations

import datetime as dt

import pytest

from analysis.report import build_report
from analysis.report.blocks import Paragraph, Table
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2026, 1, 2)


def test_a_model_that_breaks_down_does_not_end_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Property: a division by zero in the linear models is the reason in their rows; the estimating
    equations beside them have their numbers."""

    def broken(ratings: object, **options: object) -> object:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr("analysis.chapters.models.fit_lmm", broken)
    data = simulated_report_data(raters=6, prompts=2, items=1, seed=3)
    section = build_report(data, created=DAY, sections=("models",)).sections[0]
    items = next(b for b in section.blocks if isinstance(b, Table) and b.key == "models-by-item")
    assert any("ZeroDivisionError" in note for note in items.notes)
    labels = [row.cells[0] for row in items.rows]
    assert any(label.startswith("GEE, linear:") for label in labels)
    assert any(label.startswith("GEE, linear, uncorrected:") for label in labels)


def test_the_row_for_other_prompts_is_named_and_the_others_claim_none() -> None:
    """Property: with five prompts the table has a row with random responses and says that it alone
    speaks to other prompts; the first words are about these very responses."""
    data = simulated_report_data(raters=6, prompts=5, items=1, seed=3)
    section = build_report(data, created=DAY, sections=("models",)).sections[0]
    tables = {b.key: b for b in section.blocks if isinstance(b, Table)}
    for name in ("model-all-items", "models-by-item"):
        table = tables[name]
        own, responses = table.unit.split("; of the rows with random responses: ")
        assert "these very responses" in own and "other prompts" not in own
        assert "other prompts and other responses" in responses
        rows = [r.cells for r in table.rows if "and responses: " in r.cells[0]]
        assert len(rows) == 1 and "[" in rows[0][1]
        shown = table.data[table.data["model"] == "linear_mixed_slopes_responses"]
        assert "response_variance" in set(shown["statistic"])
    text = next(b.text for b in section.blocks if isinstance(b, Paragraph))
    assert "not to other prompts" in text
