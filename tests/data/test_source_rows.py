"""New rows by a plugin's source: as a run reads them, on a model that was trained through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imbtk.data.arrays import dataset_from_arrays
from imbtk.data.dataset import Dataset
from imbtk.data.options import DataOptions
from imbtk.data.source_rows import open_new_rows
from imbtk.errors import DataError, PluginError

PLAIN = DataOptions()
TABLE: dict[str, Any] = {
    "kind": "table",
    "class_names": ["benign", "malignant"],
    "preprocessing": {"columns": [{"name": "x0", "type": "number"}]},
}
IMAGES: dict[str, Any] = {
    "kind": "images",
    "class_names": ["benign", "malignant"],
    "preprocessing": {"size": 8, "resize": "stretch", "channels": 1},
}


@dataclass
class Given:
    """Read what the test says from any path that ends in .xyz."""

    answer: Any
    name: str = "given"
    summary: str = "an .xyz file"
    told: list[DataOptions] = field(default_factory=list)

    def accepts(self, data: object, options: DataOptions) -> bool:
        return str(data).endswith(".xyz")

    def load(self, data: object, options: DataOptions, progress: Any) -> Dataset:
        self.told.append(options)
        if isinstance(self.answer, Exception):
            raise self.answer
        found: Dataset = self.answer
        return found


def table(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "x": torch.tensor([[1.0], [2.0], [3.0]]),
        "labels": torch.tensor([1, 1, 1]),
        "class_names": ("benign", "malignant"),
        "groups": torch.tensor([0, 1, 1]),
        "group_names": ("p", "q"),
        "row_names": ("a", "b", "c"),
        **changes,
    }
    return Dataset("cells", "table", **fields)


def test_a_source_is_asked_first_and_gives_names_of_classes_and_groups() -> None:
    rows = open_new_rows(["in.xyz"], PLAIN, TABLE, sources=[Given(table())], labelled=True)
    assert (rows.names, rows.groups) == (("a", "b", "c"), ("p", "q", "q"))
    # One class alone is nothing to learn from, and enough to evaluate on.
    assert rows.labels == ("malignant",) * 3
    assert rows.labels_from == "labels of in.xyz"
    assert rows.part(1, 2).to_dict("list") == {"x0": [2.0]}
    plain = open_new_rows(["in.xyz"], PLAIN, TABLE, sources=[Given(table(groups=None, row_names=()))])
    assert (plain.labels, plain.groups, plain.names) == (None, None, ("0", "1", "2"))


def test_texts_come_back_from_their_encoding() -> None:
    frame = pd.DataFrame({"size": [1.0, np.nan, 3.0, 4.0], "colour": ["red", "blue", None, "red"]})
    dataset = dataset_from_arrays(frame, np.array(["benign", "malignant"] * 2), None, PLAIN)
    columns = [{"name": "size", "type": "number"}, {"name": "colour", "type": "text", "values": ["blue", "red"]}]
    rows = open_new_rows(["in.xyz"], PLAIN, {**TABLE, "preprocessing": {"columns": columns}}, sources=[Given(dataset)])
    assert rows.values["colour"].tolist() == ["red", "blue", None, "red"]
    np.testing.assert_array_equal(rows.values["size"], frame["size"])
    odd = table(preprocessing={"kind": "table", "how": "mine"})
    np.testing.assert_array_equal(open_new_rows(["in.xyz"], PLAIN, TABLE, sources=[Given(odd)]).values, odd.x)


def test_images_are_asked_for_at_the_size_of_the_training() -> None:
    pixels = torch.zeros((2, 1, 8, 8), dtype=torch.uint8)
    source = Given(Dataset("cells", "images", pixels, torch.tensor([0, 1]), ("benign", "malignant")))
    rows = open_new_rows(["in.xyz"], PLAIN, IMAGES, sources=[source])
    assert (source.told[0].image_size, source.told[0].resize) == (8, "stretch")
    assert rows.values.shape == (2, 1, 8, 8)


def test_what_no_source_accepts_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x0,label\n1,benign\n2,malignant\n")
    rows = open_new_rows([tmp_path / "in.csv"], PLAIN, TABLE, sources=[Given(table())], labelled=True)
    assert rows.labels == ("benign", "malignant")
    (tmp_path / "in.xyz").write_text("")
    with pytest.raises(DataError, match=r"in\.xyz is no folder, .* a plugin was trained on, .* --plugin FILE\.py"):
        open_new_rows([tmp_path / "in.xyz"], PLAIN, TABLE)


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"^no label in line 3\.$"):
        open_new_rows(["a.xyz"], PLAIN, TABLE, sources=[Given(DataError("no label in line 3."))], labelled=True)
    with pytest.raises(DataError, match=r"no label in line 3\. The source 'given' of a plugin reads data as for train"):
        open_new_rows(["a.xyz"], PLAIN, TABLE, sources=[Given(DataError("no label in line 3."))])
    with pytest.raises(PluginError, match="the source 'given' returned a data set that makes no sense: labels lie"):
        open_new_rows(["a.xyz"], PLAIN, TABLE, sources=[Given(table(labels=torch.tensor([0, 1, 2])))])
    with pytest.raises(DataError, match="holds a table, and this model was trained on images"):
        open_new_rows(["a.xyz"], PLAIN, IMAGES, sources=[Given(table())])
