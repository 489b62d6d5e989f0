"""What a run does where the user says nothing, and that a configuration says it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

import imbtk
from imbtk import ImbalancedClassifier
from imbtk.errors import OptionError
from imbtk.pipeline.documents import plan_document
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config, read_config
from imbtk.planning.prepared import PreparedRun

OLD = """
resize = "pad"
where = []
groups = "auto"
domain = "auto"
seed = 0
data = "builtin:breast-cancer"
strategies = ["class-weights"]
plugins = []
without = []
fold = 0
positive = "malignant"
allow_overcorrection = false
deploy = "natural"
decide = "trained"
model = "mlp"
pretrained = false
epochs = 4
batch_size = 64
optimizer = "adamw"
lr = 0.001
weight_decay = 0.018
schedule = "cosine"
warmup = 0.05
device = "cpu"
precision = "fp32"
threads = 1
"""
"""A config.toml from before runs stopped early, and the metrics that it gave then."""

OLD_TRAIN_LOSS = [0.6635009463016803, 0.5704497970067538, 0.5106002891456688, 0.48717228855405537]
OLD_BALANCED_LOSS = [0.5854838776906686, 0.4994598433905767, 0.45527990250221484, 0.4468019122342777]


def noisy(rows: int, seed: int, features: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """One feature that tells something, and many that tell nothing: 30 % positive."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(np.int64)
    x = rng.normal(size=(rows, features))
    x[:, 0] += y
    return x, y


def ready(rows: int = 60, **options: Any) -> PreparedRun:
    return prepare(make_config({"device": "cpu", **options}), noisy(rows, 0))


def training_line(run: PreparedRun) -> str:
    return str(dict(map(tuple, plan_document(run)["defaults"]))["training"])


def test_a_run_that_is_told_no_epochs_stops_early_and_says_so() -> None:
    run = ready(1_000)
    kept = run.model.config
    assert (kept.epochs, kept.early_stop, kept.patience) == (
        100,
        "corrected_log_loss",
        30,
    )
    assert "at most 100 epochs, the best epoch of the last phase by corrected log loss, at most 30 epochs without" in (
        training_line(run)
    )
    assert ready(1_000, patience=7).model.config.patience == 7


def test_who_says_how_many_epochs_gets_them() -> None:
    run = ready(epochs=9)
    kept = run.model.config
    assert (kept.epochs, kept.early_stop, kept.patience) == (9, "none", None)
    assert "9 epochs, the last epoch's weights" in training_line(run)
    assert ready(early_stop="none").model.config.early_stop == "none"
    both = ready(epochs=9, early_stop="log_loss").model.config
    assert (both.early_stop, both.patience) == ("log_loss", None)


def test_a_table_that_is_shown_ten_times_keeps_the_last_epoch() -> None:
    many = ready(17_000).model.config
    assert (many.epochs, many.early_stop, many.patience) == (9, "none", None)
    assert (ready(17_000, patience=2).model.config.early_stop, ready(14_000).model.config.early_stop) == (
        "corrected_log_loss",
    ) * 2


@pytest.mark.parametrize("options", [{"epochs": 9}, {"early_stop": "none"}])
def test_patience_without_a_stop_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="'patience' says when to stop early, and nothing is stopped early"):
        ready(patience=3, **options)


def test_an_old_configuration_runs_as_it_did(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(OLD)
    config = make_config(read_config(tmp_path / "config.toml"))
    run = imbtk.run(config=config, out=str(tmp_path / "run"), quiet=True)
    assert [record["train_loss"] for record in run.history] == pytest.approx(OLD_TRAIN_LOSS, rel=1e-4)
    balanced = [record["validation_balanced_log_loss"] for record in run.history]
    assert balanced == pytest.approx(OLD_BALANCED_LOSS, rel=1e-4)
    assert "kept" not in run.history[0]


def test_a_configuration_says_what_was_chosen_and_repeats_it(tmp_path: Path) -> None:
    first = imbtk.run("builtin:breast-cancer", ["class-weights"], seed=1, out=str(tmp_path / "first"), quiet=True)
    written = tomllib.loads((tmp_path / "first" / "config.toml").read_text())
    assert written["model"] == "table-mlp"
    assert (written["epochs"], written["early_stop"], written["patience"]) == (100, "corrected_log_loss", 30)
    assert 0 < written["weight_decay"] < 1
    again = imbtk.run(
        config=make_config(read_config(tmp_path / "first" / "config.toml")), out=str(tmp_path / "again"), quiet=True
    )
    kept = [record["kept"] for record in first.history]
    assert sum(kept) == 1
    assert kept == [record["kept"] for record in again.history]
    assert [r["train_loss"] for r in again.history] == [r["train_loss"] for r in first.history]


def test_without_validation_rows_nothing_is_stopped() -> None:
    x, y = noisy(60, 0)
    model = ImbalancedClassifier(model="linear", validation_fraction=None).fit(x, y)
    assert len(model.history_) == 100
    assert "kept" not in model.history_[0]


def test_the_estimator_sets_rows_aside_only_where_it_stops_early() -> None:
    x, y = noisy(100, 0)
    assert "validation_log_loss" not in ImbalancedClassifier(epochs=1).fit(x, y).history_[0]
    stopped = ImbalancedClassifier(model="linear").fit(x, y).history_
    assert sum(record["kept"] for record in stopped) == 1
    assert "kept" in ImbalancedClassifier(epochs=2, early_stop="log_loss").fit(x, y).history_[0]
    assert "kept" not in ImbalancedClassifier(epochs=2, validation_fraction=0.3).fit(x, y).history_[0]


def test_a_small_table_is_not_learned_by_heart() -> None:
    # Saying 30 % of every row costs 0.61.
    x, y = noisy(600, 0)
    fresh, truth = noisy(5_000, 1)
    model = ImbalancedClassifier(["class-weights"]).fit(x, y)
    guess = log_loss(truth, np.full(len(truth), y.mean()))
    assert log_loss(truth, model.predict_proba(fresh)) < 0.95 * guess


def test_decay_follows_how_often_a_batch_shows_the_rarest_class() -> None:
    x = np.random.default_rng(0).normal(size=(4_000, 3))
    y = np.zeros(4_000, np.int64)
    y[::400] = 1
    decays = [
        prepare(make_config({"model": "mlp", "epochs": 100, "device": "cpu"}), (x, y), plan).model.config.weight_decay
        for plan in (["stratified-split"], ["stratified-split", "oversample"])
    ]
    # 2560 training rows hold 6 or 7 rare ones: a sixth of a row in a batch of 64, and 32 rows when oversampled.
    assert decays[1] == 1.5
    assert decays[0] == pytest.approx(1.5 * 64 * 6.4 / 2560, rel=0.1)


def test_the_estimators_rows_are_only_borrowed() -> None:
    x, y = noisy(200, 0)
    model = ImbalancedClassifier(["class-weights"], random_state=3).fit(x, y)
    kept = next(int(record["epoch"]) for record in model.history_ if record["kept"])
    # The network is that of a training on all rows for as many epochs.
    same = ImbalancedClassifier(["class-weights"], epochs=kept + 1, random_state=3).fit(x, y)
    assert np.allclose(model.decision_function(x), same.decision_function(x), atol=1e-6)
    apart = ImbalancedClassifier(["class-weights"], validation_fraction=0.2, random_state=3).fit(x, y)
    assert not np.allclose(apart.decision_function(x), same.decision_function(x), atol=1e-3)
    assert [r["train_loss"] for r in apart.history_] == [r["train_loss"] for r in model.history_]


@pytest.mark.parametrize("strategies", [["threshold"], ["calibrate"], ["class-weights@0-100"], ["class-weights@30%-"]])
def test_borrowed_rows_serve_whatever_needs_them(strategies: list[str]) -> None:
    x, y = noisy(200, 0, 3)
    model = ImbalancedClassifier(strategies, model="linear").fit(x, y, sample_weight=np.arange(200) % 3)
    assert set(model.predict(x)) <= {0, 1}
    assert any(record["kept"] for record in model.history_)
