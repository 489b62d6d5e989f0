from pathlib import Path

import pandas as pd
import pytest

from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError

TEXT = "age,sex,diagnosis,patient,split\n30,m,B,p1,train\n,f,M,p1,train\n50,f,B,p2,test\n60,m,M,p3,val\n"


def _csv(tmp_path: Path, text: str = TEXT) -> Path:
    (tmp_path / "t.csv").write_text(text)
    return tmp_path / "t.csv"


def test_a_table_of_features(tmp_path: Path) -> None:
    dataset = load(_csv(tmp_path))
    assert (dataset.kind, dataset.domain, dataset.name) == ("table", "table", "t.csv")
    assert dataset.class_names == ("B", "M")
    assert dataset.feature_names == ("age", "sex=f", "sex=m")
    assert dataset.x[0].tolist() == [30, 0, 1]
    assert dataset.x[1, 0].isnan()
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 2]
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0, 0, 2, 1]
    assert dataset.row_names == ("1", "2", "3", "4")
    assert dataset.description["groups_known"] is True


def test_groups_can_be_ignored_but_never_become_a_feature(tmp_path: Path) -> None:
    dataset = load(_csv(tmp_path), DataOptions(groups="none"))
    assert dataset.groups is None
    assert dataset.feature_names == ("age", "sex=f", "sex=m")


def test_equal_rows_of_a_table_are_no_group(tmp_path: Path) -> None:
    dataset = load(_csv(tmp_path, "a,label\n1,x\n1,x\n1,y\n2,y\n"))
    assert dataset.groups is None


def test_columns_can_be_named_and_rows_filtered(tmp_path: Path) -> None:
    text = "a,site,who,out\n1,n,p,x\n2,n,q,y\n3,n,p,x\n4,n,r,y\n5,s,r,x\n"
    options = DataOptions(label_column="out", group_column="who", where=("site=n",))
    dataset = load(_csv(tmp_path, text), options)
    assert len(dataset) == 4
    assert dataset.group_names == ("p", "q", "r")


def test_the_split_can_be_named(tmp_path: Path) -> None:
    dataset = load(_csv(tmp_path, TEXT.replace("split", "fold1")), DataOptions(split_column="fold1"))
    assert dataset.given_split is not None
    assert dataset.feature_names == ("age", "sex=f", "sex=m")


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        (
            TEXT.replace("diagnosis", "outcome"),
            {},
            DataError,
            "has no column named label, target, class, y or diagnosis",
        ),
        (TEXT, {"label_column": "outcome"}, DataError, r"t.csv has no column 'outcome' \(--label-column\)"),
        (TEXT, {"group_column": "who"}, DataError, r"t.csv has no column 'who' \(--group-column\)"),
        (TEXT, {"image_size": 8}, OptionError, "--image-size says nothing about t.csv, which is a table of features"),
        (
            TEXT,
            {"groups": "breakhis"},
            DataError,
            "--groups breakhis reads file names, and t.csv is a table of features",
        ),
        (TEXT.replace("50,f,B", "50,f,C"), {}, DataError, "class 'B' has one sample, 'C' has one sample"),
        (TEXT.replace(",M,", ",B,"), {}, DataError, "column 'diagnosis' of t.csv: there is a single class, 'B'"),
        (TEXT.replace("p3", ""), {}, DataError, r"column 'patient' of t.csv: no group .* row 4"),
    ],
)
def test_bad_tables_are_refused(
    tmp_path: Path, text: str, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(_csv(tmp_path, text), DataOptions.model_validate(options))


def test_a_frame_from_python() -> None:
    frame = pd.DataFrame({"a": [1.0, None, 3.0, 4.0], "y": [0, 1, 0, 1]})
    dataset = load(frame)
    assert dataset.class_names == ("0", "1")
    assert dataset.x[1].isnan().all()
    with pytest.raises(DataError, match="the DataFrame has no row"):
        load(frame.iloc[:0])
