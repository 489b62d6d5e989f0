import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from imbtk.data import DataOptions, load
from imbtk.data.dataset import Dataset
from imbtk.data.sources import Source
from imbtk.errors import DataError, PluginError

DATASET = Dataset("toy", "table", torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), ("a", "b"), domain="table")


class ToySource:
    """A stranger's format: whatever begins with ``toy:``."""

    name = "toy"
    summary = "toy:anything"

    def __init__(self, dataset: object = DATASET) -> None:
        self.dataset = dataset

    def accepts(self, data: object, options: DataOptions) -> bool:
        return isinstance(data, str) and data.startswith(("toy:", "builtin:digits"))

    def load(self, data: object, options: DataOptions, progress: object) -> Dataset:
        assert isinstance(self.dataset, Dataset)
        return self.dataset


def test_sources_of_others_are_asked_first() -> None:
    source: Source = ToySource()
    found = load("toy:x", sources=[source])
    assert found.x is DATASET.x
    # A saved model must know what a column is called, also where the source does not say.
    assert [column["name"] for column in found.preprocessing["columns"]] == ["x0", "x1"]
    assert load("builtin:digits", sources=[source]).x is DATASET.x
    assert load("builtin:breast-cancer", sources=[source]).name == "builtin:breast-cancer"


def test_an_imbalance_can_be_induced_in_any_source() -> None:
    dataset = load("toy:x", DataOptions(induce_imbalance="3:step", seed=5), sources=[ToySource()])
    assert dataset.induced is not None
    assert (dataset.induced.factor, dataset.induced.profile, dataset.induced.seed) == (3, "step", 5)
    assert "IF = 3 (the second half of the classes cut to n_max / IF, seed 5)" in dataset.notes[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.tensor([0, 1, 0, 1], dtype=torch.int32)}, r"labels are not int64 of shape \(N,\)"),
        ({"x": torch.zeros(3, 2)}, "x has 3 rows and labels 4"),
        ({"x": torch.zeros(4, 2, dtype=torch.float64)}, r"the table is not float32 of shape \(N, D\)"),
        ({"kind": "images"}, r"images are not uint8 of shape \(N, C, H, W\)"),
        ({"groups": torch.zeros(3, dtype=torch.int64)}, "groups or the given split have another length"),
        ({"labels": torch.tensor([0, 1, 0, 2])}, "labels lie outside 0 to 1"),
    ],
)
def test_what_a_source_got_wrong_is_its_own_error(changes: dict[str, object], message: str) -> None:
    source = ToySource(dataclasses.replace(DATASET, **changes))  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=f"the source 'toy' returned a data set that makes no sense: {message}"):
        load("toy:x", sources=[source])


def test_classes_are_checked_whatever_the_source() -> None:
    source = ToySource(dataclasses.replace(DATASET, labels=torch.tensor([0, 0, 0, 1])))
    with pytest.raises(DataError, match="toy: class 'b' has one sample"):
        load("toy:x", sources=[source])


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "animals").mkdir()
    with pytest.raises(DataError, match=r"there is no file or folder .*animal\. Did you mean 'animals'"):
        load(tmp_path / "animal")
    with pytest.raises(DataError, match=r"there is no file or folder .*zebra\.$"):
        load(tmp_path / "zebra")
    with pytest.raises(DataError, match="Built-in data are builtin:digits and builtin:breast-cancer"):
        load("builtin-digits")


def test_a_kind_that_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("text")
    with pytest.raises(
        DataError, match=r"x\.md is of a kind that no source reads. imbtk reads: builtin:digits .*folder"
    ):
        load(tmp_path / "x.md")
    with pytest.raises(DataError, match=r"data of type int cannot be read\. imbtk reads:"):
        load(3)


def test_a_path_may_be_text_or_path(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(8.0).reshape(4, 2), y=[0, 1, 0, 1])
    for data in (tmp_path / "x.npz", str(tmp_path / "x.npz")):
        assert load(data).x.shape == (4, 2)
