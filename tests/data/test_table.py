import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import OneHotEncoder

from imbtk.data.columns import fit_columns
from imbtk.data.table import encode_rows, encode_table, feature_names, unseen_values
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
    assert notes == ()
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


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_infinite_numbers_are_refused(value: float) -> None:
    frame = pd.DataFrame({"a": [1.0, value]})
    with pytest.raises(DataError, match="column 'a' is infinite or too large for single precision in row 1"):
        encode_table(frame, fit_columns(frame, "x")[0])
    assert encode_table(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), fit_columns(frame, "x")[0])[1].isnan()


def test_what_was_decided_at_training_reads_new_rows() -> None:
    frame = pd.DataFrame(
        {
            "weight": ["1,5", "20", "3,25"],
            "price": ["1.200,5", "3", ""],
            "seen": ["31/12/2023", "01/02/2024", "15/01/2024 12:00"],
            "rate": ["5%", "7.5 %", "1%"],
            "doors": ["2", "4", "5more"],
            "ok": pd.array([True, False, None], dtype="boolean"),
        }
    )
    how, _ = fit_columns(frame, "x")
    x = encode_table(frame, how)
    nan = float("nan")
    expected = [
        [1.5, 1200.5, 0, 5, 1, 0, 0, 1],
        [20, 3, 32, 7.5, 0, 1, 0, 0],
        [3.25, nan, 15.5, 1, 0, 0, 1, nan],
    ]
    np.testing.assert_array_equal(x.numpy(), np.array(expected, dtype=np.float32))
    new = pd.DataFrame(
        {
            "ok": ["True", "FALSE", "1", "maybe", ""],
            "doors": [2.0, 4.0, 3.0, None, 2.0],
            "rate": ["2%", "3%", "4", "5%", "6%"],
            "seen": [*pd.to_datetime(["2024-01-01", "2024-01-02"]), "03/04/2024", "soon", "2024-01-01"],
            "price": ["2.000", "5,5", "1.5", "7", "8"],
            "weight": ["0,5", "1.5", "2", "3", 4.0],
        },
        index=[1, 2, 3, 4, 5],
    )
    found = encode_rows(new, how)
    row = [0.5, 2000, 1, 2, 1, 0, 0, 1]
    np.testing.assert_array_equal(found.x[0].numpy(), np.array(row, dtype=np.float32))
    assert found.errors == (
        None,
        "column 'weight' is not a number with a decimal comma, as in training, in row 2 ('1.5').",
        "column 'price' is not a number with a decimal comma, as in training, in row 3 ('1.5').",
        "column 'seen' is not a date in row 4 ('soon').",
        None,
    )
    assert unseen_values(new, how) == (
        "column 'doors': 1 row holds '3', which the training did not have: it counts as none of its values.",
    )


def test_a_date_in_doubt_is_read_as_in_training_or_refused() -> None:
    iso, _ = fit_columns(pd.DataFrame({"seen": ["2024-01-31", "2024-02-01"]}), "x")
    with pytest.raises(
        DataError, match=r"column 'seen' is not a date in row 0 \('03/04/2024'\)\. In training dates were"
    ):
        encode_table(pd.DataFrame({"seen": ["03/04/2024"]}), iso)
    american, _ = fit_columns(pd.DataFrame({"seen": ["1/31/2024", "2/1/2024"]}), "x")
    assert encode_table(pd.DataFrame({"seen": ["3/4/2024", "2024-03-04"]}), american).tolist() == [[33.0], [33.0]]
    with pytest.raises(DataError, match="column 'age' is a date, and was a number in training, in row 0"):
        encode_table(
            pd.DataFrame({"age": pd.to_datetime(["2024-01-01"])}), fit_columns(pd.DataFrame({"age": [1, 2]}), "x")[0]
        )


def test_columns_saved_by_an_older_imbtk_are_read() -> None:
    old = {
        "kind": "table",
        "columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "text", "values": ["u"]}],
    }
    assert encode_table(pd.DataFrame({"b": ["u", "v"], "a": ["1", "2.5"]}), old).tolist() == [[1, 1], [2.5, 0]]
