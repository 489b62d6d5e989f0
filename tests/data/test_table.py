import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import OneHotEncoder

from imbtk.data.table import encode_table, feature_names, fit_columns
from imbtk.errors import DataError


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": ["30", " 41.5", "", "NA"],
            "sex": ["m", "f", "m", "?"],
            "n": [1, 2, 3, 4],
            "smokes": [True, False, True, True],
        }
    )


def test_numbers_texts_and_missing_values() -> None:
    preprocessing, notes = fit_columns(_frame(), "x")
    assert [column["type"] for column in preprocessing["columns"]] == ["number", "text", "number", "number"]
    assert feature_names(preprocessing) == ("age", "sex=f", "sex=m", "n", "smokes")
    assert notes == ("Columns of text became one column of 0 and 1 for each value: 'sex' (2 values).",)
    x = encode_table(_frame(), preprocessing)
    nan = float("nan")
    expected = [[30, 0, 1, 1, 1], [41.5, 1, 0, 2, 0], [nan, 0, 1, 3, 1], [nan, nan, nan, 4, 1]]
    assert x.dtype == torch.float32
    np.testing.assert_array_equal(x.numpy(), np.array(expected, dtype=np.float32))


def test_new_data_are_encoded_the_same_way() -> None:
    preprocessing, _ = fit_columns(_frame(), "x")
    new = pd.DataFrame({"extra": [1], "smokes": ["1"], "sex": ["other"], "n": [7.0], "age": ["5"]})
    assert encode_table(new, preprocessing).tolist() == [[5, 0, 0, 7, 1]]
    with pytest.raises(DataError, match=r"the table has no column 'age'\. Did you mean 'Age'"):
        encode_table(new.rename(columns={"age": "Age"}), preprocessing)
    with pytest.raises(DataError, match=r"column 'age' is not a number in row 0 \('old'\)"):
        encode_table(new.assign(age=["old"]), preprocessing)


def test_one_hot_agrees_with_scikit_learn() -> None:
    values = np.random.default_rng(0).choice(["x", "y", "z"], 50)
    frame = pd.DataFrame({"c": values})
    preprocessing, _ = fit_columns(frame, "x")
    expected = OneHotEncoder(sparse_output=False).fit_transform(values[:, None])
    np.testing.assert_array_equal(encode_table(frame, preprocessing).numpy(), expected)


def test_columns_that_say_nothing_are_left_out() -> None:
    frame = pd.DataFrame({"Unnamed: 0": ["0", "1", "2"], "a": ["1", "2", "3"], "Unnamed: 32": ["", "", ""]})
    preprocessing, notes = fit_columns(frame, "x")
    assert feature_names(preprocessing) == ("a",)
    assert notes == ("Left out because they are empty or count the rows: 'Unnamed: 0', 'Unnamed: 32'.",)
    with pytest.raises(DataError, match="x has no column of features beside labels and groups"):
        fit_columns(frame[["Unnamed: 0"]], "x")


def test_numbers_with_an_odd_one_out_are_refused() -> None:
    frame = pd.DataFrame({"age": ["1", "2", "3", "4,5"]}, index=[1, 2, 3, 4])
    with pytest.raises(DataError, match=r"column 'age' of x holds numbers, but not in row 4 \('4,5'\)\. Write numbers"):
        fit_columns(frame, "x")


def test_prose_is_no_feature() -> None:
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(200)]})
    with pytest.raises(
        DataError, match=r"column 'name' of x holds 200 different texts .* at most 100 can become features"
    ):
        fit_columns(frame, "x")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_infinite_numbers_are_refused(value: float) -> None:
    frame = pd.DataFrame({"a": [1.0, value]})
    with pytest.raises(DataError, match="column 'a' is infinite or too large for single precision in row 1"):
        encode_table(frame, fit_columns(frame, "x")[0])
    assert encode_table(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), fit_columns(frame, "x")[0])[1].isnan()
