"""What is done when a window begins and ends, and that a killed training goes on as if nothing had been."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from seam_strategies import Average, SecondStage, SecondView, TwoBranches
from seam_trainings import prepared

from imbtk import Strategy, hookimpl
from imbtk.authoring.records import TrainingRows
from imbtk.models.network import Network
from imbtk.training import checkpoint
from imbtk.training.checkpoint import Checkpoint, load_checkpoint
from imbtk.training.fitting import Fitted, fit, make_network


class Deeper(Strategy):
    """End with a head of two layers."""

    @hookimpl
    def imbtk_finish(self, network: Network) -> None:
        network.head = torch.nn.Sequential(network.head, torch.nn.Linear(2, 2))


PLANS: dict[str, list[Any]] = {
    "branches": [TwoBranches(), "class-weights"],
    "average, second stage": [Average(), SecondStage().at("50%-")],
    "two views": [SecondView(), "oversample@50%-"],
    "average of a part": [Average().at("25%-75%")],
    "another head, early": [Deeper().at("0-50%"), "class-weights"],
}


class Killed(Exception):
    """The training's end in the middle."""


def fitted(plan: str, folder: Path, kill: int | None = None, resume: Any = None, **options: Any) -> Fitted:
    run = prepared(*PLANS[plan], epochs=4, **options)

    def on_epoch(epoch: int, record: Any) -> None:
        if kill is not None and epoch > kill:
            raise Killed

    return fit(run, make_network(run), Checkpoint(folder), on_epoch, resume=resume)


@pytest.mark.parametrize("early_stop", ["none", "log_loss"])
@pytest.mark.parametrize("plan", PLANS)
def test_a_killed_training_resumes_to_the_bit(
    plan: str, early_stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    whole = fitted(plan, tmp_path / "whole", early_stop=early_stop)
    for kill in range(3):
        with pytest.raises(Killed):
            fitted(plan, tmp_path / str(kill), kill, early_stop=early_stop)
        state = load_checkpoint(tmp_path / str(kill))
        assert state["epochs_done"] == kill + 1
        torch.manual_seed(kill)
        again = fitted(plan, tmp_path / "again", resume=state, early_stop=early_stop)
        for name, value in whole.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[name], value), (kill, name)
        told = [{k: v for k, v in record.items() if "second" not in k} for record in again.history]
        assert told == [{k: v for k, v in record.items() if "second" not in k} for record in whole.history]


def test_a_window_freezes_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    run = prepared(SecondStage().at("25%-50%"), epochs=4)
    network, frozen, weights, heads = make_network(run), [], [], []

    def on_epoch(epoch: int, record: Any) -> None:
        frozen.append(network.frozen)
        weights.append(network.backbone.hidden1.weight.detach().clone())
        heads.append(network.head_version)

    fit(run, network, on_epoch=on_epoch)
    assert frozen == [(), ("backbone",), (), ()]
    assert network.frozen == ()
    assert [torch.equal(a, b) for a, b in pairwise(weights)] == [True, False, False]
    assert heads == [0, 1, 1, 1]


def test_a_window_has_its_own_rate_counted_within_it() -> None:
    run = prepared(SecondStage().at("50%-"), epochs=4, lr=0.1)
    history = fit(run, make_network(run)).history
    steps = run.plan.phases[1].steps
    assert [record["lr"] for record in history][2:] == pytest.approx(
        [0.1 * (1 - (steps - 1) / (2 * steps)), 0.1 * (1 - (2 * steps - 1) / (2 * steps))]
    )


def test_an_average_is_judged_as_what_it_will_be(tmp_path: Path) -> None:
    judged = fitted("average of a part", tmp_path, early_stop="none").history
    assert [record["finished"] for record in judged] == [0, 0, 1, 0]
    run = prepared(Average(), epochs=4, early_stop="log_loss")
    found = fit(run, make_network(run))
    assert [record["finished"] for record in found.history] == [1, 1, 1, 1]
    (best,) = [record for record in found.history if record["kept"]]
    labels = run.data.dataset.labels[run.data.split.validation]
    logits = torch.from_numpy(found.logits(run.data.split.validation))
    assert float(torch.nn.functional.cross_entropy(logits, labels)) == pytest.approx(best["validation_log_loss"])


class Asks(Strategy):
    """Look at what there is when a window ends."""

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> None:
        self._rows, self._features = training.rows, training.features()
        self._inputs = torch.cat(list(training.inputs()))
        self._validation = 0 if training.validation is None else training.validation.logits()


def test_rows_are_told_without_augmentation_in_order_and_for_statistics_shuffled() -> None:
    run = prepared(Asks(), "resample:method=SMOTE", epochs=1)
    found = fit(run, make_network(run))
    (asks, _) = [item.strategy for item in run.plan.strategies.items]
    (phase,) = run.plan.phases
    assert torch.equal(asks._rows, phase.indices)
    real = phase.indices >= 0
    from imbtk.training.validation import predict

    features = predict(found.network, found.batches, phase.indices[real], features=True)
    torch.testing.assert_close(asks._features[real], features)
    assert asks._features.shape[0] == len(phase.indices) > int(real.sum())
    torch.testing.assert_close(asks._inputs.sort(0).values[:5].mean(), asks._inputs.sort(0).values[:5].mean())
    assert asks._inputs.shape[0] in (len(phase.indices), len(phase.indices) - 1)
    assert len(asks._validation) == len(run.data.split.validation)
