"""Whose folder it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import BASELINE, PlanRow
from imbtk.comparison.protocol import check_folder, default_folder, protocol_document
from imbtk.data.dataset import Dataset
from imbtk.errors import RunFolderError
from imbtk.planning.plan import Plan

ROWS = [PlanRow(BASELINE, Plan(()))]


def dataset(**changes: Any) -> Dataset:
    data = Dataset("a study!", "table", torch.arange(12.0).reshape(6, 2), torch.tensor([0, 0, 0, 1, 1, 1]), ("a", "b"))
    return replace(data, **changes)


def protocol(data: Dataset, **options: Any) -> dict[str, Any]:
    return protocol_document(make_comparison_config(options), data, ROWS, {}, "cpu")


def test_what_changes_no_number_is_not_in_the_protocol() -> None:
    first = protocol(dataset(), out="here", cache_dir="there", plan=("x",))
    assert first == protocol(dataset())
    assert "out" not in first["options"]


@pytest.mark.parametrize("option", [{"seed": 1}, {"folds": 4}, {"threads": 2}, {"primary": "mcc"}, {"margin": 0.1}])
def test_what_changes_numbers_is(option: dict[str, Any]) -> None:
    assert protocol(dataset(), **option) != protocol(dataset())


@pytest.mark.parametrize(
    "changes",
    [
        {"x": torch.arange(12.0).reshape(6, 2) + 1},
        {"labels": torch.tensor([0, 0, 1, 1, 1, 1])},
        {"groups": torch.arange(6)},
        {"class_names": ("a", "c")},
    ],
)
def test_other_data_have_another_digest(changes: dict[str, Any]) -> None:
    assert protocol(dataset(**changes))["data"]["digest"] != protocol(dataset())["data"]["digest"]


def test_the_default_folder_has_a_name_that_every_file_system_has() -> None:
    path = default_folder(protocol(dataset()))
    assert path.parent.name == "comparisons"
    assert path.name.startswith("a-study-")
    assert path != default_folder(protocol(dataset(), seed=1))


def test_a_folder_whose_folds_were_dealt_in_another_way_is_another_comparison(tmp_path: Path) -> None:
    now = protocol(dataset())
    before = {key: value for key, value in now.items() if key != "splits"}
    check_folder(tmp_path / "study", before)
    with pytest.raises(RunFolderError, match="splits was not set, is now 2"):
        check_folder(tmp_path / "study", now)
