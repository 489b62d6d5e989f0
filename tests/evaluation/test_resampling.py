import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from imbtk.evaluation.metrics import Missing, Predictions, class_metrics, overall_metrics
from imbtk.evaluation.resampling import (
    bootstrap_weights,
    jackknife_weights,
    make_strata,
    replicate_metrics,
)


def tied_predictions(rng, n=60, k=3, groups=True):
    p = rng.integers(1, 6, size=(n, k)).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    labels = np.append(np.arange(k), rng.integers(0, k, n - k))
    called = np.append(np.arange(k), rng.integers(-1, k, n - k))
    return Predictions(labels, called, p, "abcdef"[:k], rng.integers(0, 15, n) if groups else None)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.booleans())
def test_weights_of_one_give_the_figures_themselves(seed, groups):
    p = tied_predictions(np.random.default_rng(seed), groups=groups)
    strata = make_strata(p.labels, p.groups, 3)
    got = replicate_metrics(p, strata.unit, np.ones((len(strata.stratum), 1)))
    per_class = class_metrics(p)
    overall = overall_metrics(p, per_class)
    for name, values in got.items():
        if name.startswith("class:"):
            expected = [figures[name.removeprefix("class:")] for figures in per_class]
            assert values[:, 0] == pytest.approx(expected), name
        elif isinstance(overall[name], Missing):
            assert np.isnan(values[0]), name
        else:
            assert values[0] == pytest.approx(overall[name]), name


def test_weighted_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(5)
    p = tied_predictions(rng)
    strata = make_strata(p.labels, p.groups, 3)
    weights = bootstrap_weights(strata, 25, rng)
    got = replicate_metrics(p, strata.unit, weights)
    keep = p.predicted >= 0
    for r in range(25):
        w = weights[strata.unit, r]
        on_decided = {"sample_weight": w[keep]}
        truth, called = p.labels[keep], p.predicted[keep]
        assert got["accuracy"][r] == pytest.approx(reference.accuracy_score(truth, called, **on_decided))
        assert got["mcc"][r] == pytest.approx(reference.matthews_corrcoef(truth, called, **on_decided))
        f1 = reference.f1_score(truth, called, average=None, labels=range(3), **on_decided)
        assert got["class:f1"][:, r] == pytest.approx(f1)
        assert got["macro_f1"][r] == pytest.approx(f1.mean())
        assert got["log_loss"][r] == pytest.approx(
            reference.log_loss(p.labels, p.probabilities, labels=range(3), sample_weight=w)
        )
        for k in range(3):
            one = (p.labels == k, p.probabilities[:, k])
            assert got["class:auroc"][k, r] == pytest.approx(reference.roc_auc_score(*one, sample_weight=w))
            precision = reference.average_precision_score(*one, sample_weight=w)
            assert got["class:auprc"][k, r] == pytest.approx(precision)


def test_a_group_of_two_classes_goes_with_the_rarer():
    labels = np.array([0, 0, 0, 0, 1, 1, 0, 1])
    groups = np.array([5, 5, 6, 7, 8, 8, 9, 9])
    strata = make_strata(labels, groups, 2)
    assert strata.stratum.tolist() == [0, 0, 0, 1, 1]
    assert strata.sizes.tolist() == [3, 2]
    assert strata.unit.tolist() == [0, 0, 1, 2, 3, 3, 4, 4]


def test_a_lone_group_joins_the_smallest_other_stratum():
    labels = np.array([0, 0, 0, 1, 1, 2])
    strata = make_strata(labels, None, 3)
    assert strata.stratum.tolist() == [0, 0, 0, 1, 1, 1]
    assert strata.sizes.tolist() == [3, 3, 0]


def test_weights_keep_the_classes_and_have_the_right_variance():
    labels = np.repeat([0, 1], [4, 9])
    strata = make_strata(labels, None, 2)
    weights = bootstrap_weights(strata, 20_000, np.random.default_rng(0))
    assert weights[:4].sum(axis=0) == pytest.approx(4)
    assert weights[4:].sum(axis=0) == pytest.approx(9)
    values = np.array([1.0, 2.0, 4.0, 9.0])
    spread = (values @ weights[:4] / 4).std()
    assert spread == pytest.approx(values.std(ddof=1) / 2, rel=0.02)


def test_jackknife_leaves_out_one_group_of_each_small_stratum():
    strata = make_strata(np.repeat([0, 1], [3, 6]), None, 2)
    weights, stratum = jackknife_weights(strata, largest=5)
    assert stratum.tolist() == [0, 0, 0]
    assert weights[:3].tolist() == [[0, 1.5, 1.5], [1.5, 0, 1.5], [1.5, 1.5, 0]]
    assert (weights[3:] == 1).all()


def test_one_group_is_all_there_is():
    strata = make_strata(np.zeros(4, dtype=int), np.zeros(4, dtype=int), 2)
    assert bootstrap_weights(strata, 3, np.random.default_rng(0)).tolist() == [[1, 1, 1]]
