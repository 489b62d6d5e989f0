"""Options of a run: read, checked, written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from imbtk.errors import ImbtkError, OptionError
from imbtk.planning.config import RunConfig, check_paths, make_config, read_config, write_config


def test_a_file_gives_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('\ufeffbatch-size = 32\nlr_backbone = 0.1\nstrategies = ["focal-loss"]\n', encoding="utf-8")
    assert read_config(path) == {"batch_size": 32, "lr_backbone": 0.1, "strategies": ["focal-loss"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"epoch = 3", r"has an option 'epoch' that there is not\. Did you mean 'epochs'"),
        (b"epochs = ", r"cannot be read as TOML: "),
        (b"data = '\xff'", r"cannot be read as TOML: "),
        (None, r"there is no configuration file '.*study\.toml'"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=said):
        read_config(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read as TOML"):
        read_config(tmp_path)


def test_what_is_written_reads_back_without_the_folder(tmp_path: Path) -> None:
    config = make_config(
        {
            "data": Path("my data.csv"), "strategies": ["focal-loss:gamma=1.5@50%-"], "plugins": (Path("a b.py"),),
            "epochs": 3, "lr": 1e-4, "out": "somewhere", "discard_unfinished": True, "positive": "é \"quoted\"",
        }
    )  # fmt: skip
    write_config(config, tmp_path / "config.toml")
    values = read_config(tmp_path / "config.toml")
    assert not {"out", "discard_unfinished"} & set(values)
    again = make_config(values)
    assert again == config.model_copy(update={"out": None, "discard_unfinished": False})
    assert (again.data, again.plugins) == ("my data.csv", ("a b.py",))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epoch": 3}, r"^unknown option 'epoch'\. Did you mean 'epochs' or 'deploy'\?$"),
        ({"epochs": 0}, r"^option 'epochs' \(given: 0\): input should be greater than or equal to 1\.$"),
        ({"warmup": 1.0}, r"^option 'warmup' \(given: 1\.0\): input should be less than 1\.$"),
        (
            {"strategies": "focal-loss"},
            r"^option 'strategies' \(given: 'focal-loss'\): write a list, such as \['f",
        ),
        ({"schedule": "linear"}, r"^option 'schedule' \(given: 'linear'\): input should be 'cosine', 'step' or"),
        ({"lr": -1, "epochs": 0}, r"option 'epochs' .* option 'lr' |option 'lr' .* option 'epochs' "),
    ],
)
def test_each_option_that_is_refused_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        make_config(values)


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ({}, True),
        ({"epochs": 5}, False),
        ({"early_stop": "none"}, False),
        ({"epochs": 5, "early_stop": "log_loss"}, True),
    ],
)
def test_who_says_how_many_epochs_gets_the_last_one(values: dict[str, object], stops: bool) -> None:
    assert make_config(values).stops_early is stops


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    check_paths(RunConfig())
    check_paths(RunConfig(out=str(tmp_path / "new")))
    with pytest.raises(ImbtkError, match=r"exists already, and a run is never overwritten\. Choose another --out"):
        check_paths(RunConfig(out=str(tmp_path)))
