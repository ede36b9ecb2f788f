"""Files for SPSS and Stata: read back with an independent reader, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from analysis.tables.spss_stata import ItemLabels, ratings_table, write_statistics_file
from study.errors import AnalysisError

ITEMS = [
    ItemLabels("clarity", "How easy is this response to understand?", {1: "Very poor", 2: "Poor"}),
    ItemLabels(
        "long-term", "How likely is it to help in the longer run?", {1: "Very poor", 2: "Poor"}
    ),
]


def ratings() -> pd.DataFrame:
    """Two raters, two responses each; the second rater skipped one item."""
    rows = []
    for rater in ("7QK2-M4XV", "0ABC-DEFG"):
        for position, system in ((1, "A"), (2, "B")):
            for item in ("clarity", "long-term"):
                skipped = rater.startswith("0") and position == 2 and item == "long-term"
                rows.append(
                    {
                        "rater": rater,
                        "group": "student",
                        "simulated": False,
                        "position": position,
                        "prompt": "p1",
                        "topic": "sleep",
                        "system": system,
                        "item": item,
                        "value": None if skipped else position,
                        "missing_reason": "skipped" if skipped else "",
                        "seconds": 12.5,
                    }
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("ending", ["sav", "dta"])
def test_a_round_trip_keeps_values_reasons_and_labels(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ratings.{ending}"
    write_statistics_file(ratings_table(ratings(), ITEMS), path, title="A study")
    reader = pyreadstat.read_sav if ending == "sav" else pyreadstat.read_dta
    frame, meta = reader(str(path))
    assert len(frame) == 4
    first = frame[(frame["rater"] == "7QK2-M4XV")].sort_values("position")
    assert first["clarity"].tolist() == [1, 2]
    gap = frame[(frame["rater"] == "0ABC-DEFG") & (frame["position"] == 2)].iloc[0]
    assert pd.isna(gap["long_term"])
    assert gap["long_term_missing"] == "skipped"
    assert meta.variable_value_labels["long_term"] == {1: "Very poor", 2: "Poor"}
    assert meta.column_names_to_labels["clarity"] == "How easy is this response to understand?"


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"expected a name ending in \.sav or \.dta"):
        table = ratings_table(ratings(), ITEMS)
        write_statistics_file(table, tmp_path / "ratings.xlsx", title="A study")
