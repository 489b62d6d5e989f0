"""From a trained run to probabilities: what is recorded, and what deployment and strategies change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

import imbtk
from imbtk import CalibrationMap, RunContext, Strategy, hookimpl
from imbtk.calibration.probabilities import why_inexact
from imbtk.data import load
from imbtk.data.options import DataOptions
from imbtk.errors import OptionError, PluginError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config

PLAN = ["class-weights", "stratified-split"]


def table(rows: int = 1200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping Gaussians, 1:9."""
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) % 10 == 0).astype(int)
    return (rng.normal(size=(rows, 2)) + 1.5 * y[:, None]).astype(np.float32), y


def run(out: Path, plan: Any = PLAN, data: Any = None, **options: Any) -> tuple[imbtk.RunResult, dict[str, Any]]:
    settings = {"model": "linear", "epochs": 15, "quiet": True, **options}
    result = imbtk.run(table() if data is None else data, plan, out=str(out), **settings)
    return result, json.loads((result.folder / "calibration.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[imbtk.RunResult, dict[str, Any]]:
    return run(tmp_path_factory.mktemp("runs") / "first")


def test_the_record_says_what_was_done(finished: tuple[imbtk.RunResult, dict[str, Any]]) -> None:
    result, found = finished
    assert found["exact"] is True
    assert found["reason"] is None
    assert (found["rows"], found["design_effect"]) == (192, 1.0)
    assert found["natural_prior"] == pytest.approx([0.9, 0.1], abs=0.002)
    assert found["effective_prior"] == pytest.approx([0.5, 0.5])
    assert np.subtract(*found["ledger_shift"]) == pytest.approx(np.log(9), abs=0.02)
    assert np.subtract(*found["shift"]) == pytest.approx(np.log(9), abs=0.4)
    overall = result.metrics["test"]["per_row"]["overall"]
    assert {name: overall[name]["value"] for name in found["after"]["test"]} == pytest.approx(found["after"]["test"])
    assert found["after"]["test"]["log_loss"] < 0.8 * found["before"]["test"]["log_loss"]


def test_rows_of_a_patient_count_as_few(tmp_path: Path) -> None:
    x, y = table()
    x, y, patients = (np.repeat(values[:300], 4, axis=0) for values in (x, y, np.arange(len(y))))
    found = run(tmp_path / "grouped", data=(x, y, patients))[1]
    assert found["design_effect"] == pytest.approx(4, rel=0.01)


def test_probabilities_are_those_of_a_plain_model_and_decisions_are_not(
    finished: tuple[imbtk.RunResult, dict[str, Any]], tmp_path: Path
) -> None:
    plain, found = run(tmp_path / "plain", ["stratified-split"])
    assert found["ledger_shift"] == pytest.approx([0.0, 0.0])
    x, y = table(4000, seed=9)
    weighted = finished[0]
    assert weighted.predict_proba(x)[:, 1].mean() == pytest.approx(0.1, abs=0.02)
    assert log_loss(y, weighted.predict_proba(x)) == pytest.approx(log_loss(y, plain.predict_proba(x)), rel=0.03)
    assert (weighted.predict(x[y == 1]) == "1").mean() > (plain.predict(x[y == 1]) == "1").mean() + 0.2


def test_deployment_moves_probabilities_and_not_decisions(
    finished: tuple[imbtk.RunResult, dict[str, Any]], tmp_path: Path
) -> None:
    elsewhere, found = run(tmp_path / "there", deploy="0=0.99,1=0.01")
    x, _ = table(500, seed=9)
    natural = np.array(found["natural_prior"])
    expected = finished[0].predict_proba(x) * np.array([0.99, 0.01]) / natural
    expected /= expected.sum(axis=1, keepdims=True)
    assert elsewhere.predict_proba(x) == pytest.approx(expected, abs=1e-6)
    assert (elsewhere.predict(x) == finished[0].predict(x)).all()
    assert found["deployment_prior"] == [0.99, 0.01]
    assert found["weighted"] == {"validation": True, "test": True}
    description = json.loads((elsewhere.folder / "model" / "model.json").read_text())
    assert description["deployment_prior"] == [0.99, 0.01]


def test_rows_of_other_frequencies_are_weighted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(3000) % 2
    x = (rng.normal(size=(3000, 2)) + 1.5 * y[:, None]).astype(np.float32)
    data = load((x, y), DataOptions(induce_imbalance="20"))
    result, found = run(tmp_path / "run", data=data)
    assert found["natural_prior"] == pytest.approx([20 / 21, 1 / 21], abs=0.01)
    assert found["weighted"] == {"validation": True, "test": True}
    # At equal frequencies half of the rows are rare; the probabilities say one in 21, as in the training rows.
    rare = result.predict_proba(x)[:, 1]
    weights = np.where(y == 1, 1 / 21, 20 / 21)
    assert np.average(rare, weights=weights) == pytest.approx(1 / 21, rel=0.2)


class Head(Strategy):
    """Bring a head, or refit it."""

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Module, context: RunContext) -> torch.nn.Module:
        return head


class Pair(Strategy):
    """Mix nothing, but be there."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        return lambda images, target, draw: (images, target)


class Margin(Strategy):
    """Ask for a margin."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any, context: RunContext) -> Any:
        return lambda logits, target: criterion(logits - 0.5 * target, target)


class Features(Strategy):
    """Look at features."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any, context: RunContext) -> Any:
        def looking(logits: torch.Tensor, target: torch.Tensor, *, features: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = criterion(logits, target) + 0 * features.sum()
            return loss

        return looking


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ([], None),
        (["class-weights", "logit-adjust:tau=0.2"], None),
        (["oversample@0-60%", "class-weights@60%-"], None),
        (["class-weights@80%-"], "phases differ in the class frequencies"),
        (["focal-loss@50%-"], "epochs 5-10 train something else than cross-entropy with shifts"),
        ([Pair()], "epochs 0-10 train something else"),
        ([Margin()], "epochs 0-10 train something else"),
        ([Features()], "what epochs 0-10 make of the class frequencies is not known beforehand"),
        ([Head()], "'head' refits the head after training"),
    ],
)
def test_when_the_ledger_is_no_guide(plan: list[Any], reason: str | None) -> None:
    found = why_inexact(prepare(make_config({"epochs": 10, "model": "linear", "device": "cpu"}), table(), plan).plan)
    assert (found is None) if reason is None else (found is not None and reason in found)


class Flat(Strategy):
    """Say that all is equally likely."""

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap) -> Any:
        return CalibrationMap(1e-9) if map.shift is not None else "no map was given"


class Nonsense(Strategy):
    """Return no map."""

    @hookimpl
    def imbtk_calibrate(self) -> Any:
        return 3


def test_strategies_have_the_last_word(tmp_path: Path) -> None:
    result, found = run(tmp_path / "run", [*PLAN, Flat()], epochs=1)
    assert result.predict_proba(table()[0][:5]) == pytest.approx(0.5)
    assert found["method"] == "flat"
    with pytest.raises(PluginError, match="returned int, not a CalibrationMap, from imbtk_calibrate"):
        run(tmp_path / "other", [Nonsense()], epochs=1)


def test_what_cannot_be_served_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="asks for 1,000 validation rows and there are 192"):
        run(tmp_path / "run", [*PLAN, "calibrate:method=isotonic"])
    with pytest.raises(OptionError, match=r"sum to 1\.1 instead of 1"):
        run(tmp_path / "run", deploy="0=0.9,1=0.2")
    assert list(tmp_path.iterdir()) == []
