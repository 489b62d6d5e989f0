from pathlib import Path

import pandas as pd
import pytest

from imbtk.data.frames import column_named, filter_rows, find_column, label_column, read_csv, split_column
from imbtk.errors import DataError


def _csv(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text", ["a,b\n1,x y\n2,\n", "\ufeffa,b\r\n1,x y\r\n2,\r\n", "a;b\n1;x y\n2;\n", "a\tb\n1\tx y\n2\t\n"]
)
def test_texts_are_read_as_they_are(tmp_path: Path, text: str) -> None:
    frame = read_csv(_csv(tmp_path, text))
    assert list(frame.columns) == ["a", "b"]
    assert frame.index.tolist() == [1, 2]
    assert frame.values.tolist() == [["1", "x y"], ["2", ""]]


def test_texts_that_pandas_takes_for_missing_are_kept(tmp_path: Path) -> None:
    assert read_csv(_csv(tmp_path, "a,b\nNA,None\n"))["b"].tolist() == ["None"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: a CSV file needs a line of column names"),
        ("\n\n", "is empty"),
        ("a,b\n", "has column names but no row"),
        ("a,a\n1,2\n", "'a' stands twice in the line of column names"),
        ("a,b\n1,2,3\n", r"every row needs 2 fields, .* but not so in: row 1 \(3\)\. A field that holds the separator"),
        ("a,b\n1,2\n1,2,3\n", r"but not so in: row 2 \(3\)\."),
        ("a,b\n1,2\n1\n", r"but not so in: row 2 \(1\)\."),
        ('a,b\n"x"y,2\n', "is no table: ',' expected after '\"'. Fields with quotes need them at both ends"),
        (b"a,b\n\xff\xfe,2\n", "is not UTF-8: save it as UTF-8"),
        ("a,b\n1,x\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(_csv(tmp_path, text))


def test_columns_without_a_name(tmp_path: Path) -> None:
    assert list(read_csv(_csv(tmp_path, ",a,\n0,1,2\n")).columns) == ["Unnamed: 0", "a", "Unnamed: 2"]


def test_columns_are_found_by_name() -> None:
    frame = pd.DataFrame({" Diagnosis": ["a"], "LABEL": ["b"], "Split": ["train"]})
    assert find_column(frame, ("label", "diagnosis")) == "LABEL"
    assert find_column(frame, ("patient",)) is None
    assert label_column(frame, None, "x") == "LABEL"
    assert label_column(frame, " Diagnosis", "x") == " Diagnosis"
    assert split_column(frame, None, "x") == "Split"
    assert split_column(pd.DataFrame({"split": ["banana"]}), None, "x") is None


def test_missing_columns_are_said() -> None:
    frame = pd.DataFrame({"outcome": [1], "age": [2]})
    with pytest.raises(DataError, match=r"x has no column 'outcom' \(--label-column\). Did you mean 'outcome'"):
        column_named(frame, "outcom", "--label-column", "x")
    message = r"x has no column named label, target, class, y or diagnosis\. Say which .* there is: outcome, age\."
    with pytest.raises(DataError, match=message):
        label_column(frame, None, "x")


def test_rows_are_filtered() -> None:
    frame = pd.DataFrame({"mag": [40, 200, 400, 200], "site": ["a", "a", "a", "b"]})
    assert filter_rows(frame, ("mag=200", "mag=400", "site=a"), "x").index.tolist() == [1, 2]
    with pytest.raises(DataError, match="--where mag=100 leaves no row of x: the column holds '200', '40', '400'"):
        filter_rows(frame, ("mag=100",), "x")
    with pytest.raises(DataError, match=r"x has no column 'magn' \(--where\). Did you mean 'mag'"):
        filter_rows(frame, ("magn=100",), "x")
