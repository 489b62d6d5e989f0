"""Predictions as lines, for rows and for groups."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imbtk.data.new_rows import NewRows
from imbtk.errors import DataError
from imbtk.inference.prediction_table import Written, write_predictions
from imbtk.inference.predictor import Predictor


@pytest.fixture
def predictor(table_run: Path) -> Predictor:
    return Predictor.load(table_run)


@pytest.fixture
def rows() -> NewRows:
    """Return five rows of three patients, of which the third row cannot be read, and all of the last patient's."""
    sizes = ["2.5", "0.1", "much", "1.0", "nothing"]
    frame = pd.DataFrame({"size": sizes, "colour": ["red", "blue", "red", "blue", "red"]})
    return NewRows(tuple("abcde"), values=frame, groups=("P1", "P1", "P1", "P2", "P3"))


def written(predictor: Predictor, rows: NewRows, **how: Any) -> tuple[Written, str]:
    stream = io.StringIO()
    return write_predictions(predictor, rows, stream, **how), stream.getvalue()


def test_a_line_for_each_row_says_what_the_model_says(predictor: Predictor, rows: NewRows) -> None:
    shown: list[tuple[str, int, int]] = []
    counts, text = written(predictor, rows, progress=lambda *step: shown.append(step))
    assert counts == Written(lines=5, failed=2, open=0)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert list(lines[0]) == ["row", "group", "class", "p:benign", "p:malignant", "error"]
    assert [line["row"] for line in lines] == list("abcde")
    assert [line["group"] for line in lines] == ["P1", "P1", "P1", "P2", "P3"]
    good = [0, 1, 3]
    expected = predictor.predict_proba(rows.values.iloc[good])
    found = [[float(lines[i]["p:benign"]), float(lines[i]["p:malignant"])] for i in good]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (lines[2]["class"], lines[2]["p:benign"]) == ("", "")
    assert "much" in lines[2]["error"]
    assert shown[-1] == ("predicting", 5, 5)


def test_json_lines_have_null_where_csv_is_empty(predictor: Predictor, rows: NewRows) -> None:
    _, text = written(predictor, rows, form="jsonl")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["row"] for line in lines] == list("abcde")
    assert lines[0]["error"] is None
    assert sum(lines[0]["probabilities"].values()) == pytest.approx(1)
    assert (lines[2]["class"], lines[2]["probabilities"]) == (None, None)


def test_rows_have_sets_where_the_model_has_and_groups_have_none(predictor: Predictor, rows: NewRows) -> None:
    # The first class is always in the set, the second one never.
    rule = dataclasses.replace(predictor.decision, sets=np.array([np.inf, -1.0]))
    cautious = dataclasses.replace(predictor, decision=rule)
    lines = list(csv.DictReader(io.StringIO(written(cautious, rows)[1])))
    assert list(lines[0]) == ["row", "group", "class", "set", "p:benign", "p:malignant", "error"]
    assert [line["set"] for line in lines] == ['["benign"]', '["benign"]', "", '["benign"]', ""]
    objects = [json.loads(line) for line in written(cautious, rows, form="jsonl")[1].splitlines()]
    assert [line["set"] for line in objects] == [["benign"], ["benign"], None, ["benign"], None]
    assert "set" not in written(cautious, rows, per_group=True)[1].splitlines()[0].split(",")


def test_a_group_is_the_mean_of_its_rows_that_can_be_read(predictor: Predictor, rows: NewRows) -> None:
    counts, text = written(predictor, rows, per_group=True)
    assert counts == Written(lines=3, failed=2, open=0)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert list(lines[0]) == ["group", "rows", "class", "p:benign", "p:malignant", "error"]
    assert [(line["group"], line["rows"]) for line in lines] == [("P1", "3"), ("P2", "1"), ("P3", "1")]
    mean = predictor.predict_proba(rows.values.iloc[[0, 1]]).mean(0)
    assert [float(lines[0]["p:benign"]), float(lines[0]["p:malignant"])] == pytest.approx(mean.tolist())
    assert lines[0]["error"] == "1 of 3 rows could not be read"
    assert (lines[1]["error"], lines[2]["error"]) == ("", "1 of 1 rows could not be read")
    assert (lines[2]["class"], lines[2]["p:benign"]) == ("", "")


def test_groups_must_be_known_and_one_row_be_read(predictor: Predictor, rows: NewRows) -> None:
    alone = NewRows(rows.names, values=rows.values)
    with pytest.raises(DataError, match=r"is not known, so nothing can be said per \w+\. Say where groups stand"):
        written(predictor, alone, per_group=True)
    bad = NewRows(("a", "b"), values=rows.values.iloc[[2, 4]].reset_index(drop=True))
    with pytest.raises(DataError, match=r"none of the 2 rows could be read\. The first one: .*much"):
        written(predictor, bad)
