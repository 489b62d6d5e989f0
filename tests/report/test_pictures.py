"""Images inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imbtk.report.blocks import Details, Pictures, Table, Text
from imbtk.report.drawings import Drawings
from imbtk.report.pictures import data_uri, gallery_blocks, mistake_blocks
from imbtk.runs.reading import read_run


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_every_pixel(channels: int) -> None:
    pixels = np.arange(8 * 6 * channels, dtype=np.uint8).reshape(8, 6, channels)
    shown = np.asarray(decode(data_uri(pixels))).reshape(pixels.shape)
    np.testing.assert_array_equal(shown, pixels)


def test_large_images_become_small_files() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (500, 300, 3), dtype=np.uint8)
    uri = data_uri(noise)
    assert uri.startswith("data:image/jpeg;")
    assert decode(uri).size == (86, 144)


def test_gallery_shows_each_class_before_and_after(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=80, side=8))
    text, pictures = gallery_blocks(record, Drawings())
    assert isinstance(pictures, Pictures)
    assert [row.name for row in pictures.rows] == ["a", "as training sees them", "b", "as training sees them"]
    assert [row.rare for row in pictures.rows] == [False, False, True, False]
    assert record.gallery is not None
    assert record.gallery.originals is not None
    shown = np.asarray(decode(pictures.rows[2].pictures[1].source))
    np.testing.assert_array_equal(shown, record.gallery.originals[1, 1])
    assert isinstance(text, Text)
    assert "as the strategies change them" in text.text


def test_gallery_of_some_classes_without_augmentation(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b", "c"], rows=80, side=8)
    with np.load(folder / "gallery.npz") as file:
        arrays = dict(file)
    arrays |= {"originals": arrays["originals"][1:], "augmented": arrays["originals"][1:], "classes": np.array([1, 2])}
    np.savez(folder / "gallery.npz", **arrays)
    text, pictures = gallery_blocks(read_run(folder), Drawings())
    assert isinstance(pictures, Pictures)
    assert [row.name for row in pictures.rows] == ["b", "c"]
    assert text == Text("Training images of each class, for 2 of 3 classes. No strategy of this run changes images.")


def test_mistakes_are_the_surest_first(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=300, images=False))
    drawings = Drawings()
    folded = mistake_blocks(record, "test", drawings)[-1]
    assert isinstance(folded, Details)
    (table,) = folded.blocks
    assert isinstance(table, Table)
    side = record.predictions["test"]
    wrong = side.predicted != side.truth
    surest = side.rows[wrong][side.probabilities[wrong].max(1).argmax()]
    assert (
        table.rows[0][0].title == record.file_names[int(surest)]
        or table.rows[0][0].text == record.file_names[int(surest)]
    )
    assert len(table.rows) == min(int(wrong.sum()), 50)
    assert [cell.text for cell in table.head] == ["Row", "Truth", "Called", "Probability"]
    assert drawings.files["mistakes.csv"].startswith(b"row,file,group,truth,called,probability\n")


def test_mistakes_with_their_images(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=300, side=8, patients=60))
    pictures = mistake_blocks(record, "test", Drawings())[1]
    assert isinstance(pictures, Pictures)
    first = pictures.rows[0].pictures[0]
    assert first.caption.startswith(("a, called b (", "b, called a ("))
    assert ", patient P2-" in first.title


def test_no_mistake_and_no_side(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=60)
    lines = (folder / "predictions.csv").read_text().splitlines()
    right = [lines[0], *(line for line in lines[1:] if line.split(",")[3] == line.split(",")[4])]
    (folder / "predictions.csv").write_text("\n".join(right))
    record = read_run(folder)
    (text,) = mistake_blocks(record, "test", Drawings())
    assert isinstance(text, Text)
    assert text.text == f"The model made no mistake on {len(record.predictions['test'].rows)} test images."
    assert mistake_blocks(record, "fold", Drawings()) == [Text("There are no predictions on fold rows.", "quiet")]
