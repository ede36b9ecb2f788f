"""Frequency tables against published tables, other packages and hand counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.description.frequencies import frequency_table, frequency_tables, rater_totals
from analysis.description.proportions import simultaneous_intervals, wilson_share
from study.errors import AnalysisError

REFERENCE = Path(__file__).parent / "reference"
POINTS = [1, 2, 3, 4, 5]
# The printed table is at fault in items 2, 5 and 6; the others are consistent.
SOUND_ITEMS = (1, 3, 4, 7, 8)


@pytest.mark.parametrize("item_no", SOUND_ITEMS)
def test_published_table_3_to_the_printed_digits(item_no: int) -> None:
    """EAI study, table 3: percentages and cumulative percentages of 360 answers."""
    table = pd.read_csv(REFERENCE / "papers" / "eai_table3_phi4.csv")
    printed = table[table["item_no"] == item_no]
    values = np.repeat(printed["value"].to_numpy(float), printed["frequency"])
    rows = {row.point: row for row in frequency_table(values, POINTS).rows}
    for _, line in printed.iterrows():
        row = rows[line["value"]]
        assert row.frequency == line["frequency"]
        assert round(row.percent or 0, 2) == pytest.approx(line["percent"])
        assert round(row.cumulative_percent or 0, 2) == pytest.approx(line["cumulative_percent"])


def test_cumulative_percentages_come_from_counts() -> None:
    """59 of 360 is 16.39 %; 4.44 + 11.94, the rounded parts, would give 16.38."""
    values = [2.0] * 16 + [3.0] * 43 + [5.0] * 301
    rows = frequency_table(values, POINTS).rows
    assert [round(r.cumulative_percent or 0, 2) for r in rows] == [0, 4.44, 16.39, 16.39, 100]
    assert [r.frequency for r in rows] == [0, 16, 43, 0, 301]


def test_location_equals_numpy() -> None:
    """numpy on the values themselves."""
    values = np.random.default_rng(1).integers(1, 6, 241).astype(float)
    table = frequency_table(values, POINTS)
    assert table.mean.estimate == pytest.approx(values.mean())
    assert table.median.estimate == np.median(values)
    assert table.sd.estimate == pytest.approx(values.std(ddof=1))
    even = frequency_table([1, 2, 4, 5], POINTS)
    assert even.median.estimate == 3.0


def test_intervals_equal_statsmodels() -> None:
    """statsmodels: Wilson of the top two, Goodman and Sison-Glaz of all points."""
    from statsmodels.stats import proportion

    counts = [23, 72, 127, 81, 57]
    table = frequency_table(np.repeat(POINTS, counts).astype(float), POINTS)
    low, high = proportion.proportion_confint(138, 360, method="wilson")
    assert (table.top_share.ci_low, table.top_share.ci_high) == pytest.approx((low, high))
    for ours, theirs in (("goodman", "goodman"), ("sison_glaz", "sison-glaz")):
        expected = proportion.multinomial_proportions_confint(counts, method=theirs)
        assert np.allclose(simultaneous_intervals(counts, method=ours), expected, atol=1e-12)


def test_missing_answers_are_counted_by_reason() -> None:
    """Hand count: two skipped, one without a reason; percentages are of the two valid ones."""
    values = [1.0, np.nan, np.nan, 2.0, np.nan]
    table = frequency_table(
        values, POINTS, missing_reasons=[None, "skipped", "skipped", None, None]
    )
    assert dict(table.missing_by_reason) == {"no reason recorded": 1, "skipped": 2}
    assert (table.n, table.n_missing) == (2, 3)
    assert table.rows[0].percent == 50.0


def _long() -> pd.DataFrame:
    frame = pd.read_csv(REFERENCE / "stats" / "long.csv")
    return frame.rename(columns={"topic": "prompt", "model": "system", "y": "value"}).assign(
        item="q1", group=lambda f: f["major"]
    )


def test_tables_by_system_add_up_to_all_answers() -> None:
    """36 raters x 10 topics: 360 answers per item and system, split by group without loss."""
    frame = _long()
    tables = frequency_tables(frame, POINTS)
    assert [(t.system, t.n) for t in tables] == [("Phi4", 360), ("EAI", 360)]
    split = frequency_tables(frame, {"q1": POINTS}, by_group=True)
    assert sum(t.n for t in split) == 720
    assert {t.group for t in split} == set(frame["major"])


def test_totals_equal_pandas_and_a_gap_leaves_no_total() -> None:
    """pandas' own sums; then one answer is removed and one row is dropped."""
    frame = _long()
    sums = frame.groupby(["rater", "system"])["value"].sum()
    for total in rater_totals(frame):
        assert total.total == sums[(total.rater, total.system)]
    frame["value"] = frame["value"].astype(float)
    frame["missing_reason"] = None
    frame.loc[0, ["value", "missing_reason"]] = [np.nan, "skipped"]
    gappy = {(t.rater, t.system): t for t in rater_totals(frame.drop(index=2))}
    first = gappy[("R00", "Phi4")]
    assert first.total is None
    assert "1 answers: skipped" in first.missing_because
    assert "no record" in first.missing_because
    assert (first.n_answers, first.n_expected) == (8, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="item"), "column item not found"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "recorded twice"),
    ],
)
def test_unusable_frames_are_refused(change: object, message: str) -> None:
    """The error names the column or the first repeated answer."""
    with pytest.raises(AnalysisError, match=message):
        rater_totals(change(_long()))  # type: ignore[operator]


def test_answers_off_the_scale_and_items_without_one_are_refused() -> None:
    """The error names the value and the scale, or the item."""
    with pytest.raises(AnalysisError, match=r"not points of the scale \(7\)"):
        frequency_table([1, 7], POINTS)
    with pytest.raises(AnalysisError, match="'q1' has no scale"):
        frequency_tables(_long(), {"q2": POINTS})
    with pytest.raises(AnalysisError, match="top"):
        frequency_table([1, 2], POINTS, top=5)


def test_wilson_at_the_ends_stays_within_0_and_1() -> None:
    """Wilson (1927): 0 of 10 gives [0, z^2 / (10 + z^2)]."""
    z2 = 1.959963984540054**2
    assert wilson_share(0, 10).ci_high == pytest.approx(z2 / (10 + z2))
    assert wilson_share(0, 10).ci_low == 0.0
    assert wilson_share(10, 10).ci_high == 1.0
