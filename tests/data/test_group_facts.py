"""What a group is called, and the class of each, once data are read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtk.data import load
from imbtk.data.options import DataOptions
from imbtk.errors import OptionError


@pytest.mark.parametrize("noun", ["", "7", "a\nb", "<b>"])
def test_what_is_no_name_of_a_group_is_refused(noun):
    with pytest.raises((OptionError, ValueError), match="is no name of a thing: write one in the singular"):
        DataOptions(group_name=noun)


@pytest.mark.parametrize(
    ("column", "options", "noun"),
    [
        ("patient_id", {}, "patient"),
        ("subject", {}, "group"),
        ("subject", {"group_name": "volunteer"}, "volunteer"),
        ("card", {"group_column": "card"}, "group"),
    ],
)
def test_what_a_group_is_called(site_frame, column, options, noun):
    data = site_frame.drop(columns="verdict").rename(columns={"site": column})
    assert load(data, DataOptions(**options)).group_name == noun


def test_a_manifest_of_histology_has_patients(tmp_path: Path):
    from PIL import Image

    rows = []
    for i in range(8):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
        rows.append({"file": f"{i}.png", "label": "ab"[i % 2], "slide": i // 2, "dx": "ab"[i // 2 % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "biopsies.csv", index=False)
    options = DataOptions(group_column="slide", group_label="column:dx", cache_dir=str(tmp_path / "cache"))
    dataset = load(tmp_path / "biopsies.csv", options)
    assert dataset.group_name == "patient"
    assert dataset.group_truth.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
