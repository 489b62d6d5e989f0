"""Tests of whole checks."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import imbtk
from imbtk.audit.inspection import quick_audit
from imbtk.authoring.context import Split
from imbtk.data import load
from imbtk.errors import DataError, OptionError
from imbtk.planning.config import RunConfig

Draw = Callable[..., Image.Image]


def check(data: object, **options: Any) -> imbtk.audit.Audit:
    return imbtk.check(data, quiet=True, **options)


def test_a_folder(folder: Path) -> None:
    audit = check(folder, group_pattern=r"/(\w)\d-|/(\w+)-", cache_dir=None)
    assert not audit.failed
    assert audit.to_json()["class_counts"] == [6, 6]
    names = [finding.name for finding in audit.findings]
    assert names == [
        "broken", "files", "classes", "groups", "identical", "near-identical", "constant", "domain", "colour",
        "prospects",
    ]  # fmt: skip
    json.dumps(audit.to_json(), allow_nan=False)


def test_broken_files_do_not_stop_it(folder: Path) -> None:
    (folder / "ill" / "i0-0.png").write_bytes(b"")
    (folder / "healthy" / "h1-1.png").write_bytes(b"nothing")
    audit = check(folder)
    assert audit.failed
    table = audit.named("broken").table
    assert table is not None
    assert table.rows == (
        ("healthy/h1-1.png", "no image format that can be read"), ("ill/i0-0.png", "no image format that can be read"),
    )  # fmt: skip
    assert audit.to_json()["class_counts"] == [5, 5]
    assert audit.to_json()["broken_files"] == 2
    with pytest.raises(DataError, match="2 of 12 image files cannot be read"):
        load(folder)


def test_too_little_left_is_said_with_the_broken_files(folder: Path) -> None:
    for path in (folder / "ill").iterdir():
        path.write_bytes(b"")
    audit = check(folder)
    assert [finding.level for finding in audit.findings] == ["error", "error"]
    assert audit.named("broken").table is not None
    assert "a single class, 'healthy'" in audit.named("rest").text


def test_labels_that_contradict_each_other_do_not_stop_it(folder: Path) -> None:
    shutil.copy(folder / "ill" / "i0-0.png", folder / "healthy" / "copy.png")
    audit = check(folder)
    assert audit.failed
    finding = audit.named("conflicting-labels")
    assert finding.table is not None
    assert finding.table.rows == (("healthy/copy.png = ill/i0-0.png", "healthy, ill"),)
    assert "Of 1 pair, 1 across classes." in audit.named("identical").text


def write_breakhis(folder: Path, picture: Draw) -> Path:
    """Write a manifest with the patient of two tumour types, and folds of which the first and third tear it apart."""
    rows = []
    patients = [("B_A", "100"), ("B_F", "101"), ("B_A", "102"), ("M_DC", "13412"), ("M_LC", "13412"), ("M_MC", "103")]
    for number, (kind, patient) in enumerate(patients):
        for image in range(3):
            name = f"SOB_{kind}-14-{patient}-40-{image:03}.png"
            picture(10 * number + image).resize((16, 16)).save(folder / name)
            late = kind == "M_LC"
            folds = {"fold1": late, "fold2": patient == "13412", "fold3": late or patient == "102"}
            rows.append(
                {"file": name, "label": kind[0], "patient_id": patient}
                | {fold: "test" if tested or patient == "101" else "train" for fold, tested in folds.items()}
            )
    with (folder / "breakhis.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "breakhis.csv"


def test_folds_that_tear_a_patient_apart_fail(tmp_path: Path, picture: Draw) -> None:
    manifest = write_breakhis(tmp_path, picture)
    audits = [check(manifest, split_column=f"fold{fold}", group_column="patient_id") for fold in (1, 2, 3)]
    assert [audit.failed for audit in audits] == [True, False, True]
    assert (
        audits[0]
        .named("leak")
        .text.startswith("1 patient on more than one side of the split: '13412' (3 in train, 3 in test).")
    )


def test_files_that_a_manifest_names_in_vain_are_broken(tmp_path: Path, picture: Draw) -> None:
    manifest = write_breakhis(tmp_path, picture)
    (tmp_path / "SOB_B_A-14-100-40-000.png").unlink()
    audit = check(manifest, split_column="fold2")
    table = audit.named("broken").table
    assert table is not None
    assert table.rows == (("SOB_B_A-14-100-40-000.png", "no such file"),)
    assert audit.to_json()["rows"] == 17
    with pytest.raises(DataError, match="1 of 18 files do not exist"):
        load(manifest)


def test_arrays_with_contradicting_labels() -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 9, 9), dtype=np.uint8)
    x[7] = x[0]
    audit = check((x, [0, 0, 0, 0, 1, 1, 1, 1]))
    table = audit.named("conflicting-labels").table
    assert table is not None
    assert table.rows == (("row 0 = row 7", "0, 1"),)


def test_a_table() -> None:
    audit = check("builtin:breast-cancer")
    assert [finding.name for finding in audit.findings] == [
        "files", "classes", "groups", "identical", "taken", "columns", "prospects",
    ]  # fmt: skip
    assert audit.named("classes").title == "Imbalance factor 1.7"


def test_options_of_training_are_refused() -> None:
    with pytest.raises(OptionError, match=r"option 'epochs' says nothing about data, which is all that is checked\."):
        check("builtin:breast-cancer", epochs=3)
    with pytest.raises(OptionError, match="no data are given"):
        imbtk.check(quiet=True)


def test_data_that_cannot_be_read_at_all_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        check(tmp_path / "absent")


def test_a_configuration_and_a_dataset_do_as_well() -> None:
    config = RunConfig(data="builtin:digits", epochs=3)
    assert imbtk.check(config=config, quiet=True).to_json()["rows"] == 1797
    assert check(load("builtin:breast-cancer")).data == "builtin:breast-cancer"


def test_the_audit_of_a_run_looks_at_its_split(folder: Path, picture: Draw) -> None:
    picture(0).point(lambda value: value + 2).save(folder / "healthy" / "z.png")
    dataset = load(folder)
    rows = torch.arange(13)
    findings = quick_audit(dataset, Split(rows[:6], rows[7:9], torch.cat([rows[6:7], rows[9:]])))
    near = next(finding for finding in findings if finding["name"] == "near-identical")
    assert "Of 1 pair, 1 across sides of the split." in near["text"]
    assert json.loads(json.dumps(findings, allow_nan=False)) == findings
