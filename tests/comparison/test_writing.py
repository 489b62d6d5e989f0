"""The document, its schema, the tables, the metrics and the page of a finished comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from matplotlib.figure import Figure

from imbtk.comparison.comparison import Comparison, make_comparison_report
from imbtk.errors import RunFolderError
from imbtk.runs.format import PROTOCOL
from imbtk.runs.schemas import schema


def test_the_document_keeps_its_schema(finished: Comparison) -> None:
    jsonschema.validate(finished.document, schema("comparison"))


def test_the_schema_refuses_what_is_not_in_it(finished: Comparison) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**finished.document, "surprise": 1}, schema("comparison"))


def test_figures_from_python(finished: Comparison) -> None:
    for name in ("forest", "sensitivities", "confusions", "roc", "reliability", "cost"):
        assert isinstance(finished.figures[name], Figure)
        with pytest.warns(FutureWarning, match=rf"plot_{name}\(\) goes with imbtk 0\.2\. Write \.figures\['{name}'\]"):
            assert getattr(finished, f"plot_{name}")() is finished.figures[name]
    drawn = {path.stem for path in (finished.folder / "plots").glob("*.png")}
    assert set(finished.figures) == drawn
    with pytest.raises(AttributeError, match="'Comparison' object has no attribute 'plot_forrest'"):
        _ = finished.plot_forrest


def test_the_report_is_made_anew_from_the_folder_alone(finished: Comparison, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    for name in ("comparison.json", "report.html"):
        (copy / name).unlink()
    assert make_comparison_report(copy) == copy / "report.html"
    assert json.loads((copy / "comparison.json").read_text()) == finished.document


def test_a_comparison_of_another_imbtk_or_none(finished: Comparison, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no comparison: it has no protocol\.json\."):
        make_comparison_report(tmp_path)
    protocol = json.loads((finished.folder / PROTOCOL).read_text())
    (tmp_path / PROTOCOL).write_text(json.dumps({**protocol, "schema_version": 99}))
    with pytest.raises(RunFolderError, match=r"was written by a newer imbtk\. Upgrade imbtk"):
        make_comparison_report(tmp_path)
    (tmp_path / PROTOCOL).write_text("{")
    with pytest.raises(RunFolderError, match="cannot be read as JSON"):
        make_comparison_report(tmp_path)


def test_without_its_baseline_nothing_can_be_judged(finished: Comparison, tmp_path: Path) -> None:
    (tmp_path / PROTOCOL).write_text((finished.folder / PROTOCOL).read_text())
    with pytest.raises(RunFolderError, match="cannot be judged, and every plan is compared with it: 0 of 6 cells are"):
        make_comparison_report(tmp_path)
