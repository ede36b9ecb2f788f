"""Emotion annotation against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.agreement.labels import annotation_scores
from analysis.resampling import Bootstrap
from study.errors import AnalysisError

LABELS = ["joy", "fear", "anger", "sadness", "surprise"]


def test_scores_equal_scikit_learn() -> None:
    """precision_recall_fscore_support, accuracy and kappa; the class surprise never occurs."""
    from sklearn.metrics import (
        accuracy_score,
        cohen_kappa_score,
        confusion_matrix,
        f1_score,
        precision_recall_fscore_support,
    )

    rng = np.random.default_rng(1)
    truth = rng.choice(LABELS[:4], 120).tolist()
    given = [t if rng.random() < 0.6 else rng.choice(LABELS[:4]) for t in truth]
    found = annotation_scores(truth, given, LABELS)
    used = LABELS[:4]
    precision, recall, f1, support = precision_recall_fscore_support(truth, given, labels=used)
    for k in range(4):
        scores = found.classes[k]
        assert scores.precision.estimate == pytest.approx(precision[k])
        assert scores.recall.estimate == pytest.approx(recall[k])
        assert scores.f1.estimate == pytest.approx(f1[k])
        assert scores.support == support[k]
    assert found.accuracy.estimate == pytest.approx(accuracy_score(truth, given))
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(truth, given))
    assert found.macro_f1.estimate == pytest.approx(f1_score(truth, given, average="macro"))
    weighted = f1_score(truth, given, average="weighted")
    assert found.weighted_f1.estimate == pytest.approx(weighted)
    assert np.array_equal(found.confusion, confusion_matrix(truth, given, labels=LABELS))


def test_class_without_cases_is_undefined_not_zero() -> None:
    """Surprise was neither given nor had; fear was had and never given."""
    found = annotation_scores(["joy", "fear"], ["joy", "joy"], LABELS)
    by_label = {c.label: c for c in found.classes}
    assert by_label["surprise"].f1.undefined_because
    assert by_label["fear"].precision.undefined_because == "'fear' was never given"
    assert by_label["fear"].recall.estimate == 0.0
    assert found.macro_f1.details.of.classes == 2


def test_a_class_never_given_counts_as_zero_in_every_macro_mean() -> None:
    """scikit-learn with zero_division=0; by hand precision (1/2 + 0 + 1)/3, F1 (2/3 + 0 + 1)/3."""
    from sklearn.metrics import precision_recall_fscore_support

    for truth, given in (
        (["joy", "sadness", "fear"], ["joy", "joy", "fear"]),
        (["joy", "joy", "fear"], ["joy", "sadness", "fear"]),
    ):
        found = annotation_scores(truth, given, LABELS)
        ours = (found.macro_precision, found.macro_recall, found.macro_f1)
        macro = precision_recall_fscore_support(truth, given, average="macro", zero_division=0)
        assert [e.estimate for e in ours] == pytest.approx(list(macro[:3]))
        undefined = [
            sum(v is None for v in column)
            for column in zip(
                *(
                    (c.precision.estimate, c.recall.estimate)
                    for c in found.classes
                    if c.f1.estimate is not None
                ),
                strict=True,
            )
        ]
        assert [e.details.of.counted_as_zero for e in ours] == [*undefined, 0]
        assert sum(undefined) == 1
    assert found.macro_f1.estimate == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_missing_annotations_are_counted() -> None:
    """Hand count: one unit without annotation, one without reference."""
    found = annotation_scores(["joy", "joy", None], ["joy", None, "fear"], LABELS)
    assert (found.accuracy.n, found.accuracy.n_missing) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["joy"], ["bliss"], LABELS), "'bliss' in row 1 is not a class"),
        ((["joy"], [], LABELS), "reference has 1 units and annotated 0"),
        ((["joy"], ["joy"], ["joy"]), "two or more different classes"),
    ],
)
def test_unusable_annotations_are_refused(arguments: tuple[list[str], ...], message: str) -> None:
    """The error names the label and its row."""
    with pytest.raises(AnalysisError, match=message):
        annotation_scores(*arguments)


def test_macro_means_equal_scikit_learn_and_intervals_a_bootstrap_of_rows() -> None:
    """precision_recall_fscore_support macro; rows drawn again with scikit-learn's F1, 2,000 times."""
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    rng = np.random.default_rng(2)
    truth = rng.choice(LABELS, 150)
    given = np.where(rng.random(150) < 0.6, truth, rng.choice(LABELS, 150))
    found = annotation_scores(
        truth.tolist(), given.tolist(), LABELS, bootstrap=Bootstrap(2000, seed=3)
    )
    macro = precision_recall_fscore_support(truth, given, average="macro")
    ours = (found.macro_precision, found.macro_recall, found.macro_f1)
    assert [e.estimate for e in ours] == pytest.approx(list(macro[:3]))
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, 150, 150)
        hits = [(truth[rows] == k) & (given[rows] == k) for k in LABELS]
        both = [(truth[rows] == k).sum() + (given[rows] == k).sum() for k in LABELS]
        drawn.append(np.mean([2 * h.sum() / b for h, b in zip(hits, both, strict=True)]))
    assert f1_score(truth[rows], given[rows], average="macro") == pytest.approx(drawn[-1])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.macro_f1.ci_low == pytest.approx(low, abs=0.01)
    assert found.macro_f1.ci_high == pytest.approx(high, abs=0.01)


def test_a_perfect_annotation_has_no_interval_and_says_why() -> None:
    """Every unit drawn again is a hit, so F1 is 1 in every replicate that has the class."""
    found = annotation_scores(["joy", "fear"] * 5, ["joy", "fear"] * 5, LABELS)
    assert (found.macro_f1.ci_low, found.macro_f1.ci_high) == (None, None)
    assert found.macro_f1.ci_method.startswith("none by bootstrap")
    assert found.accuracy.ci_low == pytest.approx(10 / (10 + 1.959964**2))
