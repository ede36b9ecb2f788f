"""Names of variables at the longest that Stata's files can hold with labels of values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from analysis.tables.spss_stata import LabelledTable, write_statistics_file
from study.errors import AnalysisError
from study.report_view.variable_names import variable_names


@pytest.mark.parametrize("ending", ["sav", "dta"])
def test_long_ids_of_items_are_written_with_their_labels(tmp_path: Path, ending: str) -> None:
    """Ids of 31 to 64 characters; a name of 32 with labels was told as a full disk by .dta."""
    ids = ["v" * 31, "w" * 32, "x" * 33, "y" * 64, "y" * 63 + "z"]
    names = list(variable_names(ids).items.values())
    assert len(set(names)) == 5
    frame = pd.DataFrame({name: [1.0, 2.0] for name in names})
    table = LabelledTable(frame, {}, {name: {1: "Poor", 2: "Good"} for name in names})
    path = tmp_path / f"ratings.{ending}"
    write_statistics_file(table, path, title="Long names")
    read = pyreadstat.read_sav if ending == "sav" else pyreadstat.read_dta
    found, meta = read(str(path))
    assert list(found) == names
    assert all(meta.variable_value_labels[name] == {1: "Poor", 2: "Good"} for name in names)


def test_what_a_format_cannot_hold_is_not_told_as_a_full_disk(tmp_path: Path) -> None:
    frame = pd.DataFrame({"v" * 40: [1.0]})
    with pytest.raises(AnalysisError, match=r"ratings\.dta cannot hold this table \(.*too long"):
        write_statistics_file(LabelledTable(frame, {}, {}), tmp_path / "ratings.dta", title="x")
