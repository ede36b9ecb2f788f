"""The report: its numbers are those of the statistics, and nothing in it can mislead."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.bootstrap import bootstrap_alpha
from analysis.agreement.coefficients import gwet_ac
from analysis.agreement.intraclass import icc
from analysis.agreement.jackknife import jackknife_agreement
from analysis.chapters.decisions import SEED
from analysis.chapters.models import models_of_table
from analysis.contrasts.paired import paired_contrast
from analysis.contrasts.two_groups import compare_groups
from analysis.rating_models.ratings import RatingColumns
from analysis.reliability.consistency import scale_reliability
from analysis.report import build_report, write_report
from analysis.report.blocks import Document, Figure, Table
from analysis.report.html import document_html
from analysis.report.numbers import count, interval_text, number, p_text
from analysis.report.r_script import r_text
from analysis.resampling import Bootstrap
from study.entities import Named
from study.errors import AnalysisError
from study.protocol.analysis_plan import AnalysisPlan
from study.report_view.data import ReportData
from tests.simulated_report_data import protocol_with, simulated_report_data

DAY = dt.date(2025, 3, 1)
LATER = dt.date(2025, 4, 2)
# Sections that together hold every kind of block, for the forms that take seconds to set.
_EVERY_KIND = ("contrast", "frequencies", "quality")


class _Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._skip = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skip = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._skip = False

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


@pytest.fixture(scope="module")
def eai() -> ReportData:
    return simulated_report_data()


@pytest.fixture(scope="module")
def document(eai: ReportData) -> Document:
    return build_report(eai, created=DAY)


@pytest.fixture(scope="module")
def source(document: Document) -> str:
    return document_html(document)


@pytest.fixture(scope="module")
def page(source: str) -> _Page:
    return _Page(source)


@pytest.mark.parametrize("system", ["a", "b"])
def test_frequencies_add_up_to_360_per_item_and_system(document: Document, system: str) -> None:
    """Oracle: 36 raters x 10 prompts = 360 ratings; counts repeated with value_counts."""
    table = _table(document, f"frequencies-{system}-all").data
    points = table[table["row"] == "point"]
    assert (points.groupby("item")["frequency"].sum() == 360).all()
    assert points["item"].nunique() == 8 and len(points) == 40
    assert points.groupby("item")["percent"].sum().to_numpy() == pytest.approx(np.full(8, 100.0))
    last = points[points["point"] == 5]
    assert (last["cumulative_percent"] == 100.0).all()


def test_frequencies_equal_a_plain_count(eai: ReportData, document: Document) -> None:
    """Oracle: pandas' own count of the raw ratings."""
    raw = eai.ratings
    mine = raw[(raw["system"] == "b") & (raw["item"] == "item4")]["value"].value_counts()
    table = _table(document, "frequencies-b-all").data
    shown = table[(table["item"] == "item4") & (table["row"] == "point")]
    for point, frequency in zip(shown["point"], shown["frequency"], strict=True):
        assert frequency == int(mine.get(float(point), 0))


def test_unused_points_stand_as_zero() -> None:
    """Oracle: every answer is 4, so the other four points have no answer."""
    document = build_report(
        simulated_report_data(constant=4), created=DAY, sections=("frequencies",)
    )
    table = _table(document, "frequencies-a-all")
    cells = [row.cells for row in table.groups[0].rows]
    assert [c[1] for c in cells[:5]] == ["0", "0", "0", "360", "0"]
    assert [c[3] for c in cells[:5]] == ["0.00", "0.00", "0.00", "100.00", "100.00"]


def test_primary_contrast_in_the_page_is_the_result_object(eai: ReportData, page: _Page) -> None:
    """Oracle: `paired_contrast` on totals summed with pandas."""
    totals = eai.ratings.groupby(["rater", "system"])["value"].sum().unstack()
    result = paired_contrast(totals["b"], totals["a"])
    test = result.t_test
    assert test.estimate is not None and test.p_value is not None
    assert f"mean difference of totals = {number(test.estimate)}" in page.text
    assert interval_text(test) in page.text
    assert f"t(35) = {number(test.details.t)}, p {p_text(test.p_value)}" in page.text
    assert result.d_z.estimate is not None
    assert f"d_z = {number(result.d_z.estimate)}" in page.text


def test_subgroup_tests_in_the_csv_are_the_result_objects(
    eai: ReportData, document: Document
) -> None:
    """Oracle: `compare_groups` on totals summed with pandas; both t tests, the declared marked."""
    totals = eai.ratings[eai.ratings["system"] == "a"].groupby("rater")["value"].sum()
    gender = eai.raters.set_index("rater")["gender"].loc[totals.index]
    result = compare_groups(totals[gender == "man"], totals[gender == "woman"])
    table = _table(document, "tests-by-gender")
    rows = table.data[table.data["system"] == "a"].set_index("statistic")
    for test in (result.student, result.welch, result.hedges_g):
        assert rows.loc[test.statistic, "estimate"] == test.estimate
        assert rows.loc[test.statistic, "ci_low"] == test.ci_low
    assert bool(rows.loc["welch_t_difference", "declared"])
    assert not bool(rows.loc["student_t_difference", "declared"])
    labels = [row.cells[0] for row in table.rows]
    assert "Welch t test – declared" in labels and "Student t test – exploratory" in labels


def test_page_needs_nothing_outside_itself(page: _Page) -> None:
    """Oracle: no tag that loads, and no address in any attribute or style."""
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img", "object"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("href", "xlink:href"):
                assert value is not None and value.startswith("#"), (tag, name, value)
            assert name != "src"


def test_page_holds_no_address_and_no_nan(source: str) -> None:
    """Oracle: plain search of the whole file, markup and figures included."""
    assert "http" not in source and "nan" not in source.lower()


def test_page_is_accessible(page: _Page) -> None:
    """Oracle: WCAG's language, heading order, text alternatives, captions, unique ids."""
    assert dict(page.tags)["html"]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    svgs = [a for tag, a in page.tags if tag == "svg"]
    assert svgs and all(a["role"] == "img" and len(a["aria-label"] or "") > 40 for a in svgs)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) > 10
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_caption_names_unit_and_standing(document: Document) -> None:
    """Oracle: the rule that a caption names the unit of inference and what was declared."""
    blocks: list[Table | Figure] = [*document.tables, *document.figures]
    for block in blocks:
        assert re.search(r"Unit: .+ \((declared|exploratory|descriptive)\)\.$", block.caption)


def test_same_data_same_bytes_but_for_the_date(tmp_path: Path) -> None:
    """Oracle: two runs compared byte by byte, and a third that differs in its date only."""
    data = simulated_report_data(raters=6, prompts=3, items=2, missing=0.3)
    one, two = (write_report(data, tmp_path / name, created=DAY) for name in ("1", "2"))
    three, four = (
        write_report(
            data, tmp_path / name, formats=("docx", "pdf"), created=DAY, sections=_EVERY_KIND
        )
        for name in ("3", "4")
    )
    for before, after in ((one, two), (three, four)):
        pairs = zip((*before.reports, *before.tables), (*after.reports, *after.tables), strict=True)
        for first, second in pairs:
            assert first.read_bytes() == second.read_bytes(), first.name
    later = document_html(build_report(data, created=LATER))
    texts = [one.reports[0].read_text("utf-8"), later]
    assert texts[0] != texts[1]
    assert texts[0].replace(DAY.isoformat(), LATER.isoformat()) == texts[1]


def test_simulated_data_are_marked_everywhere(tmp_path: Path) -> None:
    """Oracle: the rule that simulated data can never be mistaken for real."""
    import docx
    import pypdf

    data = simulated_report_data(raters=6, prompts=3, items=2)
    written = write_report(data, tmp_path / "page", created=DAY)
    text = written.reports[0].read_text("utf-8")
    assert "SIMULATED" in text[: text.index("</title>")]
    figures = [a for tag, a in _Page(text).tags if tag == "svg"]
    assert figures and all((a["aria-label"] or "").startswith("SIMULATED") for a in figures)
    # What marks a page does so on every page, whatever stands on it.
    forms = write_report(
        data, tmp_path / "forms", formats=("docx", "pdf"), created=DAY, sections=_EVERY_KIND
    )
    word = docx.Document(str(forms.reports[0]))
    assert "SIMULATED" in word.sections[0].header.paragraphs[0].text
    for number_of_page in pypdf.PdfReader(forms.reports[1]).pages:
        assert "SIMULATED DATA" in number_of_page.extract_text()
    for path in written.tables:
        table = pd.read_csv(path)
        assert table.columns[0] == "simulated" and table["simulated"].all(), path.name


def test_real_data_carry_no_simulated_mark(tmp_path: Path) -> None:
    """Oracle: the mark means something only when it is absent otherwise."""
    data = simulated_report_data(raters=6, prompts=3, items=2, simulated=False)
    written = write_report(data, tmp_path, created=DAY)
    assert "SIMULATED" not in written.reports[0].read_text("utf-8")
    assert not pd.read_csv(written.tables[0])["simulated"].any()


def test_without_a_lock_the_first_lines_say_so_and_nothing_is_declared() -> None:
    """Oracle: what lies outside a locked plan is exploratory."""
    data = simulated_report_data(raters=8, prompts=3, items=2, lock={}, simulated=False)
    document = build_report(data, created=DAY)
    assert "not locked" in document.opening[0].text and document.opening[0].kind == "notice"
    assert all(b.standing != "declared" for b in document.tables)
    assert all(b.standing != "declared" for b in document.figures)
    assert "– declared" not in document_html(document)


def test_blind_codes_until_unblinded() -> None:
    """Oracle: the opening says how to reveal, and says nothing of it afterwards."""
    small: dict[str, Any] = {"raters": 6, "prompts": 3, "items": 2}
    told = ("contrast", "methods")
    blind = build_report(simulated_report_data(**small), created=DAY, sections=told)
    assert any("evenhand unblind" in p.text for p in blind.opening)
    names = (Named("a", "EAI tuned"), Named("b", "Phi-4"))
    shown = simulated_report_data(**small, unblinded=True, systems=names)
    open_ = build_report(shown, created=DAY, sections=told)
    assert not any("evenhand unblind" in p.text for p in open_.opening)
    assert "EAI tuned minus Phi-4" in document_html(open_)


def test_missing_answers_stand_with_their_reason() -> None:
    """Oracle: pandas' count of the reasons in the raw ratings."""
    data = simulated_report_data(missing=0.4)
    document = build_report(data, created=DAY, sections=("frequencies",))
    table = _table(document, "frequencies-a-all").data
    raw = data.ratings[(data.ratings["system"] == "a") & data.ratings["value"].isna()]
    assert len(raw) > 100
    expected = raw.groupby(["item", "missing_reason"]).size()
    shown = table[table["row"] == "missing"].set_index(["item", "label"])["frequency"]
    assert {k: int(v) for k, v in shown.items()} == {k: int(v) for k, v in expected.items()}
    valid = table[table["row"] == "total"].set_index("item")["frequency"]
    assert (valid + raw.groupby("item").size() == 360).all()


def _nobody() -> ReportData:
    data = simulated_report_data(raters=3, prompts=2, items=2)
    raters = data.raters.assign(status="enrolled")
    return dataclasses.replace(data, ratings=data.ratings.iloc[:0], raters=raters)


def _all_missing() -> ReportData:
    data = simulated_report_data(raters=3, prompts=2, items=2)
    ratings = data.ratings.assign(value=np.nan, missing_reason="not reached")
    return dataclasses.replace(data, ratings=ratings)


_DEGENERATE = {
    "one rater": lambda: simulated_report_data(raters=1, prompts=3),
    "one prompt and one item": lambda: simulated_report_data(raters=5, prompts=1, items=1),
    "all answers equal": lambda: simulated_report_data(raters=6, prompts=3, constant=3),
    "nobody rated": _nobody,
    "all missing": _all_missing,
    "a group of one": lambda: simulated_report_data(
        raters=2, prompts=3, items=3, groups=("student", "professional")
    ),
    "three systems": lambda: simulated_report_data(
        raters=6, prompts=3, items=3, n_systems=3, missing=0.5
    ),
}


@pytest.mark.parametrize("make", _DEGENERATE.values(), ids=_DEGENERATE.keys())
def test_degenerate_studies_give_reasons_and_no_nan(make: Any, tmp_path: Path) -> None:
    """Oracle: undefined is said with its reason; warnings are errors in this test run."""
    written = write_report(make(), tmp_path, created=DAY)
    text = _Page(written.reports[0].read_text("utf-8")).text
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    for path in written.tables:
        assert not re.search(r"(^|,)(nan|None|inf)(,|$)", path.read_text("utf-8"), re.MULTILINE)
    if "undefined (" in text:
        assert "undefined, because" in text


def test_a_study_without_ratings_has_all_formats(tmp_path: Path) -> None:
    """Oracle: three files that begin as their formats do."""
    written = write_report(_nobody(), tmp_path, formats=("html", "docx", "pdf"), created=DAY)
    starts = [path.read_bytes()[:4] for path in written.reports]
    assert starts == [b"<!DO", b"PK\x03\x04", b"%PDF"]


def test_response_text_is_shown_as_text(source: str) -> None:
    """Oracle: the builder's responses carry a tag, which must not become one."""
    assert "&lt;b&gt;Rest&lt;/b&gt; &amp; talk." in source and "<b>Rest</b>" not in source


def test_unknown_format_section_and_system_are_refused(tmp_path: Path, eai: ReportData) -> None:
    """Oracle: an error says what, which value and what was expected."""
    with pytest.raises(AnalysisError, match="'odt'; choose from html, docx, pdf"):
        write_report(eai, tmp_path, formats=("odt",))
    with pytest.raises(AnalysisError, match="no section 'taste'"):
        build_report(eai, created=DAY, sections=("taste",))
    stranger = eai.ratings.assign(system="z")
    with pytest.raises(AnalysisError, match="system 'z'"):
        build_report(dataclasses.replace(eai, ratings=stranger), created=DAY)
    twice = pd.concat([eai.ratings, eai.ratings.iloc[:1]])
    with pytest.raises(AnalysisError, match="two ratings of item"):
        build_report(dataclasses.replace(eai, ratings=twice), created=DAY)


def test_alpha_in_the_table_is_the_result_object(eai: ReportData, document: Document) -> None:
    """Oracle: `scale_reliability` on means made with pandas."""
    own = eai.ratings[eai.ratings["system"] == "a"]
    means = own.groupby(["rater", "item"])["value"].mean().unstack()
    alpha = scale_reliability(means).alpha
    table = _table(document, "reliability")
    row = next(r for r in table.rows if r.cells[0] == "System A")
    assert alpha.estimate is not None
    assert row.cells[2] == f"{number(alpha.estimate)} {interval_text(alpha)}"


def test_models_of_an_item_are_the_result_objects(eai: ReportData, document: Document) -> None:
    """Oracle: `models_of_table` on the rows of that item."""
    fits = models_of_table(
        eai.ratings[eai.ratings["item"] == "item2"],
        RatingColumns("value", "system", "rater", "prompt"),
        reference="b",
        points=range(1, 6),
    )
    rows = _table(document, "models-by-item").data
    rows = rows[rows["item"] == "item2"]
    for fit, statistic in (
        (fits.models["clmm_slope"], "cumulative_log_odds_ratio"),
        (fits.models["lmer_slope"], "mean_difference"),
    ):
        expected = fit.find(statistic, "a")
        shown = rows[(rows["model"] == fit.model) & (rows["statistic"] == statistic)]
        assert expected.estimate == pytest.approx(shown["estimate"].iloc[-1], rel=1e-6)


def test_quality_finds_the_rater_who_straight_lines() -> None:
    """Oracle: one rater's answers are all set to 3, 160 in a row."""
    data = simulated_report_data()
    ratings = data.ratings.copy()
    ratings.loc[ratings["rater"] == "R007", "value"] = 3.0
    document = build_report(
        dataclasses.replace(data, ratings=ratings), created=DAY, sections=("quality",)
    )
    first = _table(document, "quality-raters").rows[0].cells
    assert first[0] == "R007" and first[3] == "160" and first[4] == "20 of 20"


def test_r_text_cannot_leave_its_quotes() -> None:
    """Oracle: R's escapes written by hand."""
    assert r_text('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_r_repeats_the_primary_contrast(eai: ReportData, tmp_path: Path) -> None:
    """Oracle: R runs the written script; its paired t is the report's."""
    written = write_report(eai, tmp_path, created=DAY, with_r=True, sections=("contrast",))
    script = written.r_files[0]
    base = script.read_text("utf-8").split('heading("Mixed models of each item')[0]
    script.write_text(base, encoding="utf-8")
    run = subprocess.run(["Rscript", "report.R"], cwd=script.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    totals = eai.ratings.groupby(["rater", "system"])["value"].sum().unstack()
    test = paired_contrast(totals["b"], totals["a"]).t_test
    found = re.search(r"t = ([\d.]+), df = 35", run.stdout)
    assert found is not None
    assert float(found[1]) == pytest.approx(test.details.t, rel=1e-4)
    assert "SIMULATED DATA" in run.stdout


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_r_repeats_equivalence_families_and_exclusions(eai: ReportData, tmp_path: Path) -> None:
    """Oracle: R's t.test and p.adjust in the written script, against the report's own tables."""
    ratings = eai.ratings.copy()
    ratings.loc[ratings["rater"] == "R007", "value"] = 3.0
    ratings.loc[ratings["rater"] == "R003", "seconds"] = 0.5
    gap = ratings.index[(ratings["rater"] == "R005") & (ratings["system"] == "b")][0]
    ratings.loc[gap, ["value", "missing_reason"]] = [np.nan, "skipped"]
    data = _with_plan(
        # Unblinded, because bounds that are not symmetric are tested only then.
        dataclasses.replace(eai, ratings=ratings, unblinded=True),
        equivalence={"low": -40, "high": 60, "reason": "A tenth of the range."},
        families=[
            {"name": "main", "adjustment": "hommel", "tests": ["primary", "gender"]},
            {"name": "side", "adjustment": "by", "tests": ["major"]},
        ],
        exclusions={"minimum_seconds": 2.0, "longest_run": 60, "incomplete": True},
    )
    keys = ("contrast", "subgroups", "quality")
    written = write_report(data, tmp_path, created=DAY, with_r=True, sections=keys)
    script = written.r_files[0]
    base = script.read_text("utf-8").split('heading("Mixed models of each item')[0]
    script.write_text(base, encoding="utf-8")
    run = subprocess.run(["Rscript", "report.R"], cwd=script.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "left out: R003 R005 R007" in run.stdout
    document = build_report(data, created=DAY, sections=keys)
    before, after = run.stdout.split("## Without the raters left out", 1)
    tables = (("primary-contrast", before, None), ("exclusions-contrast", after, "without"))
    for key, text, sample in tables:
        table = _table(document, key).data
        table = table if sample is None else table[table["sample"] == sample]
        mine = table.set_index("statistic")
        tost = re.search(r"TOST p = (\S+) interval (\S+) (\S+)", text)
        d_z = re.search(r"d_z = (\S+)", text)
        assert tost is not None and d_z is not None
        assert float(tost[1]) == pytest.approx(mine.loc["tost_difference", "p_value"], rel=1e-8)
        assert float(tost[2]) == pytest.approx(mine.loc["tost_difference", "ci_low"], rel=1e-6)
        assert float(d_z[1]) == pytest.approx(mine.loc["d_z", "estimate"], rel=1e-8)
    theirs = {
        (parts[0].split("/")[0], *sorted(parts[0].split("/")[1:])): parts[1:]
        for parts in (line.split()[1:] for line in before.splitlines() if line[:8] == "adjusted")
    }
    families = _table(document, "families").data
    labels = {"Man": "man", "Woman": "woman", "STEM": "stem", "Other": "other"}
    assert len(theirs) == len(families) == 5
    for row in families.to_dict("records"):
        by, *rest = row["test"].split("/")
        raw, adjusted = theirs[(by, *sorted(labels.get(part, part) for part in rest))]
        assert float(raw) == pytest.approx(row["p_value"], rel=1e-8)
        assert float(adjusted) == pytest.approx(row["adjusted_p_value"], rel=1e-8)


def _with_plan(data: ReportData, **blocks: Any) -> ReportData:
    plan = {**data.plan.model_dump(exclude_none=True), **blocks}
    return dataclasses.replace(
        data, protocol=protocol_with(data, analysis=AnalysisPlan.model_validate(plan))
    )


def test_declared_equivalence_stands_in_the_primary_contrast(eai: ReportData) -> None:
    """Oracle: scipy's two one-sided t tests on totals summed with pandas; the larger p counts."""
    from scipy import stats

    bounds = {"low": -40, "high": 60, "reason": "A tenth of the range."}
    data = dataclasses.replace(_with_plan(eai, equivalence=bounds), unblinded=True)
    document = build_report(data, created=DAY, sections=("contrast", "methods"))
    totals = eai.ratings.groupby(["rater", "system"])["value"].sum().unstack()
    difference = totals["a"] - totals["b"]
    above = stats.ttest_1samp(difference, -40, alternative="greater").pvalue
    below = stats.ttest_1samp(difference, 60, alternative="less").pvalue
    interval = stats.ttest_1samp(difference, 0).confidence_interval(0.90)
    table = _table(document, "primary-contrast")
    row = table.data.set_index("statistic").loc["tost_difference"]
    assert row["p_value"] == pytest.approx(max(above, below), rel=1e-10)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    shown = next(r.cells for r in table.rows if r.cells[0].startswith("Equivalence"))
    assert shown[0].startswith("Equivalence within −40.00 to 60.00") and "declared" in shown[0]
    text = _Page(document_html(document)).text
    assert f"two one-sided t tests: {'shown' if max(above, below) < 0.05 else 'not shown'}" in text
    assert "A tenth of the range" in text


def test_p_values_are_adjusted_within_the_declared_families(eai: ReportData) -> None:
    """Oracle: Holm by hand on the raw p values; gender in two systems and the primary contrast."""
    families = [
        {"name": "main", "adjustment": "holm", "tests": ["primary", "gender"]},
        {"name": "side", "adjustment": "bh", "tests": ["major"]},
    ]
    document = build_report(
        _with_plan(eai, families=families), created=DAY, sections=("contrast", "subgroups")
    )
    table = _table(document, "families").data
    main = table[table["family"] == "main"].sort_values("p_value")
    raw = main["p_value"].to_numpy()
    by_hand = np.minimum(1, np.maximum.accumulate(raw * np.array([3, 2, 1])))
    assert main["adjusted_p_value"].to_numpy() == pytest.approx(by_hand)
    side = np.sort(table[table["family"] == "side"]["p_value"].to_numpy())
    adjusted = np.sort(table[table["family"] == "side"]["adjusted_p_value"].to_numpy())
    assert adjusted == pytest.approx([min(2 * side[0], side[1]), side[1]])
    tests = _table(document, "tests-by-gender")
    declared = [r.cells for r in tests.rows if "declared" in r.cells[0]]
    assert tests.columns[-1].label == "p, adjusted"
    wanted = table[table["test"].str.startswith("gender/")]
    assert [c[4] for c in declared] == [p_text(p) for p in wanted["p_value"]]
    assert [c[-1] for c in declared] == [p_text(p) for p in wanted["adjusted_p_value"]]
    assert all(r.cells[-1] == "–" for r in tests.rows if "declared" not in r.cells[0])


def test_exclusions_show_the_family_adjusted_on_the_same_raters(eai: ReportData) -> None:
    """Oracle: Holm of statsmodels on the p values of each sample; Welch's df not rounded away."""
    from statsmodels.stats.multitest import multipletests

    ratings = eai.ratings.copy()
    ratings.loc[ratings["rater"] == "R003", "seconds"] = 0.5
    plan = {
        "exclusions": {"minimum_seconds": 2.0},
        "families": [{"name": "all", "tests": ["primary", "gender"]}],
    }
    data = dataclasses.replace(_with_plan(eai, **plan), ratings=ratings)
    document = build_report(data, created=DAY, sections=("quality", "subgroups"))
    primary, subgroups = (_table(document, f"exclusions-{k}") for k in ("contrast", "subgroups"))
    for table in (primary, subgroups):
        assert table.columns[-1].label == "p, adjusted"
    raw = primary.data[primary.data["statistic"] == "paired_t_difference"]
    gender = subgroups.data[subgroups.data["by"] == "gender"]
    by_sample = {}
    for sample in ("all", "without"):
        tests = [*raw[raw["sample"] == sample]["p_value"]]
        tests += [*gender[gender["sample"] == sample]["p_value"]]
        assert len(tests) == 3
        by_sample[sample] = [p_text(p) for p in multipletests(tests, method="holm")[1]]
    assert by_sample["all"] != by_sample["without"]
    cells = [r.cells[-1] for r in primary.rows if r.cells[-1] != "–"]
    assert cells == [by_sample["all"][0], by_sample["without"][0]]
    shown = [r.cells[-1] for r in subgroups.rows if r.cells[-1] != "–"]
    pairs = zip(by_sample["all"][1:], by_sample["without"][1:], strict=True)
    assert shown == [cell for pair in pairs for cell in pair]
    welch = gender["df"].tolist()
    assert all(df != round(df) for df in welch)
    gendered = subgroups.groups[0].rows + subgroups.groups[1].rows
    assert sorted(r.cells[3] for r in gendered) == sorted(f"{df:.2f}" for df in welch)
    declared = [r for r in _table(document, "tests-by-gender").rows if r.strong]
    assert [r.cells[3] for r in declared] == [gendered[i].cells[3] for i in (0, 2)]


def test_without_families_nothing_claims_to_be_adjusted(document: Document) -> None:
    """Oracle: the plan of the fixture declares none."""
    assert "families" not in {t.key for t in document.tables}
    assert _table(document, "tests-by-gender").columns[-1].label == "n"
    assert "exclusions" not in {t.key for t in document.tables}


def test_declared_exclusions_show_who_and_both_results(eai: ReportData) -> None:
    """Oracle: three raters made to fall under one rule each; the totals without them, pandas."""
    ratings = eai.ratings.copy()
    ratings.loc[ratings["rater"] == "R007", "value"] = 3.0
    ratings.loc[ratings["rater"] == "R003", "seconds"] = 0.5
    gap = ratings.index[(ratings["rater"] == "R005") & (ratings["system"] == "b")][0]
    ratings.loc[gap, "value"] = np.nan
    ratings.loc[gap, "missing_reason"] = "skipped"
    rules = {"minimum_seconds": 2.0, "longest_run": 60, "incomplete": True}
    data = dataclasses.replace(_with_plan(eai, exclusions=rules), ratings=ratings)
    document = build_report(data, created=DAY, sections=("quality",))
    who = [r.cells[1:] for r in _table(document, "exclusions").rows]
    assert who == [("1", "R003"), ("1", "R007"), ("1", "R005"), ("3", "R003, R005, R007")]
    table = _table(document, "exclusions-contrast").data
    shown = table[table["statistic"] == "paired_t_difference"].set_index("sample")
    for sample, gone in (("all", ["R005"]), ("without", ["R003", "R005", "R007"])):
        kept = ratings[~ratings["rater"].isin(gone)]
        totals = kept.groupby(["rater", "system"])["value"].sum().unstack()
        test = paired_contrast(totals["b"], totals["a"]).t_test
        assert shown.loc[sample, "estimate"] == pytest.approx(test.estimate)
        assert shown.loc[sample, "p_value"] == pytest.approx(test.p_value)
        assert shown.loc[sample, "n"] == test.n == 36 - len(gone)
    men = eai.raters[eai.raters["gender"] == "man"]["rater"]
    tests = _table(document, "exclusions-subgroups").data
    coefficients = _table(document, "exclusions-agreement").data
    for sample, gone in (("all", ["R005"]), ("without", ["R003", "R005", "R007"])):
        kept = ratings[~ratings["rater"].isin(gone)]
        totals = kept[kept["system"] == "b"].groupby("rater")["value"].sum()
        in_men = totals.index.isin(men)
        welch = compare_groups(totals[in_men], totals[~in_men]).welch
        row = tests[
            (tests["sample"] == sample) & (tests["by"] == "gender") & (tests["system"] == "b")
        ]
        assert row["p_value"].iloc[0] == pytest.approx(welch.p_value)
        stay = ratings if sample == "all" else kept
        matrix = stay.pivot(index=["item", "system", "prompt"], columns="rater", values="value")
        ac2 = jackknife_agreement(
            lambda m: gwet_ac(m, range(1, 6), weights="quadratic"),
            matrix.to_numpy(),
            [f"{system} {prompt}" for _, system, prompt in matrix.index],
        )
        row = coefficients[
            (coefficients["sample"] == sample) & (coefficients["statistic"] == "gwet_ac2_quadratic")
        ]
        for part in ("estimate", "ci_low", "ci_high"):
            assert row[part].iloc[0] == pytest.approx(getattr(ac2, part))


def test_a_plan_without_a_primary_contrast_says_so_and_goes_on(eai: ReportData) -> None:
    """Oracle: the sentence; exclusions still show subgroup tests and agreement."""
    plan = {**eai.plan.model_dump(exclude_none=True), "exclusions": {"longest_run": 60}}
    plan.pop("primary")
    data = dataclasses.replace(
        eai, protocol=protocol_with(eai, analysis=AnalysisPlan.model_validate(plan))
    )
    keys = ("contrast", "quality", "methods")
    document = build_report(data, created=DAY, sections=keys)
    text = _Page(document_html(document)).text
    assert "The primary contrast is undefined, because the plan names none." in text
    assert "names no primary contrast" in text
    assert {"exclusions-subgroups", "exclusions-agreement"} <= {t.key for t in document.tables}


def test_time_to_write_is_hidden_until_unblinding(eai: ReportData) -> None:
    """Oracle: the fixture's latencies are known, 0.5 s upwards; the blind report shows none."""
    blind = _table(build_report(eai, created=DAY, sections=("materials",)), "systems")
    assert [r.cells[-1] for r in blind.rows] == ["hidden until unblinding"] * 2
    assert not any(c.startswith("latency") for c in blind.data.columns)
    open_ = dataclasses.replace(eai, unblinded=True)
    shown = _table(build_report(open_, created=DAY, sections=("materials",)), "systems")
    assert [r.cells[-1] for r in shown.rows] == ["0.59 (0.50 to 0.68)", "0.60 (0.51 to 0.69)"]


@pytest.mark.parametrize("make", _DEGENERATE.values(), ids=_DEGENERATE.keys())
def test_a_full_plan_on_degenerate_studies_gives_reasons(make: Any, tmp_path: Path) -> None:
    """Oracle: undefined is said with its reason; warnings are errors in this test run."""
    data = _with_plan(
        make(),
        equivalence={"low": -4, "high": 4, "reason": "Small."},
        families=[{"name": "main", "tests": ["primary", "gender", "major"]}],
        exclusions={"minimum_seconds": 40, "longest_run": 5, "incomplete": True},
    )
    written = write_report(
        data, tmp_path, created=DAY, sections=("contrast", "subgroups", "quality", "methods")
    )
    text = _Page(written.reports[0].read_text("utf-8")).text
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)


def test_weighted_agreement_in_the_csv_is_the_result_objects(
    eai: ReportData, document: Document
) -> None:
    """Oracle: the statistics on a table of responses by raters made with pandas."""
    own = eai.ratings[eai.ratings["item"] == "item2"]
    matrix = own.pivot(index=["system", "prompt"], columns="rater", values="value").to_numpy()
    points = range(1, 6)
    redrawn = bootstrap_alpha(matrix, points, resample="both", bootstrap=Bootstrap(seed=SEED))
    expected = (
        gwet_ac(matrix, points, weights="quadratic"), icc(matrix).icc2, icc(matrix).icc2k, redrawn
    )  # fmt: skip
    table = _table(document, "agreement-weighted-all")
    rows = table.data[table.data["item"] == "item2"].set_index("statistic")
    for result in expected:
        for name in ("estimate", "ci_low", "ci_high"):
            shown = rows.loc[result.statistic, name]
            assert shown == pytest.approx(getattr(result, name), rel=1e-9), (result.statistic, name)
    assert [r.cells[0] for r in table.rows] == [*(i.label for i in eai.items), "All items"]


def test_large_studies_get_no_bootstrap_and_are_told_why(eai: ReportData) -> None:
    """Oracle: 36 raters x 20 responses x 8 items = 5,760 ratings stand above a limit of 5,000."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.chapters.decisions.MOST_RATINGS_REDRAWN", 5000)
        document = build_report(eai, created=DAY, sections=("agreement",))
    table = _table(document, "agreement-weighted-all")
    alphas = table.data[table.data["statistic"] == "krippendorff_alpha_ordinal"]
    assert alphas.set_index("item")["ci_low"].isna().to_dict() == {
        **{item.id: False for item in eai.items}, "all": True
    }  # fmt: skip
    assert any(f"there are more than {count(5000)} ratings" in note for note in table.notes)


def test_gaps_do_not_drop_responses_from_the_icc() -> None:
    """Oracle: `icc` by mixed model on a table made with pandas; 20 responses, all kept."""
    data = simulated_report_data(missing=0.4)
    own = data.ratings[data.ratings["item"] == "item1"]
    matrix = own.pivot(index=["system", "prompt"], columns="rater", values="value").to_numpy()
    assert np.isnan(matrix).any()
    table = _table(
        build_report(data, created=DAY, sections=("agreement",)), "agreement-weighted-all"
    )
    row = table.data.query("item == 'item1' and statistic == 'icc2'").iloc[0]
    result = icc(matrix, missing="mixed_model_profile").icc2
    assert row["n"] == 20 and row["estimate"] == pytest.approx(result.estimate, rel=1e-4)
    assert any("restricted maximum likelihood" in note for note in table.notes)
