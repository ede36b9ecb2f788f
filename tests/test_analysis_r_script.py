"""The R program beside the report: R itself runs it for every shipped protocol."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.report import write_report
from analysis.report.r_script import r_readme, r_tables
from models.generation.rehearsed_reply import scripted_reply
from protocols import shipped_protocols
from study.rehearsal import rehearse
from study.report_view.data import ReportData
from study.report_view.report_data import report_data
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.study import Study, create_study
from tests.fixtures_study import answer_everything

DAY = dt.date(2026, 1, 1)
RATERS = 12
# In these an item has one prompt, two prompts or points that nobody used, and the models take seconds;
# those of the larger ones take R a quarter of a minute each and are of the same lines.
WITH_MODELS = ("four-languages", "nile-user-study", "sus", "umux-lite")
_MODELS = re.compile(r'\nheading\("Mixed models.*?\n}\n(?=\nheading|\nsessionInfo)', re.DOTALL)


def rehearsed(name: str, folder: Path) -> Study:
    study = create_study(folder / "study", shipped_protocols()[name])
    answer_everything(study)
    lock_study(study)
    groups = study.protocol.groups
    for group in groups:
        enrol(study, group.id, RATERS // len(groups), simulated=True)
    rehearse(study, 1, replies=scripted_reply)
    return study


def table(folder: Path, key: str) -> list[dict[str, Any]]:
    path = folder / "tables" / f"{key}.csv"
    rows: list[dict[str, Any]] = pd.read_csv(path, keep_default_na=False).to_dict("records")
    return rows


def differences(out: str, of: str) -> dict[str, float]:
    """Lines such as "difference gender A man minus woman 2.5 ": "A man minus woman" -> 2.5."""
    found = re.findall(rf"^difference {of} (.*) (\S+) $", out, re.MULTILINE)
    return {what: float(value) for what, value in found}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
@pytest.mark.parametrize("name", sorted(shipped_protocols()))
def test_r_runs_for_every_shipped_protocol_and_gives_the_reports_numbers(
    name: str, memory_folder: Path
) -> None:
    """Oracle: R's own t.test, mean, table, lmer and clmm on the exported data, sign included."""
    study = rehearsed(name, memory_folder)
    protocol = study.protocol
    keys = ["contrast", "subgroups", "choices", "comparisons"]
    keys += ["models"] if name in WITH_MODELS else []
    data = report_data(study)
    study.close()
    written = write_report(data, memory_folder / "r", created=DAY, sections=keys, with_r=True)
    folder, script = written.folder, written.r_files[0]
    if name not in WITH_MODELS:
        shortened = _MODELS.sub("\n", script.read_text("utf-8"))
        script.write_text(shortened, encoding="utf-8")
    run = subprocess.run(["Rscript", "report.R"], cwd=script.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    out, compared = run.stdout, 0
    assert "SIMULATED DATA" in out
    if protocol.analysis.primary is not None:
        mine = {row["statistic"]: row["estimate"] for row in table(folder, "primary-contrast")}
        (theirs,) = differences(out, "totals").values()
        assert theirs == pytest.approx(float(mine["paired_t_difference"]), rel=1e-8)
        compared += 1
        compared += _same_declared(mine, out)
    for subgroup in protocol.analysis.subgroups:
        compared += _same_subgroups(folder, data, subgroup.by, out)
    if name in WITH_MODELS:
        compared += _same_models(folder, out)
    for item in data.choices:
        for row in table(folder, f"choices-{item.id}"):
            assert f"chosen {item.id} {row['system']} {row['label']} {row['count']} " in out
            compared += 1
    if data.compared:
        compared += _same_comparisons(folder, out)
    assert compared > 0


def _same_declared(mine: dict[str, Any], out: str) -> int:
    """The declared model's effect, where the study can carry the model."""
    compared = 0
    for theirs in differences(out, "declared").values():
        effect = mine.get("mean_difference", mine.get("cumulative_log_odds_ratio"))
        assert theirs == pytest.approx(float(effect), rel=1e-4, abs=1e-4)
        compared += 1
    return compared


def _same_subgroups(folder: Path, data: ReportData, by: str, out: str) -> int:
    """Student's difference of each pair of options, in the report's direction."""
    if not (folder / "tables" / f"tests-by-{by}.csv").exists():
        return 0
    ids = {group.title: group.id for group in data.protocol.groups}
    for asked in data.protocol.demographics:
        if asked.id == by:
            ids = {option.label: option.value for option in asked.options}
    mine = {
        f"{row['system']} {ids[row['first']]} minus {ids[row['second']]}": float(row["estimate"])
        for row in table(folder, f"tests-by-{by}")
        if row["statistic"] == "student_t_difference" and row["estimate"] != ""
    }
    theirs = differences(out, by)
    assert theirs.keys() == mine.keys()
    assert theirs == {what: pytest.approx(value, rel=1e-8) for what, value in mine.items()}
    return len(mine)


def _same_models(folder: Path, out: str) -> int:
    """Where both have a model: lmer to 1e-4, clmm to a tenth of a standard error.

    clmm searches the raters' effects to a gradient of 1e-4 only: on such small data its likelihood is
    up to 0.02 below the maximum that we find, and flat there.
    """
    kinds = {"cumulative_link_mixed": "clmm", "linear_mixed_slopes": "lmer"}
    seen = 0
    for row in table(folder, "models-by-item"):
        if row["reference"] == "" or row["estimate"] == "" or row["model"] not in kinds:
            continue
        kind, mine = kinds[row["model"]], float(row["estimate"])
        theirs = differences(out, f"{kind} {row['item']}").get(
            f"{row['level']} minus {row['reference']}"
        )
        if theirs is None:
            continue
        seen += 1
        assert theirs * mine > 0
        within = {"rel": 1e-4} if kind == "lmer" else {"abs": 0.1 * float(row["std_error"])}
        assert theirs == pytest.approx(mine, **within)
    return seen


def _same_comparisons(folder: Path, out: str) -> int:
    rows = [row for row in table(folder, "comparisons") if row["group"] == "all"]
    for k in range(0, len(rows), 3):
        first = rows[k]
        counts = " ".join(f"{row['statistic']} {row['count']}" for row in rows[k : k + 3])
        assert (
            f"compared {first['item']} {first['system']} against {first['against']} {counts}" in out
        )
    return len(rows)


def test_the_note_beside_the_program_names_what_it_repeats(memory_folder: Path) -> None:
    """Oracle: the protocol's own plan; a study of pairs has no totals and no models."""
    study = rehearsed("pairwise-esconv", memory_folder)
    data = report_data(study)
    study.close()
    note = r_readme(data)
    assert "`comparisons`" in note
    for absent in ("`totals`", "`primary-contrast`", "`models-by-item`", "`frequencies"):
        assert absent not in note
    assert sorted(r_tables(data)) == ["comparisons.csv", "raters.csv"]
