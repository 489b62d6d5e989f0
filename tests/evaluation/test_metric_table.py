"""What is known of each metric, beside what is computed."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.evaluation.evaluate import evaluate
from imbtk.evaluation.metric_table import (
    ALARM_METRICS,
    CLASS_METRICS,
    OVERALL_METRICS,
    partial_auroc_up_to,
    sensitivity_at,
)

EVERY = [*OVERALL_METRICS.values(), *CLASS_METRICS.values(), *ALARM_METRICS.values()]


@pytest.fixture(scope="module")
def level() -> dict:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    logits = rng.normal(size=(90, 3)) + 2 * np.eye(3)[labels]
    names = ("a", "b", "c")
    return evaluate(labels, logits, CalibrationMap(), DecisionRule(), names, resamples=50)["per_row"]


def test_every_figure_of_an_evaluation_is_known(level: dict) -> None:
    binary = {"auroc", "auprc", "auprc_floor"}
    assert set(level["overall"]) | binary == set(OVERALL_METRICS)
    named = {key for key, value in level["per_class"][0].items() if isinstance(value, dict)}
    assert named == set(CLASS_METRICS)


def test_what_has_a_scale_has_an_interval_by_bootstrap(level: dict) -> None:
    for key, figure in level["overall"].items():
        metric = OVERALL_METRICS[key]
        if str(figure.get("method", "")).startswith("bootstrap"):
            assert metric.scale is not None, key
        if metric.scale is None and figure["value"] is not None:
            assert figure["interval"] is None, key


def test_shares_are_between_nought_and_one_and_better_is_larger_for_them() -> None:
    # A calibration error is a gap: no share of anything, and smaller is better.
    for metric in EVERY:
        assert metric.higher_is_better or not metric.share or metric.key == "alarm_rate"
        assert (metric.scale == "logit") <= metric.share
        assert metric.name
        assert metric.meaning


def test_names_say_whose_they_are() -> None:
    auroc, brier, mcc = (OVERALL_METRICS[key] for key in ("auroc", "brier", "mcc"))
    assert auroc.named("ill") == "AUROC (ill)"
    assert (auroc.named(), brier.named(), brier.named("ill")) == (
        "AUROC", "Brier score, summed over classes", "Brier score (ill)",
    )  # fmt: skip
    assert mcc.named("ill") == "MCC"
    assert OVERALL_METRICS["g_mean"].headed() == "G-mean"
    assert OVERALL_METRICS["log_loss"].headed() == "Log-loss"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("auroc", 0.0123, "+1.2 points"),
        ("auroc", -0.0004, "+0.0 points"),
        ("auroc", -1.0, "−100.0 points"),
        ("log_loss", -0.0312, "−0.031"),
        ("log_loss", -0.0001, "+0.000"),
        ("mcc", 0.5, "+0.500"),
    ],
)
def test_differences_have_a_sign_and_no_minus_nought(key: str, value: float, text: str) -> None:
    assert OVERALL_METRICS[key].difference(value) == text


def test_metrics_with_a_number_have_it_in_key_and_name() -> None:
    kept, few = sensitivity_at(0.9), partial_auroc_up_to(0.1)
    assert (kept.key, kept.name) == ("sensitivity@specificity=0.9", "sensitivity at a specificity of 0.9")
    assert (few.key, few.named("ill")) == (
        "partial-auroc@fpr=0.1", "partial AUROC up to a false positive rate of 0.1 (ill)",
    )  # fmt: skip
