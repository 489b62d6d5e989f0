"""Device, precision, epochs, optimiser."""

from __future__ import annotations

import pytest
import torch

from imbtk.errors import OptionError
from imbtk.models.spec import ModelSpec
from imbtk.planning.defaults import choose_device, choose_epochs, choose_learning_rate, choose_weight_decay
from imbtk.training.setup import choose_precision, make_optimizer

CPU = torch.device("cpu")


def test_epochs_see_about_a_hundred_thousand_samples() -> None:
    sizes = (10, 1_000, 2_000, 10_000, 10**6)
    assert [choose_epochs(n, "table") for n in sizes] == [100, 100, 50, 10, 5]
    assert [choose_epochs(n, "images") for n in sizes] == [50, 50, 50, 10, 5]


@pytest.mark.parametrize(
    ("name", "message"),
    [("toaster", "is no device"), ("cuda:99", "there is no device 'cuda:99' here"), ("meta", "is not supported")],
)
def test_devices_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        choose_device(name)


def test_the_cpu_stays_at_full_precision_unless_asked() -> None:
    assert choose_device("cpu") == CPU
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_the_default_weight_decay_takes_the_same_share_in_a_step_at_any_rate() -> None:
    spec = ModelSpec("mine", lambda shape: torch.nn.Flatten(), lr=1e-3, weight_decay=2.0, decay_steps=2000)
    assert choose_weight_decay(spec, "adamw", 1e-3, 2000) == choose_weight_decay(spec, "adamw", 1e-3, 10**6) == 2.0
    for lr in (1e-4, 1e-3, 2e-2):
        assert lr * choose_weight_decay(spec, "adamw", lr, 5000) == pytest.approx(2e-3)
        assert lr * choose_weight_decay(spec, "adamw", lr, 500) == pytest.approx(2e-3 / 4)
    assert choose_weight_decay(spec, "sgd", 0.1, 5000) == 2e-4
    plain = ModelSpec("plain", lambda shape: torch.nn.Flatten())
    assert choose_weight_decay(plain, "adamw", 1e-3, 1) == 0.01


def test_sgd_has_a_rate_of_its_own() -> None:
    spec = ModelSpec("mine", lambda shape: torch.nn.Flatten(), lr=2e-3)
    assert choose_learning_rate(spec, "adamw") == 2e-3
    assert choose_learning_rate(spec, "sgd") == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_is_torchs_own(name: str) -> None:
    start = torch.arange(4.0)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizer = make_optimizer(name, [{"params": [ours], "lr": 0.1, "weight_decay": 0.3}, {"params": []}], CPU)
    reference: torch.optim.Optimizer = (
        torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.3, foreach=False)
        if name == "adamw"
        else torch.optim.SGD([theirs], lr=0.1, weight_decay=0.3, momentum=0.9, nesterov=True)
    )
    for _ in range(3):
        for parameter, stepper in ((ours, optimizer), (theirs, reference)):
            parameter.grad = parameter.detach() ** 2
            stepper.step()
    assert torch.allclose(ours, theirs, atol=1e-6)
