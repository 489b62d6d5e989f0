"""A level of ``metrics.json``: recomputed by scikit-learn alone, and what stands beside its figures."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.evaluation.evaluate import evaluate
from imbtk.evaluation.levels import Asked, level_metrics
from imbtk.evaluation.metrics import Predictions

NAMES = ["adenosis", "ductal, invasive", "mucinous"]
AS_TRAINED = DecisionRule()


def level(labels, logits, names, decision=AS_TRAINED, groups=None, **asked):
    """Return the level of rows that are as probable as their logits say."""
    logits = np.asarray(logits, float)
    p = CalibrationMap().probabilities(logits)
    rows = Predictions(np.array(labels), decision.decide(logits, p), p, tuple(names), groups)
    return level_metrics(rows, "row", Asked(**asked))


def recompute(frame, names):
    """Return figures of one side by scikit-learn alone, from columns ``truth``, ``predicted`` and one per class."""
    truth, called = frame["truth"], frame["predicted"]
    p = frame[names].to_numpy()
    p = p / p.sum(axis=1, keepdims=True)
    codes = truth.map({name: k for k, name in enumerate(names)}).to_numpy()
    one_hot = np.eye(len(names))[codes]
    scores = {"average": "macro", "labels": names, "zero_division": 0}
    return {
        "accuracy": reference.accuracy_score(truth, called),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, called),
        "macro_f1": reference.f1_score(truth, called, **scores),
        "mcc": reference.matthews_corrcoef(truth, called),
        "macro_auroc": reference.roc_auc_score(one_hot, p, average="macro"),
        "macro_auprc": reference.average_precision_score(one_hot, p, average="macro"),
        "log_loss": reference.log_loss(codes, p),
        "brier": reference.brier_score_loss(codes, p, scale_by_half=False),
        "confusion_matrix": reference.confusion_matrix(truth, called, labels=names).tolist(),
        "sensitivity": reference.recall_score(truth, called, labels=names, average=None),
        "precision": reference.precision_score(truth, called, labels=names, average=None, zero_division=0),
    }


def per_group_frame(frame, names):
    """Return one line per patient, all of one class: mean probability, and the most probable class."""
    mean = frame.groupby(["group", "truth"])[names].mean().reset_index()
    mean["predicted"] = mean[names].idxmax(axis=1)
    return mean


def compare(level, expected):
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "macro_auroc", "macro_auprc", "log_loss", "brier"):
        assert level["overall"][name]["value"] == pytest.approx(expected[name], abs=1e-6), name
    assert level["confusion_matrix"]["counts"] == expected["confusion_matrix"]
    for name in ("sensitivity", "precision"):
        got = [entry[name]["value"] for entry in level["per_class"]]
        assert got == pytest.approx(list(expected[name])), name


def test_metrics_agree_with_the_predictions_file():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 300, p=[0.6, 0.3, 0.1])
    groups = labels * 50 + rng.integers(0, 12, 300)
    logits = rng.normal(size=(300, 3)) + 1.2 * np.eye(3)[labels]
    calibration = CalibrationMap(0.7)
    got = evaluate(labels, logits, calibration, DecisionRule(), NAMES, groups=groups, resamples=50)
    p = calibration.probabilities(logits)
    frame = pd.DataFrame(p, columns=NAMES)
    frame["group"] = groups
    frame["truth"] = np.array(NAMES)[labels]
    frame["predicted"] = np.array(NAMES)[logits.argmax(axis=1)]
    text = frame.to_csv(index=False, float_format="%.9g")
    read = pd.read_csv(io.StringIO(text))
    compare(got["per_row"], recompute(read, NAMES))
    uncalibrated = evaluate(labels, logits, CalibrationMap(), DecisionRule(), NAMES, groups=groups, resamples=50)
    read[NAMES] = CalibrationMap().probabilities(logits)
    compare(uncalibrated["per_group"], recompute(per_group_frame(read, NAMES), NAMES))


def test_methods_and_counts(some):
    labels, logits, groups = some(np.random.default_rng(1), n=120)
    got = level(labels, logits, "abc", groups=groups, resamples=100)
    sensitivity = got["per_class"][0]["sensitivity"]
    assert sensitivity["method"] == "clopper-pearson (korn-graubard)"
    assert sensitivity["n"] == (labels == 0).sum() == got["per_class"][0]["support"]
    assert sensitivity["groups"] == len(np.unique(groups[labels == 0]))
    assert got["overall"]["balanced_accuracy"]["method"] == "mover"
    assert got["overall"]["macro_auroc"]["method"] == "bootstrap (groups)"
    assert got["overall"]["ece"]["interval"] is None
    assert "too large where rows are few" in got["overall"]["ece"]["interval_reason"]
    rows = level(labels, logits, "abc", resamples=100)
    assert rows["per_class"][0]["sensitivity"]["method"] == "clopper-pearson"
    assert rows["overall"]["macro_auroc"]["method"] == "bootstrap (rows)"


def test_every_interval_holds_its_figure(some):
    labels, logits, groups = some(np.random.default_rng(2), n=150)
    for known in (groups, None):
        got = level(labels, logits, "abc", groups=known, train_counts=(500, 50, 5), resamples=200)
        shown = [*got["overall"].values(), *got["shots"].values()]
        shown += [f for entry in got["per_class"] for f in entry.values() if isinstance(f, dict)]
        for figure in shown:
            if figure.get("interval"):
                low, high = figure["interval"]
                assert low - 1e-12 <= figure["value"] <= high + 1e-12, figure


def test_warnings():
    labels = np.repeat([0, 1], [40, 6])
    logits = np.random.default_rng(0).normal(size=(46, 2))
    got = level(labels, logits, ("ok", "ill"), groups=np.repeat(np.arange(23), 2), resamples=50)
    (warning,) = [w for w in got["warnings"] if w["class"] == "ill"]
    assert warning["code"] == "few-groups"
    assert warning["groups"] == 3
    assert warning["text"] == (
        "class 'ill' has 3 groups here, fewer than 20: its intervals are wide, and less certain than they say"
    )
    assert not [w for w in got["warnings"] if w["class"] == "ok"]
    got = level(labels, logits, ("ok", "ill"), resamples=50)
    assert [w["code"] for w in got["warnings"]] == ["no-groups", "few-groups"]


def test_abstentions_are_counted_and_left_out():
    logits = np.log([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8], [0.6, 0.4]])
    got = level([0, 0, 1, 1], logits, "ab", DecisionRule(reject_below=0.58), resamples=50)
    assert got["abstained"] == 1
    assert got["confusion_matrix"]["abstained"] == [1, 0]
    assert got["confusion_matrix"]["counts"] == [[1, 0], [1, 1]]
    assert got["overall"]["coverage"]["value"] == 0.75
    assert got["per_class"][0]["support"] == 2
    assert got["per_class"][0]["sensitivity"]["n"] == 1
    whole = level([0, 0, 1, 1], logits, "ab", resamples=50)["overall"]["coverage"]
    assert (whole["value"], whole["interval"]) == (1.0, None)
    assert whole["interval_reason"] == "no unit was left open"


def test_empty_row_of_the_confusion_matrix_has_no_shares():
    got = level([0, 0], [[1.0, 0.0], [0.0, 1.0]], "ab", resamples=50)
    assert got["confusion_matrix"]["row_shares"] == [[0.5, 0.5], None]


def test_shots(some):
    labels, logits, groups = some(np.random.default_rng(0), n=90)
    shots = level(labels, logits, "abc", groups=groups, train_counts=(500, 40, 60), resamples=50)["shots"]
    called = logits.argmax(axis=1)
    recall = [(called[labels == k] == k).mean() for k in range(3)]
    assert shots["many"]["value"] == pytest.approx(recall[0])
    assert shots["medium"]["value"] == pytest.approx((recall[1] + recall[2]) / 2)
    assert shots["medium"]["n"] == (labels > 0).sum()
    assert shots["few"] == {"value": None, "reason": "no class is few-shot"}
    without = level(labels, logits, "abc", resamples=50)["shots"]
    assert without["many"]["reason"] == "training counts are not known"


def test_no_hit_in_a_class_leaves_g_mean_without_interval():
    labels = np.repeat([0, 1], 5)
    overall = level(labels, np.tile([1.0, 0.0], (10, 1)), "ab", resamples=50)["overall"]
    assert overall["g_mean"]["value"] == 0.0
    assert overall["g_mean"]["interval_reason"].startswith("a class with no hit makes the geometric mean 0")


def test_extra_metrics(some):
    def broken(labels, probabilities):
        raise ValueError("needs 100 rows")

    labels, logits, _ = some(np.random.default_rng(0))
    metrics = {
        "mean-top": lambda labels, probabilities: probabilities.max(axis=1).mean(),
        "nothing": lambda labels, probabilities: float("nan"),
        "broken": broken,
    }
    extra = level(labels, logits, "abc", extra_metrics=metrics, resamples=50)["extra"]
    top = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    assert extra["mean-top"]["value"] == pytest.approx(top.mean())
    assert extra["mean-top"]["interval_reason"] == "plugins' metrics are not resampled"
    assert extra["nothing"] == {"value": None, "reason": "metric 'nothing' gave nan"}
    assert extra["broken"] == {"value": None, "reason": "metric 'broken' failed: needs 100 rows"}
