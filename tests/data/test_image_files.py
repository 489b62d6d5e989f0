import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from imbtk.data import DataOptions, load
from imbtk.data.image_files import looks_like_image
from imbtk.errors import DataError

WriteImage = Callable[..., Path]


def test_what_looks_like_an_image() -> None:
    assert [looks_like_image(path) for path in ("a/b.PNG", "x.tiff", "x.csv", "png")] == [True, True, False, False]


def test_identical_images_stay_together(class_folders: Path) -> None:
    shutil.copy(class_folders / "cat" / "0.png", class_folders / "cat" / "again.png")
    dataset = load(class_folders)
    assert dataset.groups is not None
    groups = dict(zip(dataset.row_names, dataset.groups.tolist(), strict=True))
    assert groups["cat/0.png"] == groups["cat/again.png"]
    assert len(set(groups.values())) == 6
    assert dataset.description["groups_known"] is False
    assert dataset.notes == ("1 image is identical to another and kept on the same side of the split as that one.",)


def test_identical_images_with_two_labels_are_listed(class_folders: Path) -> None:
    shutil.copy(class_folders / "cat" / "0.png", class_folders / "dog" / "copy.png")
    with pytest.raises(DataError, match=r"different labels, 1 time: cat/0\.png \(cat\) = dog/copy\.png \(dog\)"):
        load(class_folders)


def test_broken_files_are_all_listed(class_folders: Path) -> None:
    (class_folders / "cat" / "0.png").write_bytes(b"")
    (class_folders / "dog" / "2.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"2 of 6 image files cannot be read: cat/0\.png \(.*\), dog/2\.png \("):
        load(class_folders)


def test_the_digest_knows_pixels_and_labels(class_folders: Path, write_image: WriteImage) -> None:
    first = load(class_folders).description["digest"]
    assert load(class_folders).description["digest"] == first
    (class_folders / "dog").rename(class_folders / "hound")
    renamed = load(class_folders).description["digest"]
    write_image(class_folders / "cat" / "0.png")
    assert len({first, renamed, load(class_folders).description["digest"]}) == 3


def test_size_and_policy_are_recorded(class_folders: Path) -> None:
    dataset = load(class_folders, DataOptions(image_size=5, resize="stretch", domain="histology"))
    assert dataset.preprocessing == {"kind": "images", "size": 5, "resize": "stretch", "channels": 3}
    assert dataset.x.shape == (6, 3, 5, 5)
    assert dataset.domain == "histology"
