"""Statistics beside pingouin's, a second oracle that is not R: on the data of tests/reference/stats.

pingouin prints its intervals with two digits (alpha's with three), so they are compared to those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.intraclass import icc
from analysis.contrasts.multiplicity import adjust
from analysis.contrasts.paired import equivalence, paired_contrast
from analysis.contrasts.two_groups import compare_groups
from analysis.reliability.consistency import scale_reliability
from analysis.results import Estimate

STATS = Path(__file__).parent / "reference" / "stats"


@pytest.fixture(scope="module")
def pg() -> Any:
    import pingouin

    return pingouin


def _numbers(name: str) -> pd.DataFrame:
    return pd.read_csv(STATS / name)


def _same_interval(ours: Estimate, theirs: Any) -> None:
    assert (ours.ci_low, ours.ci_high) == pytest.approx(tuple(theirs), abs=0.00501)


# pingouin 0.7 is older than the pandas that no longer wants this.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.dropna")
def test_six_intraclass_correlations(pg: Any) -> None:
    """Oracle: pingouin.intraclass_corr; A is absolute agreement (icc2), C is consistency (icc3)."""
    table = _numbers("C_complete.csv").filter(regex="^r")
    long = table.reset_index().melt(id_vars="index", var_name="rater", value_name="rating")
    theirs = pg.intraclass_corr(long, targets="index", raters="rater", ratings="rating")
    ours = icc(table.to_numpy())
    forms = (ours.icc1, ours.icc2, ours.icc3, ours.icc1k, ours.icc2k, ours.icc3k)
    for own, (_, row) in zip(forms, theirs.iterrows(), strict=True):
        assert own.estimate == pytest.approx(row["ICC"], abs=1e-12), row["Type"]
        assert own.p_value == pytest.approx(row["pval"], rel=1e-8)
        _same_interval(own, row["CI95"])


def test_cronbachs_alpha(pg: Any) -> None:
    """Oracle: pingouin.cronbach_alpha with Feldt's interval."""
    table = _numbers("scale.csv").filter(regex="^q")
    alpha, interval = pg.cronbach_alpha(table)
    ours = scale_reliability(table.to_numpy()).alpha
    assert ours.estimate == pytest.approx(alpha, abs=1e-12)
    _same_interval(ours, interval)


def test_paired_contrast_and_equivalence(pg: Any) -> None:
    """Oracle: pingouin.ttest with pairs, and tost: the larger of the two one-sided p values."""
    table = _numbers("paired.csv")
    first, second = table["phi4"].to_numpy(), table["eai"].to_numpy()
    theirs = pg.ttest(second, first, paired=True).iloc[0]
    ours = paired_contrast(first, second)
    assert ours.t_test.p_value == pytest.approx(theirs["p_val"], rel=1e-8)
    _same_interval(ours.t_test, theirs["CI95"])
    bound = 2 * float(np.std(second - first, ddof=1))
    tost = pg.tost(second, first, bound=bound, paired=True).iloc[0]
    same = equivalence(first, second, (-bound, bound))
    assert same.p_value == pytest.approx(tost["pval"], rel=1e-8)


def test_two_groups(pg: Any) -> None:
    """Oracle: pingouin's Welch test, d, g, U test and rank-biserial correlation."""
    table = _numbers("two.csv")
    x, y = (part["y"].to_numpy(dtype=float) for _, part in table.groupby("g", sort=True))
    ours = compare_groups(x, y)
    welch = pg.ttest(x, y, correction=True).iloc[0]
    assert ours.welch.p_value == pytest.approx(welch["p_val"], rel=1e-8)
    _same_interval(ours.welch, welch["CI95"])
    assert ours.cohens_d.estimate == pytest.approx(pg.compute_effsize(x, y, eftype="cohen"))
    # pingouin has Hedges' approximation of the correction, 1 - 3 / (4 n - 9); ours is exact.
    assert ours.hedges_g.estimate == pytest.approx(
        pg.compute_effsize(x, y, eftype="hedges"), rel=1e-3
    )
    ranks = pg.mwu(x, y).iloc[0]
    assert ours.mann_whitney.estimate == pytest.approx(ranks["U_val"])
    assert ours.rank_biserial.estimate == pytest.approx(ranks["RBC"], abs=1e-12)


@pytest.mark.parametrize(
    ("method", "theirs"),
    [("holm", "holm"), ("benjamini_hochberg", "fdr_bh"), ("benjamini_yekutieli", "fdr_by")],
)
def test_adjusted_p_values(pg: Any, method: str, theirs: str) -> None:
    """Oracle: pingouin.multicomp."""
    p_values = [0.001, 0.04, 0.03, 0.2, 0.011]
    assert adjust(p_values, method=method) == pytest.approx(
        tuple(pg.multicomp(p_values, method=theirs)[1]), abs=1e-12
    )
