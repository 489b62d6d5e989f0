"""Figures on their way into a page and a folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from matplotlib.figure import Figure

from imbtk.report.drawings import Drawings


def test_each_figure_has_png_svg_and_csv(tmp_path: Path) -> None:
    drawings = Drawings()
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot([1, 2])
    block = drawings.add("line", figure, (("x", "y"), [("a\nb", None), ("c", 2)]), "A line.")
    drawings.write(tmp_path / "plots")
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["line.csv", "line.png", "line.svg"]
    text = (tmp_path / "plots" / "line.csv").read_text()
    assert list(csv.reader(io.StringIO(text))) == [["x", "y"], ["a\nb", ""], ["c", "2"]]
    assert block.svg.startswith("<svg")
    assert block.caption == "A line."
