import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError

WriteImage = Callable[..., Path]


def _folder(root: Path, write_image: WriteImage, files: list[str]) -> Path:
    for file in files:
        write_image(root / file)
    return root


def _twice(*files: str) -> list[str]:
    return [f"{file}{copy}.png" for file in files for copy in "ab"]


def test_one_folder_for_each_class(class_folders: Path) -> None:
    dataset = load(class_folders)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.row_names[3] == "dog/0.png"
    assert dataset.x.shape == (6, 3, 8, 8)
    assert dataset.groups is None
    assert dataset.given_split is None
    assert dataset.preprocessing == {"kind": "images", "size": 8, "resize": "pad", "channels": 3}
    assert dataset.description["groups_known"] is False
    assert (dataset.name, dataset.domain) == ("animals", "photo")


def test_hidden_and_other_files_are_passed_over(class_folders: Path) -> None:
    for name in ("cat/._0.png", "cat/notes.txt", ".hidden/x.png", "index.csv"):
        (class_folders / name).parent.mkdir(exist_ok=True)
        (class_folders / name).write_text("no image")
    assert len(load(class_folders)) == 6


def test_nested_folders_and_the_level_of_the_class(tmp_path: Path, write_image: WriteImage) -> None:
    root = _folder(tmp_path / "d", write_image, _twice("cat/p1/x", "cat/p2/y", "dog/p1/z", "dog/p2/w"))
    assert load(root).class_names == ("cat", "dog")
    assert load(root, DataOptions(label_level=2)).class_names == ("p1", "p2")
    assert load(root, DataOptions(label_level=-2)).class_names == ("cat", "dog")
    write_image(root / "cat" / "loose.png")
    with pytest.raises(
        DataError, match=r"--label-level 2: 1 of 9 images in .* no folder at that level: cat/loose\.png"
    ):
        load(root, DataOptions(label_level=2))


def test_groups_by_a_pattern_on_the_path_within(tmp_path: Path, write_image: WriteImage) -> None:
    root = _folder(tmp_path / "p9", write_image, ["cat/p1_a.png", "cat/p2_a.png", "dog/p1_a.png", "dog/p3_a.png"])
    dataset = load(root, DataOptions(group_pattern=r"(p\d)"))
    assert dataset.groups is not None
    assert [dataset.group_names[group] for group in dataset.groups] == ["p1", "p2", "p1", "p3"]
    assert dataset.description["groups_from"] == r"the pattern '(p\d)'"
    ignored = load(root, DataOptions(group_pattern=r"(p\d)", groups="none"))
    assert (ignored.groups, ignored.description["groups_known"]) == (None, False)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "validation", "test"), ("train", "valid", "test")]
)
def test_a_split_above_the_classes(tmp_path: Path, write_image: WriteImage, names: tuple[str, str, str]) -> None:
    files = [f"{side}/{label}/{i}.png" for side in names for label in ("a", "b") for i in range(2)]
    dataset = load(_folder(tmp_path / "d", write_image, files))
    assert dataset.class_names == ("a", "b")
    assert dataset.given_split is not None
    sides = {row.split("/")[0]: side for row, side in zip(dataset.row_names, dataset.given_split.tolist(), strict=True)}
    assert sides == {names[0]: 0, names[1]: 1, names[2]: 2}


def test_a_split_without_validation_is_left_as_it_is(tmp_path: Path, write_image: WriteImage) -> None:
    files = [f"{side}/{label}/{i}.png" for side in ("train", "test") for label in ("a", "b") for i in range(2)]
    dataset = load(_folder(tmp_path / "d", write_image, files))
    assert dataset.given_split is not None
    assert torch.bincount(dataset.given_split, minlength=3).tolist() == [4, 0, 4]


def test_images_beside_a_split_are_refused(tmp_path: Path, write_image: WriteImage) -> None:
    root = _folder(tmp_path / "d", write_image, ["train/a/1.png", "test/a/1.png", "more/a/1.png", "x.png"])
    with pytest.raises(
        DataError, match=r"beside them images in: files directly in it, more\. Put every image below train"
    ):
        load(root)


ORIGINAL = [
    "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png",
    "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549CD/200X/SOB_B_A-14-22549CD-200-001.png",
    "BreaKHis_v1/histology_slides/breast/malignant/SOB/ductal/SOB_M_DC_14-13412/40X/SOB_M_DC-14-13412-40-001.png",
    "BreaKHis_v1/histology_slides/breast/malignant/SOB/lobular/SOB_M_LC_14-13412/40X/SOB_M_LC-14-13412-40-001.png",
    "BreaKHis_v1/histology_slides/breast/malignant/SOB/papillary/SOB_M_PC_15-190EF/200X/SOB_M_PC-15-190EF-200-001.png",
]


@pytest.mark.parametrize("flat", [False, True], ids=["original", "flattened"])
def test_breakhis_is_recognised(tmp_path: Path, write_image: WriteImage, flat: bool) -> None:
    files = [Path(file).name if flat else file for file in ORIGINAL]
    dataset = load(_folder(tmp_path / "d", write_image, files))
    assert dict(zip(dataset.class_names, dataset.class_counts.tolist(), strict=True)) == {"benign": 2, "malignant": 3}
    assert sorted(dataset.group_names) == ["13412", "190", "22549"]
    assert dataset.domain == "histology"
    assert dataset.description["groups_from"] == "BreakHis file names"
    assert dataset.description["groups_known"] is True


def test_nearly_breakhis_is_told_of(tmp_path: Path, write_image: WriteImage) -> None:
    files = [f"{'benign' if 'SOB_B' in file else 'malignant'}/{Path(file).name}" for file in ORIGINAL]
    root = _folder(tmp_path / "d", write_image, [*files, "malignant/scan (1).png"])
    dataset = load(root)
    assert dataset.description["groups_known"] is False
    (note,) = [note for note in dataset.notes if "BreakHis" in note]
    assert note.startswith("Patients are not known, although 5 of 6 files have BreakHis names that say them: ")
    assert "malignant/scan (1).png has none" in note
    assert "--groups breakhis insists on BreakHis names and stops at every file without one" in note
    with pytest.raises(DataError, match=r"1 of 6 files have no BreakHis name .*: malignant/scan \(1\)\.png"):
        load(root, DataOptions(groups="breakhis"))
    # Who says how groups are found, or that there are none, is told nothing; nor is who has another kind of names.
    for options in (DataOptions(groups="none"), DataOptions(group_pattern="(.)")):
        assert not any("BreakHis" in note for note in load(root, options).notes)
    other = _folder(tmp_path / "e", write_image, [files[0], *(f"malignant/{n}.png" for n in range(4)), "benign/1.png"])
    assert not any("BreakHis" in note for note in load(other).notes)


def test_breakhis_by_magnification(tmp_path: Path, write_image: WriteImage) -> None:
    names = [
        f"SOB_{code}-14-{patient}-{mag}-001.png" for code in ("B_A", "M_DC") for patient in (1, 2) for mag in (40, 200)
    ]
    root = _folder(tmp_path / "d", write_image, names)
    dataset = load(root, DataOptions(where=("magnification=40",)))
    assert len(dataset) == 4
    assert dataset.description["where"] == ["magnification=40"]
    both = DataOptions(where=("magnification=40", "magnification=200", "patient=1"))
    assert len(load(root, both)) == 4
    with pytest.raises(OptionError, match=r"BreakHis names say nothing of 'magnif'\. Did you mean 'magnification'"):
        load(root, DataOptions(where=("magnif=40",)))
    with pytest.raises(DataError, match="--where magnification=100 leaves none of the 8 images of"):
        load(root, DataOptions(where=("magnification=100",)))


def test_a_filter_needs_columns(class_folders: Path) -> None:
    with pytest.raises(
        OptionError, match="--where a=b needs a CSV manifest with columns, or files with BreakHis names"
    ):
        load(class_folders, DataOptions(where=("a=b",)))


def test_groups_breakhis_needs_such_names(class_folders: Path) -> None:
    with pytest.raises(DataError, match="--groups breakhis: 6 of 6 files have no BreakHis name"):
        load(class_folders, DataOptions(groups="breakhis"))


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no images \(.png, .jpg"):
        load(tmp_path)


def test_images_outside_class_folders(class_folders: Path, write_image: WriteImage) -> None:
    write_image(class_folders / "loose.png")
    with pytest.raises(DataError, match=r"1 of 7 images lie in no class folder: loose\.png\. Put each into the folder"):
        load(class_folders)


def test_an_empty_class_folder(class_folders: Path) -> None:
    (class_folders / "eel").mkdir()
    with pytest.raises(DataError, match="no image in the folder 'eel', so its class has no sample"):
        load(class_folders)


def test_a_class_of_one(class_folders: Path, write_image: WriteImage) -> None:
    write_image(class_folders / "eel" / "0.png")
    with pytest.raises(DataError, match=r"class folders of .*: class 'eel' has one sample\. A class needs two samples"):
        load(class_folders)


def test_a_single_class(tmp_path: Path, write_image: WriteImage) -> None:
    root = _folder(tmp_path / "d", write_image, ["only/a/1.png", "only/b/2.png"])
    with pytest.raises(DataError, match=r"single class folder, 'only'.*say which level: --label-level 2"):
        load(root)


def test_class_folders_alike_but_for_case(tmp_path: Path, write_image: WriteImage) -> None:
    root = _folder(tmp_path / "d", write_image, _twice("Cat/x", "cat/y", "dog/z"))
    with pytest.raises(DataError, match=r"class names 'Cat' \(2 rows\) and 'cat' \(2 rows\) are alike but for case"):
        load(root)


def test_options_of_tables_are_refused(class_folders: Path) -> None:
    with pytest.raises(OptionError, match="--label-column, --split-column says nothing about a folder of images"):
        load(class_folders, DataOptions(label_column="x", split_column="y"))


def patients_above_classes(root: Path, write_image: WriteImage, patients: int = 6) -> Path:
    """Write ``patient/class/`` folders; the last patient has one class only."""
    for patient in range(patients):
        for label in ("0", "1")[: 1 if patient == patients - 1 else 2]:
            for number in range(2):
                write_image(root / f"p{patient}" / label / f"{number}.png")
    return root


@pytest.mark.parametrize("split", [False, True])
def test_patients_above_classes_are_refused_with_the_flags_that_help(
    tmp_path: Path, write_image: WriteImage, split: bool
) -> None:
    root = tmp_path / "patches"
    for side in ("train", "test") if split else ("",):
        patients_above_classes(root / side, write_image, 5 if side == "test" else 6)
    with pytest.raises(DataError) as caught:
        load(root)
    text = str(caught.value)
    assert "6 folders ('p0', 'p1', 'p2' and 3 more), and all of them hold the same sub-folders: '0', '1'." in text
    # What is advised is what works when it is pasted.
    words = shlex.split(text[text.index("--label-level 2") : text.index(" to the command")])
    options = dict(zip([word[2:].replace("-", "_") for word in words[::2]], words[1::2], strict=True))
    dataset = load(root, DataOptions(**options))  # type: ignore[arg-type]
    assert dataset.class_names == ("0", "1")
    assert dataset.group_names == tuple(f"p{patient}" for patient in range(6))
    assert len(load(root, DataOptions(label_level=1)).class_names) == 6


@pytest.mark.parametrize(
    "folders",
    [
        ["cat/1", "cat/2", "dog/1", "dog/2"],  # as many classes as sub-folders
        ["cat/a", "cat/b", "dog/c", "dog/d", "cow/e", "cow/f"],  # each class has its own patients
        ["cat/train", "cat/test", "dog/train", "dog/test", "cow/train", "cow/test"],  # a split is no class
        ["cat/1", "cat/2", "dog", "cow/1", "cow/2"],  # images directly in a folder
    ],
)
def test_folders_below_classes_are_no_reason_to_ask(
    tmp_path: Path, write_image: WriteImage, folders: list[str]
) -> None:
    for folder in folders:
        for number in range(2):
            write_image(tmp_path / "d" / folder / f"{number}.png")
    dataset = load(tmp_path / "d")
    assert set(dataset.class_names) == {folder.split("/")[0] for folder in folders}
    said = "The folders test, train within the class folders are not taken for a split"
    assert any(said in note for note in dataset.notes) == ("cat/train" in folders)
    assert load(tmp_path / "d", DataOptions(ignore_split=True)).notes == ()
