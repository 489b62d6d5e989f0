import json
import time

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.evaluation.evaluate import evaluate, metrics_document
from imbtk.runs.format import METRICS
from imbtk.runs.schemas import schema

AS_TRAINED = DecisionRule()


def validate(document):
    """Check a document against the shipped schema, as a strict reader of JSON would see it."""
    text = json.dumps(document, allow_nan=False)
    jsonschema.Draft202012Validator(schema("metrics")).validate(json.loads(text))


def side(labels, logits, names, decision=AS_TRAINED, **options):
    return evaluate(np.array(labels), np.asarray(logits, float), CalibrationMap(), decision, names, **options)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema("metrics"))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 30), st.integers(2, 4), st.booleans(), st.booleans())
def test_any_data_give_a_valid_document(seed, n, k, grouped, abstaining):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, rng.integers(1, k + 1), n)
    logits = np.round(rng.normal(size=(n, k)), 1)
    got = side(
        labels,
        logits,
        [f"c{i}" for i in range(k)],
        DecisionRule(reject_below=0.5 if abstaining else None),
        groups=rng.integers(0, 5, n) if grouped else None,
        train_counts=rng.integers(0, 300, k),
        positive=0 if k == 2 else None,
        resamples=50,
    )
    validate(METRICS.stamped(metrics_document({"test": got}, class_names=[f"c{i}" for i in range(k)], resamples=50)))


def test_document_says_what_it_takes_as_given(some):
    labels, logits, groups = some(np.random.default_rng(0), k=2)
    got = side(labels, logits, ("ok", "ill"), groups=groups, positive=1, train_counts=(300, 12), resamples=100)
    sides = {"validation": got, "test": got}
    document = METRICS.stamped(metrics_document(sides, class_names=("ok", "ill"), positive=1, train_counts=(300, 12)))
    validate(document)
    assert document["schema_version"] == 2
    assert document["positive_class"] == "ill"
    assert document["conditional_on"].startswith("given this trained model")
    overall = got["per_row"]["overall"]
    assert overall["auroc"] == got["per_row"]["per_class"][1]["auroc"]
    assert overall["auprc_floor"]["value"] == (labels == 1).mean()
    assert (document["group_name"], document["group_label"]) == ("group", None)
    assert got["per_group"]["unit"] == "group"
    assert got["per_group"]["n"] == len(np.unique(groups))


def test_a_document_needs_a_side():
    with pytest.raises(jsonschema.ValidationError):
        validate(METRICS.stamped(metrics_document({}, class_names=("a", "b"))))


def test_nought_in_place_of_a_reason_breaks_the_schema(some):
    labels, logits, _ = some(np.random.default_rng(0))
    got = side(labels, logits, "abc", resamples=50)
    got["per_row"]["overall"]["mcc"] = {"value": None}
    with pytest.raises(jsonschema.ValidationError):
        validate(METRICS.stamped(metrics_document({"test": got}, class_names="abc")))


def test_patients_with_many_classes_take_the_bootstrap(some):
    rng = np.random.default_rng(3)
    labels, logits, _ = some(rng, n=120)
    got = side(labels, logits, "abc", groups=rng.integers(0, 8, 120), group_name="patient", resamples=100)
    assert got["per_group"]["value"] is None
    assert got["per_group"]["reason"].startswith("8 of 8 patients have rows of several classes")
    unknown = side(labels, logits, "abc", resamples=50)["per_group"]
    assert unknown == {"value": None, "reason": "groups are not known"}
    level = got["per_row"]
    assert level["overall"]["balanced_accuracy"]["method"] == "bootstrap (groups)"
    (warning,) = [w for w in level["warnings"] if w["code"] == "mixed-groups"]
    assert warning["text"].startswith("8 of 8 patients have rows of more than one class; they are resampled with")


def test_a_group_is_what_the_user_says():
    """By any:CLASS a patient with a single bad row is bad: the metrics are those of scikit-learn on patients."""
    rng = np.random.default_rng(4)
    labels, groups = (rng.random(400) < 0.2).astype(np.int64), np.repeat(np.arange(80), 5)
    logits = np.column_stack([np.zeros(400), rng.normal(2.0 * labels - 1)])
    truth = np.repeat(labels.reshape(80, 5).max(axis=1), 5)
    level = side(labels, logits, ("ok", "ill"), groups=groups, group_truth=truth, resamples=50)["per_group"]
    p = (1 / (1 + np.exp(-logits[:, 1]))).reshape(80, 5).mean(axis=1)
    assert level["n"] == 80
    assert level["overall"]["auroc"]["value"] == pytest.approx(reference.roc_auc_score(truth[::5], p))
    assert level["per_class"][1]["support"] == truth[::5].sum()


def test_calibration_moves_probabilities_not_decisions(some):
    labels, logits, _ = some(np.random.default_rng(5))
    before = side(labels, logits, "abc", resamples=50)["per_row"]
    shifted = CalibrationMap(0.5, np.array([2.0, 0.0, -1.0]))
    after = evaluate(labels, logits, shifted, DecisionRule(), "abc", resamples=50)["per_row"]
    assert after["confusion_matrix"] == before["confusion_matrix"]
    assert after["overall"]["log_loss"]["value"] != before["overall"]["log_loss"]["value"]


def test_ten_thousand_rows_of_ten_classes_are_quick(some):
    rng = np.random.default_rng(0)
    labels, logits, _ = some(rng, n=10_000, k=10, groups=False)
    start = time.process_time()
    side(labels, logits, [f"c{i}" for i in range(10)])
    assert time.process_time() - start < 6, "measured 1.4 s on one core; the bound leaves room for slow machines"
