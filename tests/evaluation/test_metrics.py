import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score, specificity_score
from sklearn import metrics as reference

from imbtk.evaluation.metrics import (
    Missing,
    Predictions,
    calibration_bin,
    class_metrics,
    confusion_counts,
    overall_metrics,
    shot_classes,
)


@st.composite
def predictions(draw):
    """Any predictions: absent classes, ties (one decimal), abstentions, single rows, one class only."""
    k, n = draw(st.integers(2, 5)), draw(st.integers(1, 40))
    labels = draw(st.lists(st.integers(0, draw(st.integers(0, k - 1))), min_size=n, max_size=n))
    predicted = draw(st.lists(st.integers(-1, k - 1), min_size=n, max_size=n))
    seed = draw(st.integers(0, 2**16))
    p = np.random.default_rng(seed).integers(0, 4, size=(n, k)) + 0.5
    names = tuple(f"class {i}" for i in range(k))
    positive = draw(st.integers(0, 1)) if k == 2 else None
    p = p / p.sum(axis=1, keepdims=True)
    return Predictions(np.array(labels), np.array(predicted), p, names, positive=positive)


def figures_of(p):
    per_class = class_metrics(p)
    return per_class, overall_metrics(p, per_class)


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_class_figures_agree_with_reference_or_are_missing(p):
    per_class, _ = figures_of(p)
    keep = p.predicted >= 0
    truth, called = p.labels[keep], p.predicted[keep]
    for k, got in enumerate(per_class):
        tp, fn = int(((truth == k) & (called == k)).sum()), int(((truth == k) & (called != k)).sum())
        fp, tn = int(((truth != k) & (called == k)).sum()), int(((truth != k) & (called != k)).sum())
        fractions = {
            "sensitivity": (tp, tp + fn),
            "specificity": (tn, tn + fp),
            "precision": (tp, tp + fp),
            "f1": (2 * tp, 2 * tp + fp + fn if tp + fn else 0),
        }
        for name, (over, under) in fractions.items():
            assert isinstance(got[name], Missing) == (under == 0), name
            if under:
                assert got[name] == pytest.approx(over / under), name
        positives = p.labels == k
        assert isinstance(got["auroc"], Missing) == (positives.all() or not positives.any())
        if not isinstance(got["auroc"], Missing):
            score = p.probabilities[:, k]
            pairs = score[positives][:, None] - score[~positives][None, :]
            assert got["auroc"] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
            assert got["auprc"] == pytest.approx(reference.average_precision_score(positives, score))


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_overall_figures_agree_with_reference_or_are_missing(p):
    _, got = figures_of(p)
    k, n = p.num_classes, len(p.labels)
    keep = p.predicted >= 0
    truth, called = p.labels[keep], p.predicted[keep]
    target = np.eye(k)[p.labels]
    squares = ((p.probabilities - target) ** 2).sum(axis=0) / n
    assert got["brier"] == pytest.approx(squares.sum() if k > 2 else squares[p.positive])
    assert ("auroc" in got, "auprc" in got, "auprc_floor" in got) == (k == 2,) * 3
    assert got["log_loss"] == pytest.approx(-np.log(p.probabilities[np.arange(n), p.labels]).mean())
    assert got["coverage"] == pytest.approx(keep.mean())
    if not keep.any():
        assert got["accuracy"] == Missing("no decided rows")
        return
    assert got["accuracy"] == pytest.approx((truth == called).mean())
    everywhere = len(np.unique(truth)) == k
    assert isinstance(got["balanced_accuracy"], Missing) == (not everywhere)
    if everywhere:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert got["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, called))
            assert got["g_mean"] == pytest.approx(geometric_mean_score(truth, called))
            macro = reference.f1_score(truth, called, average="macro", labels=range(k), zero_division=0)
        assert got["macro_f1"] == pytest.approx(macro)
    undefined = len(np.unique(truth)) < 2 or len(np.unique(called)) < 2
    assert isinstance(got["mcc"], Missing) == undefined
    if not undefined:
        assert got["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, called))


@settings(max_examples=25, deadline=None)
@given(predictions())
def test_permuting_classes_permutes_figures(p):
    order = np.random.default_rng(0).permutation(p.num_classes)
    new = np.argsort(order)
    called = np.where(p.predicted < 0, -1, new[p.predicted])
    names, positive = [p.class_names[i] for i in order], None if p.positive is None else int(new[p.positive])
    moved = Predictions(new[p.labels], called, p.probabilities[:, order], names, positive=positive)
    per_class, overall = figures_of(p)
    moved_class, moved_overall = figures_of(moved)
    for position, k in enumerate(order):
        for name, value in per_class[k].items():
            other = moved_class[position][name]
            assert value == other if isinstance(value, Missing) else value == pytest.approx(other), name
    for name in set(overall) - {"ece"}:
        value, other = overall[name], moved_overall[name]
        if isinstance(value, Missing):
            assert isinstance(other, Missing), name
        else:
            assert value == pytest.approx(other), name


def test_specificity_agrees_with_imbalanced_learn():
    rng = np.random.default_rng(1)
    labels, called = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    p = Predictions(labels, called, np.full((200, 4), 0.25), "abcd")
    expected = specificity_score(labels, called, average=None)
    assert [c["specificity"] for c in class_metrics(p)] == pytest.approx(list(expected))


def test_figures_worked_on_paper():
    labels, called = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    positive = np.array([0.1, 0.2, 0.3, 0.6, 0.8, 0.4])
    p = Predictions(labels, called, np.column_stack([1 - positive, positive]), ("a", "b"))
    per_class, overall = figures_of(p)
    assert p.positive_class == 1, "the rarer class unless told"
    assert confusion_counts(p).tolist() == [[3, 1], [1, 1]]
    assert per_class[1]["sensitivity"] == 0.5
    assert per_class[1]["specificity"] == 0.75
    assert overall["balanced_accuracy"] == 0.625
    assert overall["g_mean"] == pytest.approx(math.sqrt(0.75 * 0.5))
    assert overall["mcc"] == pytest.approx((3 * 1 - 1 * 1) / math.sqrt(4 * 2 * 4 * 2))
    assert overall["auroc"] == pytest.approx(7 / 8)
    assert overall["auprc"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert overall["auprc_floor"] == pytest.approx(2 / 6)
    squares = (0.01 + 0.04 + 0.09 + 0.36 + 0.04 + 0.36) / 6
    assert overall["brier"] == pytest.approx(squares)


def test_metrics_of_two_classes_are_the_rare_ones():
    """The mean over both says 0.5 of a ranking that is worth nothing for a class of 1 %."""
    rng = np.random.default_rng(0)
    labels = (rng.random(5000) < 0.01).astype(np.int64)
    score = rng.random(5000)
    p = np.column_stack([1 - score, score])
    told = {
        positive: figures_of(Predictions(labels, p.argmax(1), p, "ab", positive=positive))[1] for positive in (0, 1)
    }
    unasked = figures_of(Predictions(labels, p.argmax(1), p, "ab"))[1]
    assert unasked == told[1]
    assert unasked["auprc"] == pytest.approx(reference.average_precision_score(labels, score))
    assert unasked["auprc"] < 0.02
    assert unasked["auprc_floor"] == labels.mean()
    assert unasked["brier"] == pytest.approx(reference.brier_score_loss(labels, score))
    both = reference.average_precision_score(np.eye(2)[labels], p, average="macro")
    assert unasked["macro_auprc"] == pytest.approx(both)
    assert both > 0.4
    assert told[0]["auprc"] == pytest.approx(reference.average_precision_score(1 - labels, 1 - score))


def test_calibration_errors_worked_on_paper():
    # Confidences 0.95 and 0.91 share the last but one bin (13/15 to 14/15 ends at 0.933) no more: 0.95 is in the last.
    p1 = np.array([0.95, 0.91, 0.91, 0.3])
    p = Predictions(np.array([1, 1, 0, 0]), np.array([1, 1, 1, 0]), np.column_stack([1 - p1, p1]), ("a", "b"))
    per_class, overall = figures_of(p)
    top = (0.05 + abs(2 * 0.91 - 1) + abs(0.7 - 1)) / 4
    assert overall["ece"] == pytest.approx(top)
    of_b = (0.05 + abs(2 * 0.91 - 1) + 0.3) / 4
    assert per_class[1]["calibration_error"] == pytest.approx(of_b)
    assert overall["classwise_ece"] == pytest.approx((per_class[0]["calibration_error"] + of_b) / 2)


def test_calibration_bins_are_open_below_and_closed_above():
    assert calibration_bin(np.array([0.0, 1 / 30, 1 / 15 + 1e-9, 0.5, 1.0])).tolist() == [0, 0, 1, 7, 14]


def test_perfect_confidence_has_no_calibration_error():
    labels = np.array([0, 1, 2, 0])
    p = Predictions(labels, labels, np.eye(3)[labels], "abc")
    assert figures_of(p)[1]["ece"] == 0.0


def test_certain_but_wrong_probabilities_have_a_finite_log_loss():
    p = Predictions(np.array([0, 1]), np.array([1, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), "ab")
    assert math.isfinite(figures_of(p)[1]["log_loss"])


def test_reasons_name_the_class():
    p = Predictions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.full((3, 3), 1 / 3), ("a", "b", "c"))
    per_class, overall = figures_of(p)
    assert per_class[2]["sensitivity"] == Missing("no decided row of class 'c'")
    assert per_class[2]["precision"] == Missing("class 'c' was never predicted")
    assert per_class[2]["auroc"] == Missing("no row of class 'c'")
    assert overall["balanced_accuracy"] == Missing("no decided row of class 'c'")
    assert overall["macro_auroc"] == Missing("no row of class 'c'")


def test_one_class_only():
    p = Predictions(np.zeros(3, dtype=int), np.zeros(3, dtype=int), np.tile([0.8, 0.2], (3, 1)), ("a", "b"))
    per_class, overall = figures_of(p)
    assert per_class[0]["sensitivity"] == 1.0
    assert per_class[0]["specificity"] == Missing("no decided row of a class other than 'a'")
    assert per_class[0]["auroc"] == Missing("all rows are of class 'a'")
    assert overall["mcc"] == Missing("all decided rows are of one class")
    same = Predictions(np.array([0, 1]), np.array([0, 0]), np.full((2, 2), 0.5), ("a", "b"))
    assert figures_of(same)[1]["mcc"] == Missing("all rows were given the same class")


def test_no_rows():
    empty = np.zeros(0, dtype=int)
    per_class, overall = figures_of(Predictions(empty, empty, np.zeros((0, 2)), ("a", "b")))
    assert all(isinstance(v, Missing) for v in [*overall.values(), *per_class[0].values()])
    assert overall["brier"] == Missing("no rows")


def test_shots_by_liu_et_al():
    assert shot_classes([101, 100, 20, 19, 0]) == {"many": [0], "medium": [1, 2], "few": [3, 4]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.full((2, 3), 1 / 3)}, r"probabilities have shape \(2, 3\)"),
        ({"class_names": ("a",)}, "at least two classes"),
        ({"predicted": np.array([0])}, r"must have the same length \(2\)"),
        ({"positive": 2}, "no positive class 2 among 2 classes"),
        ({"groups": np.array([0])}, r"must have the same length \(2\)"),
        ({"labels": np.array([0, 2])}, r"labels must lie in 0\.\.1"),
        ({"predicted": np.array([0, -2])}, r"predicted classes must lie in 0\.\.1, or be -1"),
        ({"probabilities": np.array([[np.nan, 1], [0.5, 0.5]])}, "finite and not negative"),
        ({"probabilities": np.array([[0.2, 0.2], [0.5, 0.5]])}, "must sum to one"),
    ],
)
def test_impossible_predictions_are_refused(change, message):
    good = {
        "labels": np.array([0, 1]),
        "predicted": np.array([0, 1]),
        "probabilities": np.full((2, 2), 0.5),
        "class_names": ("a", "b"),
    }
    with pytest.raises(ValueError, match=message):
        Predictions(**(good | change))
