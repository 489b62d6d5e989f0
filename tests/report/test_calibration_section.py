"""The section on calibration, from calibration.json alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imbtk.errors import RunFolderError
from imbtk.report.blocks import Details, Table, Text
from imbtk.report.calibration_section import calibration_section
from imbtk.runs.reading import read_run

FIGURES = {"log_loss": 0.5, "brier": 0.25, "ece": 0.1, "classwise_ece": 0.125}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "method": "the ledger, drawn by validation rows",
        "rows": 1,
        "exact": True,
        "reason": None,
        "natural_prior": [0.9, 0.1],
        "effective_prior": [0.5, 0.5],
        "deployment_prior": [0.9, 0.1],
        "ledger_shift": [1.1, -1.1],
        "measured_shift": [0.9, -0.9],
        "shift": [1.0, -1.0],
        "temperature": 2.0,
        "spread": 0.1,
        "weighted": {"validation": False, "test": False},
        "before": {"validation": FIGURES, "test": FIGURES},
        "after": {"validation": FIGURES, "test": {**FIGURES, "log_loss": 0.3}},
        **changes,
    }


def section(folder: Path, **changes: Any) -> tuple[Any, ...]:
    (folder / "calibration.json").write_text(json.dumps(document(**changes)), encoding="utf-8")
    return calibration_section(read_run(folder)).blocks


def test_figures_before_and_after(make_run: Callable[..., Path]) -> None:
    text, table, details = section(make_run())
    assert isinstance(text, Text)
    assert "1 validation image (the ledger, drawn by validation rows)" in text.text
    assert "In theory the ledger's shift is exact" in text.text
    assert "Temperature: 2 " in text.text
    (text, *_) = section(make_run(), rows=120, design_effect=8.0)
    assert "120 validation images, worth 15 independent ones since those of a patient are alike (" in text.text
    text, table, details = section(make_run())
    assert isinstance(table, Table)
    assert [cell.text for cell in table.head[1:]] == [
        "validation, before", "validation, after", "test, before", "test, after"
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[0]] == ["Log-loss", "0.5000", "0.5000", "0.5000", "0.3000"]
    assert isinstance(details, Details)
    (shifts,) = details.blocks
    assert isinstance(shifts, Table)
    assert [cell.text for cell in shifts.rows[1][1:]] == ["10 %", "50 %", "10 %", "−1.10", "−0.90", "−1.00"]
    assert shifts.rows[1][0].rare


def test_what_is_not_as_usual_is_said(make_run: Callable[..., Path]) -> None:
    blocks = section(
        make_run(),
        exact=False,
        reason="epochs 0-5 train something else than cross-entropy with shifts",
        deployment_prior=[0.5, 0.5],
        weighted={"validation": True, "test": True},
    )
    assert "no exact guide here: epochs 0-5 train something else" in blocks[0].text
    assert "frequencies that were asked for" in blocks[0].text
    assert blocks[2].text.startswith("The validation and test images have other class frequencies")


def test_a_side_without_rows_is_left_out(make_run: Callable[..., Path]) -> None:
    blocks = section(make_run(), before={"validation": None, "test": FIGURES}, after={"validation": None, "test": None})
    assert len(blocks[1].head) == 1


def test_missing_broken_and_newer_records(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    assert calibration_section(read_run(folder)).blocks == (
        Text("The run kept no record of its calibration.", "quiet"),
    )
    with pytest.raises(RunFolderError, match=r"calibration\.json has schema_version 3; .* update imbtk"):
        section(folder, schema_version=3)
    (folder / "calibration.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"calibration\.json cannot be read"):
        calibration_section(read_run(folder))
