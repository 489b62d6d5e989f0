"""Tests of ``imbtk predict``: what comes out, where, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from imbtk.inference.predictor import Predictor

Call = Callable[..., Result]
ROOT = Path(__file__).parents[2]


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_gives_a_line_for_each_image(call: Call, image_run: Path) -> None:
    data = image_run.parent / "train"
    result = call("predict", image_run, data, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = lines(result.stdout)
    assert list(rows[0]) == ["row", "class", "p:benign", "p:malignant", "error"]
    predictor = Predictor.load(image_run)
    files = [data / row["row"] for row in rows]
    assert len(files) == 90
    np.testing.assert_allclose(predictor.predict_proba(files)[:, 1], [float(row["p:malignant"]) for row in rows], 1e-5)
    assert predictor.predict(files).tolist() == [row["class"] for row in rows]


def test_patients_get_the_mean_of_their_images(call: Call, image_run: Path) -> None:
    data = image_run.parent / "train"
    where = ("--group-pattern", r"([bm]\d+)_", "--quiet")
    rows = lines(call("predict", image_run, data, *where).stdout)
    result = call("predict", image_run, data, *where, "--per-group", "--format", "jsonl")
    patients = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(patients) == 30
    for patient in patients:
        own = [float(row["p:malignant"]) for row in rows if row["group"] == patient["group"]]
        assert patient["rows"] == len(own) == 3
        assert patient["probabilities"]["malignant"] == pytest.approx(np.mean(own))
        assert patient["class"] in ("benign", "malignant")
        assert patient["error"] is None


def test_the_old_name_of_per_group_works_and_says_the_new_one(call: Call, image_run: Path) -> None:
    where = (image_run, image_run.parent / "train", "--group-pattern", r"([bm]\d+)_")
    old, new = (call("predict", *where, flag) for flag in ("--per-patient", "--per-group"))
    assert old.stdout == new.stdout
    assert "--per-patient is called --per-group now." in old.stderr
    assert "--per-patient" not in call("predict", "--help").stdout


def test_a_broken_image_is_one_error_row(call: Call, image_run: Path) -> None:
    shutil.copytree(image_run.parent / "train" / "benign", "in")
    Path("in/b0_zz.png").write_bytes(b"no image")
    result = call("predict", image_run, "in", "--group-pattern", "(b[0-9]+)_", "--out", "p.csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "1 of 46 rows could not be read: the column 'error' says why." in result.stderr
    (bad,) = [row for row in lines(Path("p.csv").read_text()) if row["error"]]
    assert (bad["row"], bad["class"], bad["p:benign"], bad["group"]) == ("b0_zz.png", "", "", "b0")
    assert "cannot be read as an image" in bad["error"]
    per = call("predict", image_run, "in", "--group-pattern", "(b[0-9]+)_", "--per-group", "-q")
    first = lines(per.stdout)[0]
    assert (first["group"], first["rows"], first["error"]) == ("b0", "4", "1 of 4 rows could not be read")
    assert first["class"]
    assert sorted(os.listdir()) == ["in", "p.csv"]


def test_tables_manifests_arrays_and_single_images(call: Call, table_run: Path, image_run: Path) -> None:
    table = lines(call("predict", table_run, table_run.parent / "train.csv", "-q").stdout)
    assert [row["group"] for row in table[:3]] == ["P0", "P0", "P1"]
    image = next((image_run.parent / "train" / "benign").iterdir())
    shutil.copy(image, "one.png")
    single = lines(call("predict", image_run, "one.png", "-q").stdout)
    Path("list.csv").write_text("file,note\none.png,x\ngone.png,y\n")
    listed = lines(call("predict", image_run, "list.csv", "-q").stdout)
    from PIL import Image

    np.savez("a.npz", x=np.asarray(Image.open("one.png"))[None])
    array = lines(call("predict", image_run, "a.npz", "-q").stdout)
    assert listed[0]["p:benign"] == single[0]["p:benign"] == array[0]["p:benign"]
    assert "no such file" in listed[1]["error"]
    two = lines(call("predict", image_run, "one.png", image, "-q").stdout)
    assert [row["row"] for row in two] == ["one.png", image.as_posix()]


def test_json_lines_by_the_ending_and_another_deployment_prior(call: Call, table_run: Path) -> None:
    data = table_run.parent / "train.csv"
    result = call("predict", table_run, data, "--out", "p.jsonl", "--deploy", "benign=0.999,malignant=0.001")
    assert result.exit_code == 0, result.stderr
    records = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    moved = Predictor.load(table_run).at_deployment("benign=0.999,malignant=0.001").predict_proba(pd.read_csv(data))
    assert [record["probabilities"]["malignant"] for record in records] == pytest.approx(moved[:, 1].tolist(), abs=1e-6)
    assert set(records[0]) == {"row", "group", "class", "probabilities", "error"}


def test_an_abstention_is_an_empty_class(call: Call, table_run: Path) -> None:
    shutil.copytree(table_run, "cautious")
    path = Path("cautious/model/model.json")
    model = json.loads(path.read_text())
    model["decision"]["reject_below"] = 0.9999999
    path.write_text(json.dumps(model))
    rows = lines(call("predict", "cautious", table_run.parent / "train.csv", "-q").stdout)
    assert {row["class"] for row in rows} == {""}
    assert all(row["p:benign"] and not row["error"] for row in rows)


def test_no_strategy_needs_to_be_installed(table_run: Path) -> None:
    program = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'imbtk_plugins':\n"
        "            raise ImportError('there are no plugins here')\n"
        "sys.meta_path.insert(0, Wall())\n"
        "from imbtk.cli import main\n"
        "main()\n"
    )
    environment = {**os.environ, "IMBTK_PLUGINS": "none", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    arguments = ["predict", str(table_run), str(table_run.parent / "train.csv"), "-q"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stdout)) == 240


def change(folder: Path, what: str) -> None:
    model = folder / "model"
    if what == "pickle":
        (model / "weights.safetensors").rename(model / "weights.pt")
    elif what == "disguised":
        (model / "weights.safetensors").write_bytes(b"PK\x03\x04 a zip of pickles")
    elif what == "newer":
        description = json.loads((model / "model.json").read_text())
        (model / "model.json").write_text(json.dumps({**description, "schema_version": 99}))
    elif what == "incomplete":
        (model / "model.json").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("pickle", "'weights.pt' is there, but imbtk does not load pickles, which can run any code"),
        ("disguised", "is a PyTorch .pt file under another name: imbtk does not load pickles"),
        (
            "newer",
            "has schema_version 99; this imbtk reads up to 2. The run was made by a newer imbtk: update imbtk (pip",
        ),
        ("incomplete", "model.json' does not exist: 'run/model' is not the folder of a saved model."),
    ],
)
def test_models_that_cannot_be_trusted_are_refused(call: Call, table_run: Path, what: str, message: str) -> None:
    shutil.copytree(table_run, "run")
    change(Path("run"), what)
    result = call("predict", "run", table_run.parent / "train.csv", "--out", "p.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not Path("p.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no file or folder nowhere."),
        (["bad.csv", "--out", "bad.csv"], "the file 'bad.csv' exists already, and is not overwritten. Choose another"),
        (["bad.csv"], "none of the 2 rows could be read. The first one: column 'size' is not a number in row 1"),
        (["bad.csv", "--per-group"], "which rows belong to one patient is not known, so nothing can be said per"),
        (["bad.csv", "--deploy", "benign=0.5"], "option 'deploy' gives no share for 'malignant'."),
        (["bad.csv", "--out", "no/where/p.csv"], "'no/where' cannot be written to: no such file or directory."),
        (["bad.csv", "--group-pattern", "P"], "group_pattern 'P' has no group: put round brackets round what names"),
    ],
)  # fmt: skip
def test_mistakes_end_with_2_and_leave_no_file(call: Call, table_run: Path, arguments: list[str], message: str) -> None:
    Path("bad.csv").write_text("size,colour\nmuch,red\nmore,blue\n")
    result = call("predict", table_run, *arguments, "-q")
    assert result.exit_code == 2
    assert message in result.stderr
    assert os.listdir() == ["bad.csv"]
