import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from imbtk.authoring.context import Split
from imbtk.data import DataOptions, load
from imbtk.data.dataset import Dataset
from imbtk.data.leaks import check_split, straddlers
from imbtk.errors import DataError

DATASET = Dataset(
    name="clinic",
    kind="table",
    x=torch.zeros(6, 1),
    labels=torch.tensor([0, 1, 0, 1, 0, 1]),
    class_names=("a", "b"),
    groups=torch.tensor([0, 0, 1, 1, 2, 2]),
    group_names=("p0", "p1", "p2"),
    row_names=tuple("uvwxyz"),
)


def _split(train: list[int], validation: list[int], test: list[int]) -> Split:
    return Split(*(torch.tensor(side, dtype=torch.int64) for side in (train, validation, test)))


def test_a_good_split_passes() -> None:
    check_split(DATASET, _split([0, 1], [2, 3], [4, 5]))
    check_split(DATASET, _split([0, 1], [], []))
    assert straddlers(DATASET, _split([0, 1], [2, 3], [4, 5])) == []


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (([0, 1], [1], [2]), r"1 row stands twice in the split, first row 1 \(v\) in train and validation\. Every row"),
        (([0, 1, 1, 0], [], []), r"2 rows stand twice in the split, first row 0 \(u\) in train and train"),
        (([0, 1, 6], [], []), "the train side of the split has rows that do not exist in clinic, which has 6: 6"),
        (([0, 1], [], [-1]), "the test side of the split has rows that do not exist in clinic, which has 6: -1"),
        (([], [0, 1], [2]), "clinic: the split leaves no row for training"),
        (([0], [], [4, 5]), "clinic: class 'b' has no row on the training side of the split.*Take another seed"),
        (
            ([0, 2, 3], [1], [4, 5]),
            r"the split puts 1 group on more than one side: 'p0' \(1 in train, 1 in validation\)\. ",
        ),
    ],
)
def test_bad_splits_are_refused(sides: tuple[list[int], list[int], list[int]], message: str) -> None:
    split = _split(*sides)
    if message.startswith("clinic: the split leaves"):
        split = _split([], [0, 1], [2, 3])
    with pytest.raises(DataError, match=message):
        check_split(DATASET, split)


def test_a_side_must_be_int64() -> None:
    split = Split(torch.tensor([0, 1], dtype=torch.int32), torch.tensor([2]), torch.tensor([3]))
    with pytest.raises(DataError, match=r"the train side of the split is torch\.int32 of shape \(2,\), not int64"):
        check_split(DATASET, split)


def test_without_groups_nothing_straddles() -> None:
    dataset = Dataset("x", "table", torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]), ("a", "b"))
    check_split(dataset, _split([0, 1], [2], [3]))


def _given(dataset: Dataset) -> Split:
    assert dataset.given_split is not None
    return Split(*(torch.nonzero(dataset.given_split == side)[:, 0] for side in range(3)))


def test_the_official_fold_that_leaks_a_breakhis_patient(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    rows = [
        ("SOB_B_A-14-22549AB-40-001.png", "benign", "train"),
        ("SOB_B_A-14-29960CD-40-001.png", "benign", "test"),
        ("SOB_M_DC-14-13412-40-001.png", "malignant", "train"),
        ("SOB_M_LC-14-13412-40-001.png", "malignant", "test"),
    ]
    for file, _, _ in rows:
        write_image(tmp_path / file)
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "fold1"), *rows])
    dataset = load(tmp_path / "index.csv", DataOptions(split_column="fold1"))
    message = (
        r"index\.csv: the split given by the data puts 1 patient on more than one side: '13412' "
        r"\(1 in train, 1 in test\)\. .*Correct the split; .*: --drop-leaks; or let imbtk split .*: --ignore-split"
    )
    with pytest.raises(DataError, match=message):
        check_split(dataset, _given(dataset))


def test_identical_images_on_two_sides_of_a_given_split(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for side in ("train", "test"):
        for label in ("a", "b"):
            for number in range(2):
                write_image(tmp_path / "d" / side / label / f"{number}.png")
    write_image(tmp_path / "d" / "train" / "a" / "same.png", seed=1)
    write_image(tmp_path / "d" / "test" / "a" / "same.png", seed=1)
    dataset = load(tmp_path / "d")
    message = r"puts 1 set of identical images on more than one side: 'test/a/same\.png' \(1 in train, 1 in test\)"
    with pytest.raises(DataError, match=message):
        check_split(dataset, _given(dataset))


def test_a_given_split_without_a_class_in_training() -> None:
    dataset = Dataset(
        "x", "table", torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]), ("a", "b"), given_split=torch.tensor([0, 2, 0, 2])
    )
    with pytest.raises(
        DataError, match=r"class 'b' has no row on the training side .* Put rows of it on the training side"
    ):
        check_split(dataset, _given(dataset))
