"""``metrics.json`` of older schemas, read as today's."""

import json

import pytest

from imbtk.errors import RunFolderError
from imbtk.evaluation.metrics_file import read_metrics

OLD = {
    "schema_version": 1,
    "class_names": ["benign", "malignant"],
    "positive_class": "malignant",
    "train_counts": [90, 10],
    "test": {
        "per_image": {"unit": "row", "n": 30},
        "per_patient": {"value": None, "reason": "groups (patients) are not known"},
    },
}


def test_a_file_of_the_first_schema_is_read_as_the_second(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(OLD))
    found = read_metrics(path)
    assert found["schema_version"] == 2
    assert found["test"] == {"per_row": OLD["test"]["per_image"], "per_group": OLD["test"]["per_patient"]}
    assert "validation" not in found
    path.write_text(json.dumps(found))
    assert read_metrics(path) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 3}, "schema_version 3; this imbtk reads up to 2.*update imbtk"),
        ({"schema_version": None}, "does not say its schema_version"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, change, message):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({**OLD, **change}))
    with pytest.raises(RunFolderError, match=message):
        read_metrics(path)
