"""What a run saw is known again by its content and by its groups, whatever it is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import imbtk
from imbtk.errors import DataError, RunFolderError
from imbtk.runs.seen import SeenRows, seen_document

PATTERN = r"([bm]\d+)_"


def split_of(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "split.csv", dtype=str)


def images_of(run: Path, folder: Path, side: str) -> Path:
    """Copy the images of one side of a run's split into a folder of their own."""
    for file in split_of(run).query("split == @side")["file"]:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run.parent / "train" / file, target)
    return folder


def saved_anew(source: Path, folder: Path) -> Path:
    """Save the same pixels in other files, under other names."""
    for number, file in enumerate(sorted(source.rglob("*.png"))):
        target = folder / file.parent.name / f"copy{number}.tif"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).save(target)
    return folder


def test_a_run_is_not_evaluated_on_what_it_saw(image_run: Path, tmp_path: Path) -> None:
    seen = split_of(image_run).query("split == 'train' or split == 'validation'")
    groups = seen["file"].str.extract(r"/([bm]\d+)_")[0].nunique()
    options = {"group_pattern": PATTERN, "out": tmp_path / "ev", "quiet": True}
    with pytest.raises(DataError) as caught:
        imbtk.evaluate(image_run, image_run.parent / "train", **options)
    assert f"{len(seen)} of 90 images equal one that this run was trained or validated on" in str(caught.value)
    assert f"{groups} of 30 groups (" in str(caught.value)
    assert "evaluate all the same with --allow-seen (allow_seen=True in Python)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    found = imbtk.evaluate(image_run, image_run.parent / "train", allow_seen=True, **options)
    met = json.loads((tmp_path / "ev" / "evaluation.json").read_text())["seen"]
    assert met == found.document["seen"]
    assert (met["checked"], met["rows"], met["groups"], met["group_rows"]) == (True, len(seen), groups, len(seen))
    page = (tmp_path / "ev" / "report.html").read_text()
    assert "Not new to the model" in page
    assert f"{len(seen)} of 90 images equal one that this run" in page


def test_its_test_rows_are_new(image_run: Path, tmp_path: Path) -> None:
    test = images_of(image_run, tmp_path / "test", "test")
    found = imbtk.evaluate(image_run, test, group_pattern=PATTERN, out=tmp_path / "ev", quiet=True)
    assert found.document["seen"] == {
        "checked": True, "rows": 0, "groups": 0, "group_rows": 0, "refused": False, "said": "",
    }  # fmt: skip
    assert "Not new" not in (tmp_path / "ev" / "report.html").read_text()


@pytest.mark.parametrize("side", ["train", "validation"])
def test_images_under_other_names_are_known_by_their_pixels(side: str, image_run: Path, tmp_path: Path) -> None:
    again = saved_anew(images_of(image_run, tmp_path / side, side), tmp_path / "anew")
    number = len(list(again.rglob("*.tif")))
    message = rf"{number} of {number} images equal one that this run was .* \(benign/copy0\.tif, benign/copy"
    with pytest.raises(DataError, match=message) as caught:
        imbtk.evaluate(image_run, again, out=tmp_path / "ev", quiet=True)
    assert "Groups are compared" not in str(caught.value)


def test_other_images_of_a_patient_who_was_seen_are_not_new(image_run: Path, tmp_path: Path) -> None:
    met = split_of(image_run).query("split == 'train'")["file"].str.extract(r"/(b\d+)_")[0].dropna().iloc[0]
    rng = np.random.default_rng(99)
    for name in ("benign", "malignant"):
        (tmp_path / "new" / name).mkdir(parents=True)
        for place in range(6):
            patient = met if name == "benign" and place < 2 else f"{name[0]}9{place}"
            pixels = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "new" / name / f"{patient}_{place}.png")
    options = {"out": tmp_path / "ev", "quiet": True}
    with pytest.raises(
        DataError, match=rf"1 of 11 groups \({met}; 2 images\) bear the name .* others of the same names"
    ):
        imbtk.evaluate(image_run, tmp_path / "new", group_pattern=PATTERN, **options)
    found = imbtk.evaluate(image_run, tmp_path / "new", **options)
    assert (found.document["seen"]["rows"], found.document["seen"]["groups"]) == (0, None)


# Tables, where rows may be equal by chance -------------------------------------------------------------------------


def coarse(rows: int, seed: int) -> pd.DataFrame:
    """Return a table of few values, in which honest rows are equal to others."""
    rng = np.random.default_rng(seed)
    label = np.where(rng.random(rows) < 0.3, "ill", "well")
    size = rng.integers(0, 60, rows) + 20 * (label == "ill")
    return pd.DataFrame({"size": size, "dose": rng.integers(0, 8, rows), "label": label})


@pytest.fixture(scope="module")
def coarse_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coarse")
    coarse(400, 0).to_csv(folder / "train.csv", index=False)
    return imbtk.run(folder / "train.csv", model="linear", epochs=2, quiet=True, out=str(folder / "run")).folder


@pytest.mark.parametrize("seed", range(1, 6))
def test_honest_duplicates_of_a_table_are_reported_and_not_refused(coarse_run: Path, seed: int, tmp_path: Path) -> None:
    new, sides = coarse(200, seed), split_of(coarse_run)
    new.to_csv(tmp_path / "new.csv", index=False)
    found = imbtk.evaluate(coarse_run, tmp_path / "new.csv", out=tmp_path / "ev", quiet=True).document["seen"]
    seen = coarse(400, 0)[sides["split"].isin(["train", "validation"]).to_numpy()]
    equal = new.merge(seen[["size", "dose"]].drop_duplicates(), on=["size", "dose"])
    assert found["rows"] == len(equal) > 50
    share = seen.duplicated(["size", "dose"], keep=False).mean()
    assert f"no more than its own rows equal each other ({share:.1%})" in found["said"]
    assert not found["refused"]


def test_a_table_that_was_trained_on_is_refused_whatever_its_order_and_labels(coarse_run: Path, tmp_path: Path) -> None:
    rows = coarse(400, 0).sample(frac=1, random_state=0)
    rows["label"] = rows["label"].to_numpy()[::-1]
    rows[["label", "dose", "size"]].to_csv(tmp_path / "again.csv", index=False)
    with pytest.raises(DataError, match=r"of 400 rows equal one that this run was trained or validated on"):
        imbtk.evaluate(coarse_run, tmp_path / "again.csv", out=tmp_path / "ev", quiet=True)


def test_test_rows_of_a_table_are_new(coarse_run: Path, tmp_path: Path) -> None:
    test = split_of(coarse_run)["split"] == "test"
    coarse(400, 0)[test.to_numpy()].to_csv(tmp_path / "test.csv", index=False)
    found = imbtk.evaluate(coarse_run, tmp_path / "test.csv", out=tmp_path / "ev", quiet=True)
    assert not found.document["seen"]["refused"]


def test_rows_are_compared_as_the_model_takes_them() -> None:
    values = np.array([[0.0, np.nan], [1.5, 2.0], [1.5, 2.0]], dtype=np.float32)
    seen = SeenRows.of([values[:2], values[2:]], ["A + B", "C"])
    other = np.array([[-0.0, -np.nan], [1.5, 2.0], [2.0, 1.5]], dtype=np.float32)
    assert np.isin(seen.row_digests(other), seen.rows).tolist() == [True, True, False]
    assert np.isin(seen.group_digests(["A", "B", "A + B", "C", "D"]), seen.groups).tolist() == [True] * 4 + [False]
    assert seen.duplicates == 2


@pytest.mark.parametrize(
    ("hits", "new", "duplicates", "refused"),
    [(0, 10, 0, False), (1, 1000, 0, False), (2, 1000, 0, False), (5, 5, 0, True), (30, 1000, 0, True),
     (100, 1000, 50, False), (130, 1000, 50, False), (200, 1000, 50, True), (500, 500, 500, False)],
)  # fmt: skip
def test_a_table_is_refused_for_more_than_its_own_duplicates(
    hits: int, new: int, duplicates: int, refused: bool
) -> None:
    """Of 500 rows that were seen, `duplicates` equal another; of `new` ones `hits` equal a seen one."""
    own = np.concatenate([np.repeat(np.arange(duplicates // 2), 2), np.arange(10**6, 10**6 + 500 - duplicates)])
    seen = SeenRows(b"k" * 16, np.sort(own.astype(np.uint64)), np.zeros(0, np.uint64))
    digests = np.concatenate([np.resize(seen.rows, hits), np.arange(10**7, 10**7 + new - hits, dtype=np.uint64)])
    found = seen_document(seen, digests, list(map(str, range(new))), None, "table")
    assert (found["rows"], found["refused"]) == (hits, refused)


# Files -------------------------------------------------------------------------------------------------------------


def test_names_are_not_to_be_read_in_the_folder(image_run: Path, table_run: Path) -> None:
    for run, group in ((image_run, b"b0"), (table_run, b"P10")):
        content = (run / "seen.npz").read_bytes()
        assert group not in content
        assert len(content) < 8 * 240 + 4000
    keys = {SeenRows.read(run).key for run in (image_run, table_run)}
    assert len(keys) == 2, "two runs cannot be matched by their digests"


def test_a_run_without_digests_says_that_nothing_can_be_checked(table_run: Path, tmp_path: Path) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    (tmp_path / "run" / "seen.npz").unlink()
    found = imbtk.evaluate(tmp_path / "run", table_run.parent / "train.csv", out=tmp_path / "ev", quiet=True)
    assert found.document["seen"]["checked"] is False
    assert "cannot be checked: it has no seen.npz" in (tmp_path / "ev" / "report.html").read_text()


@pytest.mark.parametrize("what", ["torn", "other arrays", "other types", "objects"])
def test_broken_digests_are_told(what: str, tmp_path: Path) -> None:
    SeenRows.of([np.zeros((3, 2), np.float32)], ["a"]).write(tmp_path)
    path = tmp_path / "seen.npz"
    if what == "torn":
        path.write_bytes(path.read_bytes()[:-30])
    elif what == "other arrays":
        np.savez(path, x=np.zeros(1))
    elif what == "objects":
        np.savez(path, key=np.array([{}], dtype=object), rows=np.zeros(1), groups=np.zeros(1))
    else:
        np.savez(path, key=np.zeros(16, np.uint8), rows=np.zeros(3), groups=np.zeros(1, np.uint64))
    with pytest.raises(RunFolderError, match=r"seen\.npz' .*Delete it to go on without the check"):
        SeenRows.read(tmp_path)
