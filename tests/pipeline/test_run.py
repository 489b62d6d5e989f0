"""Whole runs, small: what a user can rely on, and what cannot be faked."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

import imbtk
from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.prediction import DecisionRule
from imbtk.errors import ConflictError, DataError, ImbtkError, OptionError, PlanError, PluginError, TrainingError


class Inverse(Strategy):
    """Weight each class by a power of its inverse frequency."""

    power: float = option(1.0, "Exponent.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)


def table(rows: int = 480, seed: int = 0, groups: bool = False) -> tuple[np.ndarray, ...]:
    """Two overlapping Gaussians, 3:1, with groups of six rows if asked for."""
    generator = np.random.default_rng(seed)
    y = (np.arange(rows) // 6 % 4 == 0).astype(int)
    x = generator.normal(size=(rows, 4)).astype(np.float32) + y[:, None]
    return (x, y, np.arange(rows) // 6) if groups else (x, y)


def digest(folder: Path) -> str:
    """Return one digest of every file in a folder."""
    total = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


FIRST: dict[str, Any] = {"epochs": 3, "lr": 0.02}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> imbtk.RunResult:
    out = tmp_path_factory.mktemp("runs") / "first"
    return imbtk.run(table(groups=True), [Inverse(power=0.5)], **FIRST, out=str(out), quiet=True)


def test_the_saved_model_gives_the_predictions_of_the_run(finished: imbtk.RunResult) -> None:
    frame = pd.read_csv(finished.folder / "predictions.csv", dtype={"predicted": str})
    x, *_ = table(groups=True)
    rows = frame["row"].to_numpy()
    assert np.allclose(finished.predict_proba(x[rows]), frame[["p:0", "p:1"]], atol=1e-6)
    assert (finished.predict(x[rows]) == frame["predicted"]).all()
    assert "sensitivity" in finished._repr_html_()
    assert "balanced accuracy" in repr(finished)
    assert [record["epoch"] for record in finished.history] == [0, 1, 2]


def test_the_same_seed_gives_the_same_numbers_to_the_bit(finished: imbtk.RunResult, tmp_path: Path) -> None:
    torch.manual_seed(123)
    again = imbtk.run(table(groups=True), [Inverse(power=0.5)], **FIRST, out=str(tmp_path / "again"), quiet=True)
    assert digest(again.folder / "model") == digest(finished.folder / "model")
    for name in ("predictions.csv", "metrics.json", "split.csv"):
        assert (again.folder / name).read_bytes() == (finished.folder / name).read_bytes()
    other = imbtk.run(
        table(groups=True), [Inverse(power=0.5)], **FIRST, seed=1, out=str(tmp_path / "other"), quiet=True
    )
    assert digest(other.folder / "model") != digest(finished.folder / "model")


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    before, before_numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    imbtk.run(table(), [Inverse(power=0.5)], epochs=1, out=str(tmp_path / "run"), quiet=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == before_numpy).all()  # noqa: NPY002


def written(folder: Path, x: np.ndarray, y: np.ndarray, split: np.ndarray) -> Path:
    """Write arrays in the MedMNIST form."""
    arrays = {}
    for code, name in enumerate(("train", "val", "test")):
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = x[split == code], y[split == code]
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_scrambling_the_test_rows_changes_no_byte_of_the_model(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (120, 8, 8), dtype=np.uint8)
    y = generator.integers(0, 3, 120)
    split = np.repeat([0, 1, 2], [80, 20, 20])
    digests = []
    for name in ("clean", "scrambled"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "scrambled":
            x, y = x.copy(), y.copy()
            x[split == 2] = generator.integers(0, 256, (20, 8, 8), dtype=np.uint8)
            y[split == 2] = generator.permutation(y[split == 2])
        run = imbtk.run(
            str(written(folder, x, y, split)), [Inverse(power=0.5)], epochs=2, out=str(folder / "run"), quiet=True
        )
        digests.append(digest(run.folder / "model"))
    assert digests[0] == digests[1]


def coloured_patients() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images that carry nothing but their patient's colour; labels drawn per patient at random."""
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 8)
    colours = generator.integers(0, 256, (60, 3))
    noise = generator.normal(0, 4, (480, 8, 8, 3))
    x = np.clip(colours[groups][:, None, None] + noise, 0, 255).astype(np.uint8)
    return x, generator.permutation(60)[groups] % 2, groups


@pytest.mark.parametrize("apart", [True, False])
def test_what_is_only_in_the_patient_is_learnt_only_from_a_leak(apart: bool, tmp_path: Path) -> None:
    x, y, groups = coloured_patients()
    data = (x, y, groups) if apart else (x, y)
    run = imbtk.run(data, epochs=25, lr=3e-3, out=str(tmp_path / "run"), quiet=True)
    value = run.metrics["test"]["per_row"]["overall"]["balanced_accuracy"]["value"]
    assert value < 0.75 if apart else value > 0.9


def test_phases_follow_windows(tmp_path: Path) -> None:
    run = imbtk.run(
        table(), [Inverse(power=1.0).at("0-50%"), Inverse(power=0.5).at("50%-")], epochs=4, out=str(tmp_path / "run"),
        quiet=True,
    )  # fmt: skip
    plan = json.loads((run.folder / "plan.json").read_text())
    assert [(phase["start"], phase["stop"]) for phase in plan["phases"]] == [(0, 2), (2, 4)]
    assert [round(entry["index"], 2) for entry in plan["ledger"]] == [1.0, 0.5]


class Nothing(Strategy):
    """Answer nothing that is not asked."""

    what: str = option("", "What to get wrong.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> Any:
        wrong = {"shape": torch.ones(7), "nan": torch.full((2,), torch.nan), "type": [1, 2]}
        return wrong.get(self.what)

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        if self.what == "order":
            return lambda epoch, draw: torch.arange(10**6)
        return None

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        if self.what == "reduced":
            return lambda logits, target: torch.nn.functional.cross_entropy(logits, target)
        if self.what == "nan loss":
            return lambda logits, target: logits.sum(1) * float("nan")
        if self.what == "infinite":  # on real batches only, not when it is tried before training
            return lambda logits, target: logits.sum(1) / (0 if len(logits) > 2 else 1)
        return None


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (
            "shape",
            PluginError,
            r"returned float32 \(7,\) instead of a tensor of numbers \(2,\),? from imbtk_class_weights",
        ),
        ("nan", PluginError, "a weight for class '0' that is not finite and positive"),
        ("type", PluginError, r"returned list instead of a tensor"),
        ("order", PluginError, r"positions outside \[0, "),
        ("reduced", PluginError, r"gives float32 \(\) instead of a loss per sample, unreduced, \(2,\), from"),
        ("nan loss", PluginError, "a callable that gives losses that are not finite from imbtk_criterion"),
        ("infinite", TrainingError, r"not finite in epoch 1, step 1: rows .* The last good state is kept in"),
    ],
)
def test_what_a_strategy_gets_wrong_is_named(what: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        imbtk.run(table(), [Nothing(what=what)], epochs=1, out=str(tmp_path / "run"), quiet=True)
    assert not (tmp_path / "run").exists()
    kept = (tmp_path / "run.unfinished" / "checkpoint" / "last.ckpt").exists()
    assert kept == (what == "infinite")


def test_mistakes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    cases: list[tuple[type[ImbtkError], str, dict[str, Any]]] = [
        (
            ConflictError,
            "the choice of class weights is claimed by",
            {"strategies": [Inverse(power=0.2), Inverse(power=0.2)]},
        ),
        (PlanError, "unknown strategy 'focal-lose'.", {"strategies": ["focal-lose"]}),
        (OptionError, "unknown option 'epoch'. Did you mean 'epochs'", {"epoch": 3}),
        (OptionError, "greater than or equal to 1", {"epochs": 0}),
        (OptionError, "there is no fold 3", {"fold": 3}),
        (OptionError, "unknown class 'x'", {"positive": "x"}),
        (OptionError, "is no device", {"device": "toaster"}),
        (OptionError, "makes sense only with weights", {"freeze": "backbone"}),
        (OptionError, "nothing is stopped early: add --early-stop METRIC", {"patience": 2, "early_stop": "none"}),
        (DataError, "the file of weights 'none.pth' does not exist", {"weights": "none.pth"}),
        (OptionError, r"'where' \(given: 'a=1'\): write a list, such as \['a=1'\]", {"where": "a=1"}),
        (
            OptionError,
            "'lr_backbone' is the rate of a backbone that 'freeze' keeps",
            {
                "freeze": "backbone",
                "pretrained": True,
                "lr_backbone": 0.1,
            },
        ),
        (PlanError, "is a list of them, such as", {"strategies": "tilt"}),
        (PlanError, "'Inverse' is a class: give an instance of it", {"strategies": [Inverse]}),
        (PlanError, "unknown model", {"model": "resnet3"}),
    ]
    for error, message, options in cases:
        with pytest.raises(error, match=message):
            imbtk.run(table(), **options, out=out, quiet=True)
    with pytest.raises(OptionError, match="no data are given"):
        imbtk.run(out=out, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_never_overwritten(finished: imbtk.RunResult) -> None:
    before = digest(finished.folder)
    with pytest.raises(ImbtkError, match="exists already, and a run is never overwritten"):
        imbtk.run(table(), epochs=1, out=str(finished.folder), quiet=True)
    assert digest(finished.folder) == before


class Order(Strategy):
    """Draw every class alike."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        weights = (1 / context.class_counts.double())[context.labels]
        n = len(context.labels)
        return lambda epoch, draw: torch.multinomial(weights, n, replacement=True, generator=draw.generator())


def test_correcting_twice_is_refused_with_both_names(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"strategies": [Inverse(), Order()], "epochs": 1, "quiet": True}
    with pytest.raises(PlanError, match=r"correction index is .*'inverse' alone has index 1.00, 'order' alone has"):
        imbtk.run(table(), **arguments, out=str(tmp_path / "a"))
    run = imbtk.run(table(), **arguments, out=str(tmp_path / "b"), allow_overcorrection=True)
    plan = json.loads((run.folder / "plan.json").read_text())
    assert any("too far" in warning for warning in plan["warnings"])


class Always(Strategy):
    """Decide for class 0, and watch."""

    seen: ClassVar[list[Any]] = []

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray, context: RunContext) -> DecisionRule:
        return DecisionRule(shift=np.array([1e9, 0.0]), name="always")

    @hookimpl
    def imbtk_run_start(self, run: Any) -> None:
        type(self).seen = [run["model"]]

    @hookimpl
    def imbtk_epoch_end(self, epoch: int, record: Any) -> None:
        self.seen.append(epoch)

    @hookimpl
    def imbtk_run_end(self, metrics: Any) -> None:
        self.seen.append(metrics["schema_version"])


def test_decisions_and_observers_are_hooks(tmp_path: Path) -> None:
    run = imbtk.run(table(), [Always()], epochs=2, out=str(tmp_path / "run"), quiet=True)
    assert Always.seen == ["table-mlp", 0, 1, 2]
    with (run.folder / "predictions.csv").open() as file:
        assert {row["predicted"] for row in csv.DictReader(file)} == {"0"}
    assert set(run.predict(table()[0])) == {"0"}


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    run = imbtk.run(
        table(), epochs=6, lr=0.05, early_stop="balanced_log_loss", patience=2, out=str(tmp_path / "run"), quiet=True
    )
    losses = [record["validation_balanced_log_loss"] for record in run.history]
    kept = [record["epoch"] for record in run.history if record["kept"]]
    assert kept == [int(np.argmin(losses))]
    assert len(losses) <= kept[0] + 3
