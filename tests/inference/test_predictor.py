"""A trained run on new samples: the same answers by every way in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

import imbtk
from imbtk.data.new_rows import NewRows
from imbtk.errors import DataError, OptionError, RunFolderError
from imbtk.inference.predictor import STREAM_BATCH, Predictor


def test_files_arrays_and_streams_agree(image_run: Path) -> None:
    predictor = Predictor.load(image_run)
    files = sorted((image_run.parent / "train").rglob("*.png"))
    assert len(files) > STREAM_BATCH
    by_files = predictor.predict_proba(files)
    by_arrays = predictor.predict_proba(np.stack([np.asarray(Image.open(file)) for file in files]))
    parts = list(predictor.predict_stream(files))
    np.testing.assert_allclose(by_arrays, by_files, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([part.probabilities for part in parts]), by_files, atol=1e-6)
    assert [part.start for part in parts] == [0, STREAM_BATCH]
    assert np.concatenate([part.classes for part in parts]).tolist() == predictor.predict(files).tolist()


def test_predictions_are_those_of_the_run(table_run: Path) -> None:
    frame = pd.read_csv(table_run.parent / "train.csv")
    with (table_run / "predictions.csv").open() as file:
        written = list(csv.DictReader(file))
    rows = [int(row["row"]) for row in written]
    result = imbtk.load(table_run)
    np.testing.assert_allclose(
        result.predict_proba(frame.iloc[rows])[:, 1], [float(row["p:malignant"]) for row in written], atol=1e-6
    )
    assert result.predict(frame.iloc[rows]).tolist() == [row["predicted"] for row in written]


def test_a_broken_image_is_one_answer(image_run: Path, tmp_path: Path) -> None:
    good = next((image_run.parent / "train").rglob("*.png"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    files = (tmp_path / "broken.png", good, tmp_path / "gone.png", None)
    (part,) = Predictor.load(image_run).predict_stream(NewRows(("a", "b", "c", "d"), files))
    assert part.errors[1] is None
    assert "broken.png cannot be read as an image: no image format" in str(part.errors[0])
    assert "gone.png cannot be read as an image: no such file" in str(part.errors[2])
    assert part.errors[3] == "the row names no file"
    assert np.isnan(part.probabilities).all(axis=1).tolist() == [True, False, True, True]
    assert [bool(name) for name in part.classes] == [False, True, False, False]


def test_a_bad_number_is_one_answer_and_a_missing_column_is_none(table_run: Path) -> None:
    predictor = Predictor.load(table_run)
    frame = pd.DataFrame({"size": ["1.5", "much", "0.5"], "colour": ["red", "red", "green"]})
    (part,) = predictor.predict_stream(NewRows(("1", "2", "3"), None, frame))
    assert [error is None for error in part.errors] == [True, False, True]
    assert "column 'size' is not a number in row 1 ('much')" in str(part.errors[1])
    with pytest.warns(UserWarning, match="column 'colour': 1 row holds 'green', which the training did not have"):
        expected = predictor.predict_proba(frame.iloc[[0, 2]])
    np.testing.assert_allclose(part.probabilities[[0, 2]], expected)
    with pytest.raises(DataError, match="the table has no column 'size'"):
        list(predictor.predict_stream(NewRows(("1",), None, frame[["colour"]])))


def test_another_deployment_prior_moves_the_odds_by_the_ratio_of_priors(table_run: Path) -> None:
    predictor = Predictor.load(table_run)
    natural = np.array(predictor.description["natural_prior"])
    frame = pd.DataFrame({"size": [0.0, 1.0, 2.0], "colour": ["red", "blue", "red"]})
    before = predictor.predict_proba(frame)
    moved = predictor.at_deployment("benign=0.99,malignant=0.01")
    expected = softmax(np.log(before) + np.log([0.99, 0.01]) - np.log(natural), axis=1)
    np.testing.assert_allclose(moved.predict_proba(frame), expected)
    assert moved.predict(frame).tolist() == predictor.predict(frame).tolist(), "as trained stays as trained"
    back = moved.at_deployment("uniform").at_deployment("natural")
    np.testing.assert_allclose(back.predict_proba(frame), before)
    with pytest.raises(OptionError, match="gives no share for 'malignant'"):
        predictor.at_deployment("benign=1")


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder: it has no metrics\.json"):
        imbtk.load(tmp_path)
