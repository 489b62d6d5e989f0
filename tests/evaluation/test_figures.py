"""``metrics.json`` recomputed from ``predictions.csv`` by scikit-learn alone."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.evaluation.evaluate import evaluate

NAMES = ["adenosis", "ductal, invasive", "mucinous"]


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
