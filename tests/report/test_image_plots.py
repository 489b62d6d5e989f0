"""Confusion matrices and sheets of images."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from imbtk.report.image_plots import confusion, gallery
from imbtk.report.palette import RARE, render


def texts(figure: Figure) -> list[str]:
    return [item.get_text() for item in figure.findobj(mpl.text.Text)]


def test_cells_have_counts_and_row_shares() -> None:
    figure = confusion([[30, 10], [0, 4]], ["benign", "malignant"], train_counts=[90, 10])
    assert {"30\n75 %", "10\n25 %", "0", "4\n100 %"} <= set(texts(figure))
    labels = {label.get_text(): label.get_color() for label in figure.axes[0].get_yticklabels()}
    assert labels["malignant"] == RARE
    assert labels["benign"] != RARE


def test_all_shades_of_cells_are_one_artist() -> None:
    axes = confusion([[30, 10], [0, 4]], ["benign", "malignant"]).axes[0]
    (shades,) = [item for item in axes.collections if isinstance(item, PolyCollection)]
    assert not axes.patches
    middles = [path.get_extents().intervalx.mean() for path in shades.get_paths()]
    assert middles == [0, 1, 1]  # none for the cell that holds nothing
    np.testing.assert_allclose(shades.get_facecolor()[:, 3] / shades.get_facecolor()[2, 3], [0.75, 0.25, 1])


def test_a_class_without_rows_is_an_empty_row() -> None:
    assert "nan" not in " ".join(texts(confusion([[3, 1], [0, 0]], ["a", "b"])))


def test_more_than_twenty_classes_have_no_numbers() -> None:
    figure = confusion(np.eye(100) * 7, [f"name {k}" for k in range(100)])
    assert not any(text.startswith(("7", "name")) for text in texts(figure))
    image = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(image[..., 3], np.eye(100))
    assert len(render(figure, "many")[0]) < 100_000


def test_names_that_matplotlib_would_read_as_mathematics(hostile_names: list[str]) -> None:
    svg, png = render(confusion(np.eye(8, dtype=int), hostile_names), "hostile")
    assert b"<script" not in svg
    assert b"$\\fra" in svg
    assert png.startswith(b"\x89PNG")


def test_gallery_keeps_every_image() -> None:
    originals = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4, 1).astype(np.uint8)
    figure = gallery(originals, 255 - originals, ["a", "b"])
    sheets = [axes.get_images()[0].get_array() for axes in figure.axes]
    assert len(sheets) == 2
    np.testing.assert_array_equal(sheets[0][:4, 5:9, 0], originals[0, 1, :, :, 0])
    np.testing.assert_array_equal(sheets[1][5:9, :4, 2], 255 - originals[1, 0, :, :, 0])
    assert render(gallery(np.zeros((1, 1, 9, 5, 3), np.uint8), None, ["a"]), "one")[0]
