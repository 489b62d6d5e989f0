"""Which precision and memory format is taken: by times and losses that the tests make up, never by a real clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from imbtk import RunContext, Strategy, hookimpl
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training import speed
from imbtk.training.batches import Batches
from imbtk.training.fitting import make_network
from imbtk.training.learner import Learner
from imbtk.training.settling import settled, training_config
from imbtk.training.setup import optimizer_for
from imbtk.training.speed import Speed, rounds_worth, try_configs, work

CANDIDATES: list[Any] = [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)]


class Counts(Strategy):
    """Count batches in the criterion and the augmentation."""

    @hookimpl
    def imbtk_augment(self, augment: Any, context: RunContext) -> Any:
        def counted(images: torch.Tensor, target: torch.Tensor, draw: Any) -> torch.Tensor:
            self._seen = getattr(self, "_seen", 0) + 1
            return augment(images, target, draw)

        return counted


def prepared(model: str = "small-cnn", strategies: Any = (), **options: Any) -> PreparedRun:
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (60, 8, 8), dtype=np.uint8), np.arange(60) % 3 // 2
    config = make_config({"model": model, "epochs": 3, "batch_size": 16, "device": "cpu", **options})
    return prepare(config, (x, y), strategies)


def clock_of(seconds: Callable[[int], float], rounds: int) -> Callable[[], float]:
    """Return a clock by which the step of candidate `number` takes ``seconds(number)``, and loading a batch 1."""
    times = [0.0, 1.0] * 3
    for _ in range(rounds + 1):
        for number in range(len(CANDIDATES)):
            times += [0.0, seconds(number)]
    left = iter(times)
    return lambda: next(left)


def tried(seconds: list[float], **changes: Any) -> Speed:
    run = prepared(**changes)
    network = make_network(run)
    batches = Batches(run.data.dataset, run.data.normalisation, run.model.device)

    def optimizer(copied: Learner) -> torch.optim.Optimizer:
        return optimizer_for(copied, run.model.config, run.model.device)

    settings, rounds = training_config(run, network), 2
    return try_configs(
        network, run.plan.phases[0], batches, settings, optimizer, CANDIDATES, rounds, 9,
        clock_of(seconds.__getitem__, rounds),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        ([1.0, 1.0, 1.0, 0.5], ("bf16", True)),
        ([1.0, 1.0, 0.4, 0.5], ("bf16", False)),
        ([0.9, 1.0, 0.96, 0.97], ("fp32", False)),
        ([0.96, 1.0, 0.96, 0.97], ("fp32", True)),  # the default stays: no gain of more than 5 %
    ],
)
def test_the_fastest_is_taken_if_it_gains_more_than_five_per_cent(seconds: list[float], taken: Any) -> None:
    found = tried(seconds)
    assert (found.default.precision, found.default.channels_last) == ("fp32", True)
    assert (found.taken.precision, found.taken.channels_last) == taken
    assert found.loading == 1.0
    assert [entry.seconds for entry in found.tried] == seconds


@pytest.mark.parametrize("off", [1.5, float("nan")])
def test_bf16_is_not_taken_where_its_losses_are_others(off: float, monkeypatch: pytest.MonkeyPatch) -> None:
    real = speed.take_step

    def wrong(*given: Any) -> Any:
        loss, losses = real(*given)
        return (loss * off if given[-1].precision == "bf16" else loss), losses

    monkeypatch.setattr(speed, "take_step", wrong)
    assert tried([1.0, 1.0, 0.1, 0.1]).taken.precision == "fp32"


def test_a_network_that_cannot_take_bf16_is_trained_at_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    real = speed.take_step

    def fails(*given: Any) -> Any:
        if given[-1].precision == "bf16":
            raise RuntimeError("not implemented for 'BFloat16'")
        return real(*given)

    monkeypatch.setattr(speed, "take_step", fails)
    assert tried([1.0, 1.0, 0.1, 0.1]).taken.precision == "fp32"


def test_losses_at_bf16_are_those_of_bf16_and_agree() -> None:
    found = {(entry.precision, entry.channels_last): entry.loss for entry in tried([1.0] * 4).tried}
    assert found["bf16", True] != found["fp32", True]
    assert found["bf16", True] == pytest.approx(found["fp32", True], rel=speed.AGREEMENT)
    assert found["fp32", False] == pytest.approx(found["fp32", True], rel=1e-4)


def test_a_trial_leaves_network_strategies_and_random_state_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "LEAST_WORK", 0.0)
    monkeypatch.setattr(speed, "SHARE", 10.0)
    strategy = Counts()
    run = prepared(strategies=[strategy])
    network = make_network(run)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    found = settled(run, network)
    assert found.model.speed is not None
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not hasattr(strategy, "_seen")
    assert network.training


def test_short_trainings_and_small_networks_are_not_tried() -> None:
    run = prepared()
    found = settled(run, make_network(run))
    model = found.model
    assert (model.speed, model.config.precision, model.config.memory_format) == (
        None,
        "fp32",
        "channels-last",
    )
    run = prepared("mlp")
    assert settled(run, make_network(run)).model.config.memory_format == "contiguous"
    # A network of many multiplications, over too few steps for four settings; then steps enough, and at most eight.
    assert [rounds_worth(1e15, steps, 4) for steps in (100, 299, 300, 10**6)] == [0, 0, 2, 8]
    assert rounds_worth(1e10, 10**6, 4) == 0


def test_what_is_asked_for_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "LEAST_WORK", 0.0)
    monkeypatch.setattr(speed, "SHARE", 10.0)
    run = prepared(precision="bf16", memory_format="contiguous")
    found = settled(run, make_network(run))
    model = found.model
    assert (model.speed, model.config.precision, model.config.memory_format) == (
        None,
        "bf16",
        "contiguous",
    )
    run = prepared(memory_format="contiguous")
    found = settled(run, make_network(run))
    assert found.model.speed is not None
    assert {entry.channels_last for entry in found.model.speed.tried} == {False}


def test_work_is_counted_on_paper() -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, padding=1, bias=False), torch.nn.Flatten())
    network = Network(layers, torch.nn.Linear(3 * 5 * 5, 4), (2, 5, 5))
    # Each of 75 outputs of the convolution takes 2 x 3 x 3, each of the 4 of the head 75.
    assert work(network, 10) == 10 * (75 * 18 + 4 * 75)
