"""``metrics.json`` of older schemas, read as today's."""

import copy
import json

import pytest

from imbtk.errors import RunFolderError
from imbtk.runs.metrics import read_metrics


def value(number):
    return {"value": number, "interval": [number - 0.1, number + 0.1], "n": 50, "groups": None, "method": "bootstrap"}


def level(warnings=()):
    return {
        "unit": "row",
        "n": 50,
        "per_class": [{"name": "benign", "support": 45}, {"name": "malignant", "support": 5}],
        "overall": {
            "accuracy": value(0.9),
            "auroc": value(0.8),
            "auprc": value(0.52),
            "brier": value(0.4),
            "auroc_positive": value(0.8),
            "auprc_positive": value(0.2),
            "brier_positive": value(0.2),
        },
        "warnings": list(warnings),
    }


OLD = {
    "schema_version": 1,
    "class_names": ["benign", "malignant"],
    "positive_class": "malignant",
    "train_counts": [90, 10],
    "test": {"per_image": level(), "per_patient": {"value": None, "reason": "groups (patients) are not known"}},
}


def read(tmp_path, document):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(document))
    return read_metrics(path)


def test_a_file_of_the_first_schema_is_read_as_the_second(tmp_path):
    found = read(tmp_path, OLD)
    assert (found["schema_version"], found["group_name"], found["group_label"]) == (2, "group", None)
    assert set(found["test"]) == {"per_row", "per_group"}
    assert found["test"]["per_group"] == OLD["test"]["per_patient"]
    assert "validation" not in found
    assert read(tmp_path, found) == found


def test_means_over_classes_are_called_so_and_plain_names_are_the_positive_class(tmp_path):
    overall = read(tmp_path, OLD)["test"]["per_row"]["overall"]
    assert {key: figure["value"] for key, figure in overall.items()} == {
        "accuracy": 0.9,
        "macro_auroc": 0.8,
        "macro_auprc": 0.52,
        "auroc": 0.8,
        "auprc": 0.2,
        "auprc_floor": 0.1,
        "brier": 0.2,
    }


def test_of_many_classes_there_are_means_only(tmp_path):
    old = copy.deepcopy(OLD) | {"class_names": ["a", "b", "c"], "positive_class": None}
    overall = old["test"]["per_image"]["overall"]
    for key in [key for key in overall if key.endswith("_positive")]:
        del overall[key]
    assert set(read(tmp_path, old)["test"]["per_row"]["overall"]) == {"accuracy", "macro_auroc", "macro_auprc", "brier"}


def test_figures_of_patients_told_apart_by_the_truth_are_left_out(tmp_path):
    old = copy.deepcopy(OLD)
    old["test"]["per_patient"] = level([{"code": "mixed-groups", "class": None, "groups": 3, "text": "…"}])
    reason = read(tmp_path, old)["test"]["per_group"]["reason"]
    assert "told its parts apart by their true class" in reason
    assert "--group-label" in reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 3}, "schema_version 3; this imbtk reads up to 2.*update imbtk"),
        ({"schema_version": None}, "does not say its schema_version"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, change, message):
    with pytest.raises(RunFolderError, match=message):
        read(tmp_path, {**OLD, **change})
