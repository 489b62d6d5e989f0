"""What a run trains with, and for how long: settled before the first step, written down, repeated."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import imbtk
from imbtk import RunContext, Strategy, hookimpl
from imbtk.authoring.prediction import DecisionRule
from imbtk.errors import OptionError
from imbtk.planning.config import make_config, read_config
from imbtk.training import loop, speed
from imbtk.training.settling import expected_seconds
from imbtk.training.speed import Speed, Tried


def images(rows: int = 90) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = np.arange(rows) % 3 // 2
    return np.clip(generator.normal(90, 40, (rows, 8, 8)) + 60 * y[:, None, None], 0, 255).astype(np.uint8), y


class Costly(Strategy):
    """Decide by rows that inner models had not seen."""

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, labels: np.ndarray, context: RunContext) -> DecisionRule:
        return DecisionRule(shift=np.array([0.0, float(len(labels) > 0)]), name="shifted")


@pytest.fixture
def always_bf16(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Try every training; bf16 and contiguous memory always win."""
    seen: list[Any] = []
    fp32, bf16 = Tried("fp32", True, 1.0, 0.5), Tried("bf16", False, 0.5, 0.5)

    def won(*arguments: Any, **named: Any) -> Speed:
        seen.append((*arguments, *named.values()))
        return Speed(bf16, fp32, 0.1, (fp32, bf16))

    monkeypatch.setattr("imbtk.training.settling.try_configs", won)
    monkeypatch.setattr(speed, "LEAST_WORK", 0.0)
    monkeypatch.setattr(speed, "SHARE", 10.0)
    return seen


def trained_at(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[imbtk.RunResult, set[Any]]:
    """Run, and return with what every batch was trained."""
    used: set[Any] = set()
    real = loop.take_step

    def noting(*given: Any) -> Any:
        used.add((given[-1].precision, given[-1].channels_last))
        assert "precision" in read_config(next(folder.parent.glob(f"{folder.name}*")) / "config.toml")
        return real(*given)

    monkeypatch.setattr(loop, "take_step", noting)
    result = imbtk.run(images(), model="small-cnn", epochs=2, quiet=True, out=str(folder), device="cpu", **options)
    return result, used


def test_what_was_chosen_is_written_before_the_first_step_said_and_repeated(
    always_bf16: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, used = trained_at(tmp_path / "first", monkeypatch)
    assert used == {("bf16", False)}
    assert len(always_bf16) == 1
    values = read_config(first.folder / "config.toml")
    assert (values["precision"], values["memory_format"]) == ("bf16", "contiguous")
    defaults = dict(json.loads((first.folder / "plan.json").read_text())["defaults"])
    assert "bf16, contiguous (tried: 2.0 times as fast as fp32, channels-last" in defaults["precision"]
    assert "2.0 times as fast as fp32" in (first.folder / "report.html").read_text()
    again = imbtk.run(images(), config=make_config(values), quiet=True, out=str(tmp_path / "again"))
    assert len(always_bf16) == 1, "a repeat tries nothing"
    assert (again.folder / "metrics.json").read_bytes() == (first.folder / "metrics.json").read_bytes()


def test_predictions_of_a_bf16_training_hang_on_no_batch(tmp_path: Path) -> None:
    run = imbtk.run(
        images(300), model="small-cnn", epochs=2, precision="bf16", quiet=True, out=str(tmp_path / "run"), device="cpu"
    )
    frame = pd.read_csv(run.folder / "predictions.csv", dtype={"predicted": str})
    x, rows = images(300)[0], frame["row"].to_numpy()
    together, alone = run.predict_proba(x[rows]), np.concatenate([run.predict_proba(x[[row]]) for row in rows])
    assert np.allclose(together, frame[["p:0", "p:1"]], atol=1e-5)
    assert np.allclose(alone, frame[["p:0", "p:1"]], atol=1e-5)
    assert (run.predict(x[rows]) == frame["predicted"]).all()


def test_inner_models_and_cells_train_with_what_was_chosen_once(
    always_bf16: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, used = trained_at(
        tmp_path / "inner", monkeypatch, strategies=["stratified-split:folds=3", Costly()], batch_size=16
    )
    assert used == {("bf16", False)}
    assert len(always_bf16) == 1
    options: dict[str, Any] = {"model": "small-cnn", "epochs": 1, "folds": 2, "repeats": 1, "device": "cpu", "jobs": 1}
    folder = tmp_path / "comparison"
    imbtk.compare(images(), ["class-weights"], **options, quiet=True, out=str(folder))
    assert len(always_bf16) == 2, "once, before the first cell"
    imbtk.compare(images(), ["class-weights", "oversample"], **options, quiet=True, out=str(folder))
    assert len(always_bf16) == 2, "the folder remembers"
    configs = [read_config(path) for path in folder.glob("cells/*/*/config.toml")]
    assert len(configs) == 6
    assert {(values["precision"], values["memory_format"]) for values in configs} == {("bf16", "contiguous")}


def test_the_time_of_a_training_is_reckoned_from_its_steps(
    always_bf16: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imbtk.pipeline.prepare import prepare
    from imbtk.training.fitting import make_network
    from imbtk.training.settling import settled

    run = prepare(make_config({"model": "small-cnn", "epochs": 4, "batch_size": 16, "device": "cpu"}), images(100))
    found = settled(run, make_network(run))
    # 64 training rows in 4 steps of 0.5 s and 0.1 s to load; 16 validation rows, one batch, at a third of 1 s.
    assert expected_seconds(found) == pytest.approx(4 * (4 * 0.6 + 1 / 3))
    assert expected_seconds(run) is None


def test_channels_last_is_refused_for_tables(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32), np.arange(60) % 2
    with pytest.raises(OptionError, match="'memory_format' channels-last is for images"):
        imbtk.run((x, y), memory_format="channels-last", epochs=1, quiet=True, out=str(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


# For how long ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ten_second_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a clock go on by ten seconds in each epoch, whatever the machine does."""
    epochs = [0]
    real = loop.Training._trained

    def counted(training: Any, epoch: int) -> float:
        epochs[0] += 1
        return real(training, epoch)

    def ticks() -> Iterator[float]:
        now = 0.0
        while True:
            now += 1e-6
            yield now

    small = ticks()
    monkeypatch.setattr(loop.Training, "_trained", counted)
    trained = functools.partial(loop.train, clock=lambda: 10.0 * epochs[0] + next(small))
    monkeypatch.setattr("imbtk.training.fitting.train", trained)


@pytest.mark.usefixtures("ten_second_epochs")
def test_training_ends_at_the_epoch_that_the_time_allows(tmp_path: Path) -> None:
    run = imbtk.run(
        images(), ["class-weights@0-4", "oversample@8-"], model="linear", epochs=12, max_minutes=0.75, quiet=True,
        out=str(tmp_path / "run"),
    )  # fmt: skip
    assert [record["out_of_time"] for record in run.history] == [0, 0, 0, 1]
    said = (
        "ended after epoch 4 of 12: the next would have taken it past 0.75 min; never begun: epochs 5–8 (no strategy), "
    )
    said += "epochs 9–12 (oversample"
    assert said in (run.folder / "log.txt").read_text()
    assert said.split(";")[0] in (run.folder / "report.html").read_text()
    # What is said of class frequencies is said of the phase that was trained.
    model = json.loads((run.folder / "model" / "model.json").read_text())
    assert model["effective_prior"] == pytest.approx([0.5, 0.5])
    assert len(json.loads((run.folder / "plan.json").read_text())["phases"]) == 3


@pytest.mark.usefixtures("ten_second_epochs")
@pytest.mark.parametrize("minutes", [0.01, 2.1])
def test_one_epoch_is_always_trained_and_the_last_is_no_end(minutes: float, tmp_path: Path) -> None:
    run = imbtk.run(images(), model="linear", epochs=12, max_minutes=minutes, quiet=True, out=str(tmp_path / "run"))
    assert len(run.history) == (1 if minutes < 1 else 12)
    assert ("out_of_time" in run.history[-1]) == (minutes < 1)


@pytest.mark.usefixtures("ten_second_epochs")
def test_inner_models_share_the_time_and_are_trained_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    import imbtk.training.fitting as fitting

    real = fitting.train

    def noting(*arguments: Any, **named: Any) -> Any:
        history = real(*arguments, **named)
        lengths.append(len(history))
        return history

    monkeypatch.setattr(fitting, "train", noting)
    run = imbtk.run(
        images(), ["stratified-split:folds=3", Costly()], model="linear", epochs=12, max_minutes=1.6, quiet=True,
        out=str(tmp_path / "run"),
    )  # fmt: skip
    inner = json.loads((run.folder / "plan.json").read_text())["inner_models"]
    assert inner == 2
    assert lengths == [3, 3, 3], "96 s for three trainings of ten seconds an epoch"


def test_a_comparison_goes_by_no_clock() -> None:
    with pytest.raises(OptionError, match=r"'max_minutes' .*every plan is trained for the same epochs"):
        imbtk.compare(images(), ["class-weights"], max_minutes=1.0, quiet=True)


def test_the_estimator_takes_the_same_options() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32), np.arange(60) % 2
    model = imbtk.ImbalancedClassifier(epochs=3, max_minutes=1e-9, memory_format="contiguous").fit(x, y)
    assert [record["out_of_time"] for record in model.history_] == [1]
    assert isinstance(model.network_, torch.nn.Module)
