"""Tests of ``imbtk run``: what is passed on, what is printed where, what is left behind."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from imbtk.training import fitting

Call = Callable[..., Result]
DATA = "builtin:breast-cancer"


def config_of(folder: Path | str) -> dict[str, object]:
    return tomllib.loads((Path(folder) / "config.toml").read_text(encoding="utf-8"))


def test_json_is_alone_on_standard_output(call: Call, plugin_file: Path) -> None:
    spec = "tilt-weights:power=1"
    result = call("run", DATA, "-s", spec, "--plugin", plugin_file, "--epochs", "1", "--json", "--out", "first")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert set(document) == {"run_folder", "metrics"}
    assert document["run_folder"] == "first"
    assert document["metrics"] == json.loads(Path("first/metrics.json").read_text(encoding="utf-8"))
    assert "epoch 1 of 1" in result.stderr
    assert config_of("first")["strategies"] == [spec.replace("=1", "=1.0")]


def test_a_plugin_that_prints_while_training_does_not_spoil_the_json(call: Call, plugin_file: Path) -> None:
    text = plugin_file.read_text(encoding="utf-8")
    plugin_file.write_text(text.replace("        pass", "        print('hello')"), "utf-8")
    result = call("run", DATA, "-s", "keep-head", "--plugin", plugin_file, "--epochs", "1", "--json", "--quiet")
    assert json.loads(result.stdout)["metrics"]["class_names"] == ["benign", "malignant"]
    assert set(result.stderr.split()) == {"hello"}


def test_the_command_line_goes_over_the_file_and_quiet_prints_nothing(call: Call, plugin_file: Path) -> None:
    study = f'data = "{DATA}"\nstrategies = ["no-such"]\nbatch-size = 32\nepochs = 7\nseed = 5\n'
    Path("study.toml").write_text(study, encoding="utf-8")
    result = call(
        "run", "-c", "study.toml", "-s", "keep-head", "--plugin", plugin_file, "--epochs", "1", "-q", "--out", "second"
    )  # fmt: skip
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    config = config_of("second")
    assert config["strategies"] == ["keep-head"]
    assert (config["epochs"], config["batch_size"], config["seed"], config["data"]) == (1, 32, 5, DATA)


def test_dry_run_shows_the_plan_and_leaves_nothing(call: Call, plugin_file: Path) -> None:
    result = call("run", DATA, "-s", "tilt-weights@50%-", "--plugin", plugin_file, "--epochs", "4", "--dry-run")
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.split("\n")]
    assert "epochs 1 to 2: no strategy" in lines
    assert "epochs 3 to 4: tilt-weights@50%-" in lines
    counts = {
        line.split()[0]: list(map(int, line.split()[1:]))
        for line in lines
        if line[:5] in ("benig", "malig") and "%" not in line
    }
    # The data have 357 benign and 212 malignant rows; the split is 64 / 16 / 20 %.
    assert [sum(counts["benign"]), sum(counts["malignant"])] == [357, 212]
    assert [sum(side) for side in zip(*counts.values(), strict=True)] == [364, 91, 114]
    assert lines[-2] == "Dry run: nothing was trained or written."
    assert list(Path().iterdir()) == []


def test_dry_run_on_a_given_split_and_a_class_name_of_two_lines(call: Call) -> None:
    rows = [f"{i},{'plain' if i % 3 else chr(34) + 'two' + chr(10) + 'lines' + chr(34)}" for i in range(60)]
    both, three = ("train", "test"), ("train", "val", "test")
    for sides, said in ((three, "split the data's own"), (both, "split the data's own; validation cut from its")):
        lines = [f"{row},{sides[i // 3 % len(sides)]}" for i, row in enumerate(rows)]
        Path("t.csv").write_text("\n".join(["x,label,split", *lines]))
        result = call("run", "t.csv", "--epochs", "1", "--threads", "1", "--dry-run")
        assert result.exit_code == 0, result.stderr
        text = " ".join(result.stdout.split())
        assert said in text
        assert "batch 64, 1 epoch," in text
        assert "1 thread, seed" in text
        assert any(line.split()[:2] == ["two", "lines"] and "%" not in line for line in result.stdout.split("\n"))


def test_a_run_folder_that_cannot_be_made(call: Call) -> None:
    Path("file").write_text("")
    result = call("run", DATA, "--epochs", "1", "--out", "file/run")
    assert result.exit_code == 2
    assert "Error: the folder 'file/run' cannot be made: not a directory. Choose another --out." in result.stderr


def test_dry_run_as_json(call: Call, plugin_file: Path) -> None:
    result = call("run", DATA, "-s", "tilt-weights", "--plugin", plugin_file, "--dry-run", "--json")
    document = json.loads(result.stdout)
    assert [strategy["name"] for strategy in document["strategies"]] == ["tilt-weights"]
    assert document["split"]["train"] == sum(document["split"]["class_counts"]["train"])
    assert list(Path().iterdir()) == []


def test_quiet_dry_run_only_checks(call: Call) -> None:
    result = call("run", DATA, "--dry-run", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no data are given. Give a path, or builtin:digits to try imbtk out."),
        (["-c", "nowhere.toml"], "there is no configuration file 'nowhere.toml'."),
        ([DATA, "--epochs", "0"], "option 'epochs' (given: 0): input should be greater than or equal to 1."),
        ([DATA, "--out", "."], "the folder '.' exists already, and a run is never overwritten. Choose another --out."),
        ([DATA, "-s", "no-such"], "unknown strategy 'no-such'. No plugin is installed or all are switched off "
            "(IMBTK_PLUGINS, --without)."),
        ([DATA, "--plugin", "no.py"], "there is no plugin file 'no.py'. Give the path of a Python file."),
        ([DATA, "--fold", "3"], "there is no fold 3: the split has 1, counted from 0."),
        ([DATA, "--positive", "malign"], "unknown class 'malign'. Did you mean 'malignant' or 'benign'?"),
    ],
)  # fmt: skip
def test_mistakes_end_with_2_and_leave_no_folder(call: Call, arguments: list[str], message: str) -> None:
    result = call("run", *arguments, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    assert list(Path().iterdir()) == []


def test_a_wrong_option_in_the_file_is_named(call: Call) -> None:
    Path("study.toml").write_text("epoch = 3\n", encoding="utf-8")
    result = call("run", DATA, "-c", "study.toml")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "Error: 'study.toml' has an option 'epoch' that there is not. Did you mean 'epochs' or 'deploy'?\n"
    )


def test_stopping_says_what_is_kept(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "train", stop)
    result = call("run", DATA, "--quiet", "--out", "stopped")
    assert result.exit_code == 130
    assert result.stderr.strip() == "Stopped. What the run had so far is in 'stopped.unfinished'."
    assert Path("stopped.unfinished/config.toml").is_file()


def test_what_is_in_the_way_is_said_before_the_data_are_read(call: Call) -> None:
    Path("taken").mkdir()
    result = call("run", "no-such-data", "--out", "taken")
    assert result.stderr.startswith("Error: the folder 'taken' exists already")
