"""The declared primary contrast: model and population of the plan, its fallback, and old locks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import contrast_chapter
from analysis.chapters.shaping import shape_ratings
from analysis.report import build_report, write_report
from analysis.report.blocks import Paragraph
from study.errors import ProtocolError
from study.protocol import parse_protocol
from study.protocol.analysis_plan import AnalysisPlan, PrimaryContrast
from study.report_view.data import ReportData
from study.store.locking import lock_study, present_hashes, read_lock
from study.store.study import create_study, open_study
from tests.fixtures_study import answer_everything
from tests.simulated_report_data import protocol_with, simulated_report_data


def _study(prompts: int = 6, **primary: str) -> ReportData:
    data = simulated_report_data(raters=8, prompts=prompts, n_systems=2, items=2)
    plan = data.plan.model_dump(exclude_none=True)
    pair = {key: plan["primary"][key] for key in ("system", "against")}
    bounds = {"low": -3, "high": 3, "reason": "A tenth of the range."}
    declared = {**plan, "primary": {**pair, **primary}, "equivalence": bounds}
    analysis = AnalysisPlan.model_validate(declared)
    return dataclasses.replace(data, protocol=protocol_with(data, analysis=analysis))


def _first_words(data: ReportData) -> str:
    document = build_report(data, created=dt.date(2025, 1, 1), sections=["contrast"])
    (section,) = (s for s in document.sections if s.key == "contrast")
    first = section.blocks[0]
    assert isinstance(first, Paragraph)
    return first.text


def _sums(data: ReportData) -> pd.DataFrame:
    sums = data.ratings.groupby(["rater", "prompt", "system"], as_index=False)["value"].sum()
    return sums.assign(value=sums["value"] * sums["prompt"].nunique())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R with the package lmerTest")
def test_the_declared_linear_model_is_that_of_r(tmp_path: Path) -> None:
    """Oracle: lmerTest's lmer with random responses, Kenward-Roger by pbkrtest, of sums on the scale of a
    total, in the same run."""
    data = _study(test="linear-mixed")
    primary = data.plan.contrast
    _sums(data).to_csv(tmp_path / "sums.csv", index=False)
    program = f"""
suppressMessages(library(lmerTest))
d <- read.csv("sums.csv"); d$system <- relevel(factor(d$system), "{primary.against}")
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
m <- lmer(value ~ system + (1 + system | rater) + (1 | prompt) + (1 | prompt:system), d, control = tight)
s <- coef(summary(m, ddf = "Kenward-Roger"))[2, ]
cat(sprintf("[%.10g, %.10g, %.10g, %.10g]", s[1], s[2], s[3], s[5]))
"""
    (tmp_path / "declared.R").write_text(program, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", "declared.R"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"R ended with an error: {done.stderr[-200:]}")
    estimate, error, df, p = json.loads(done.stdout)
    chapter = contrast_chapter(ReportContext(data, shape_ratings(data)))
    assert chapter is not None
    test, about = chapter.planned_test, chapter.declared.coefficient
    assert about is not None
    assert test.estimate == pytest.approx(estimate, rel=1e-6)
    assert about.std_error == pytest.approx(error, rel=1e-4)
    assert about.df == pytest.approx(df, rel=1e-3)
    assert test.p_value == pytest.approx(p, rel=1e-3)


def test_the_report_says_the_declared_model_first_and_whom_it_speaks_to() -> None:
    """Property: the first sentence has the effect, its interval and the population; the effect is the
    difference of totals, which in a design without gaps is that of the paired test."""
    data = _study(test="linear-mixed")
    words = _first_words(data)
    assert "for other raters, other prompts and other responses of these systems" in words
    assert "declared in the locked plan" in words and "Kenward-Roger" in words
    chapter = contrast_chapter(ReportContext(data, shape_ratings(data)))
    assert chapter is not None and chapter.declared.by_model
    paired = chapter.primary.t_test.estimate
    assert chapter.planned_test.estimate == pytest.approx(paired, rel=1e-8)
    assert chapter.planned_test.p_value != chapter.primary.t_test.p_value


def test_equivalence_goes_by_the_declared_model() -> None:
    """Oracle: Student's t by scipy with the model's own standard error and degrees of freedom."""
    from scipy import stats

    data = _study(test="linear-mixed")
    chapter = contrast_chapter(ReportContext(data, shape_ratings(data)))
    assert chapter is not None
    found, about = chapter.declared.equivalence, chapter.declared.coefficient
    assert found is not None and about is not None and about.std_error and about.df
    mean = chapter.planned_test.estimate or 0.0
    below = stats.t.cdf((mean - 3) / about.std_error, about.df)
    above = stats.t.sf((mean + 3) / about.std_error, about.df)
    assert found.p_value == pytest.approx(max(below, above), rel=1e-10)


def test_a_model_that_cannot_be_fitted_gives_way_and_says_why() -> None:
    """Property: three prompts carry no random responses; the paired test stands there, with its reach."""
    words = _first_words(_study(prompts=3, test="linear-mixed"))
    assert "declares a model that does not exist here" in words
    assert "3 prompts have responses of several levels; 5 are needed" in words
    assert "speaks to other raters who judge these very responses" in words


def test_a_paired_test_is_labelled_for_what_it_speaks_to() -> None:
    """Property: the declared paired t test says that it is about these responses."""
    words = _first_words(_study(test="paired-t"))
    assert "not to other responses of the systems" in words


def test_an_item_by_the_cumulative_link_model() -> None:
    """Property: the effect is a log odds ratio of that item, and its p is that of the interval."""
    data = _study(test="cumulative-link-mixed", on="item1")
    chapter = contrast_chapter(ReportContext(data, shape_ratings(data)))
    assert chapter is not None and chapter.declared.by_model
    test = chapter.planned_test
    assert test.statistic == "cumulative_log_odds_ratio"
    assert test.p_value is not None and test.ci_low is not None and test.ci_high is not None
    assert (test.p_value < 0.05) == (not test.ci_low < 0 < test.ci_high)
    assert "log odds ratio of a higher answer" in _first_words(data)


@pytest.mark.parametrize(
    ("primary", "place", "said"),
    [
        ("test: paired-t, population: systems", "population", "cannot speak about the systems"),
        ("test: wilcoxon, published: A paper", "published", "leave it out"),
        ("test: paired-t, on: clarity", "on", "leave it out"),
        (
            "test: linear-mixed, on: nothing",
            "on",
            "there is no item that adds to the total 'nothing'",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(primary: str, place: str, said: str) -> None:
    """Property: the place and what to do stand in the refusal."""
    from protocols import shipped_protocols

    file = shipped_protocols()["demo"]
    text = file.read_text("utf-8")
    before = "primary: {system: tuned-offline, against: base-full, test: paired-t}"
    assert before in text
    changed = text.replace(before, before.replace("test: paired-t", primary))
    with pytest.raises(ProtocolError, match=f"analysis.primary.{place}") as refused:
        parse_protocol(changed, "demo.yaml", folder=file.parent)
    assert said in str(refused.value)


def test_a_plan_without_the_later_fields_has_the_dump_that_it_had() -> None:
    """Oracle: the fields by hand, as they were before a model could be declared; so the lock's hash is
    the same."""
    plan = PrimaryContrast.model_validate({"system": "a", "against": "b", "test": "paired-t"})
    assert plan.model_dump(mode="json") == {"system": "a", "against": "b", "test": "paired-t"}
    new = PrimaryContrast.model_validate({"system": "a", "against": "b"})
    assert new.test == "linear-mixed" and new.speaks_to == "systems"


def _lock_of_before(folder: Path) -> tuple[Any, str]:
    """A study whose plan names no test, with the lock that it had when that meant a paired t test."""
    from protocols import shipped_protocols

    source = shipped_protocols()["demo"].read_text("utf-8")
    file = folder / "demo.yaml"
    file.write_text(source.replace(", test: paired-t}", "}"), encoding="utf-8")
    for include in shipped_protocols()["demo"].parent.iterdir():
        if include.is_dir():
            shutil.copytree(include, folder / include.name)
    study = create_study(folder / "study", file)
    answer_everything(study)
    lock_study(study)
    return study, present_hashes(study)["analysis_plan"]


def test_an_old_lock_keeps_its_test_and_its_hash(tmp_path: Path) -> None:
    """Oracle: the hash of the plan's dump with paired-t by hand; a lock of today keeps today's default."""
    from sqlalchemy import update

    from study.store import tables

    study, today = _lock_of_before(tmp_path)
    again = open_study(study.folder)
    assert again.protocol.analysis.contrast.test == "linear-mixed"
    again.close()
    plain = study.protocol.analysis.model_dump(mode="json")
    plain["primary"]["test"] = "paired-t"
    former = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    assert former != today
    lock = read_lock(study)
    assert lock is not None
    with study.writing() as connection:
        hashes = json.dumps({**lock.hashes, "analysis_plan": former})
        connection.execute(update(tables.study).values(lock_hashes=hashes))
    study.close()
    old = open_study(study.folder)
    assert old.protocol.analysis.contrast.test == "paired-t"
    assert present_hashes(old)["analysis_plan"] == former
    old.close()


def test_other_raters_have_a_model_of_their_own() -> None:
    """Property: without two raters the declared model is of six; the kept one of all is not taken."""
    from analysis.chapters.contrast import totals_contrast
    from analysis.chapters.declared import declared_contrast

    context = ReportContext(data := _study(test="linear-mixed"), shape_ratings(data))
    everybody = context.samples[0][2]
    fewer = everybody & (np.arange(everybody.size) > 1)
    found = [
        declared_contrast(context, totals_contrast(context, 1, 0, raters), raters)
        for raters in (everybody, fewer)
    ]
    assert [f.model.n_raters for f in found if f.model is not None] == [8, 6]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R with its packages")
@pytest.mark.parametrize(
    ("primary", "statistic"),
    [
        ({"test": "linear-mixed"}, "mean_difference"),
        ({"test": "cumulative-link-mixed", "on": "item1"}, "cumulative_log_odds_ratio"),
    ],
)
def test_the_r_program_repeats_the_declared_model(
    primary: dict[str, str], statistic: str, tmp_path: Path
) -> None:
    """Oracle: lmer and clmm as the report's own R program calls them, sign included, to 1e-4."""
    data = _study(**primary)
    written = write_report(
        data, tmp_path, created=dt.date(2025, 1, 1), sections=["contrast"], with_r=True
    )
    folder = written.r_files[0].parent
    done = subprocess.run(
        ["Rscript", "report.R"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"^difference declared \S+ minus \S+ (\S+) $", done.stdout, re.MULTILINE)
    if found is None and "there is no package" in done.stdout:
        pytest.skip("R has not the packages of the models")
    assert found is not None, done.stdout[-2000:]
    table = pd.read_csv(written.folder / "tables" / "primary-contrast.csv")
    (mine,) = table.loc[table["statistic"] == statistic, "estimate"]
    assert float(found.group(1)) == pytest.approx(float(mine), rel=1e-4, abs=1e-4)
