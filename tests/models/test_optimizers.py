from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from imbtk.models.optimizers import eager

KINDS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "lbfgs": (torch.optim.LBFGS, {"max_iter": 5, "line_search_fn": "strong_wolfe"}),
}


def trained(make: Callable[..., torch.optim.Optimizer]) -> tuple[torch.Tensor, torch.optim.Optimizer]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(20, 3, generator=generator), torch.randn(20, generator=generator)
    weights = torch.zeros(3, requires_grad=True)
    optimizer = make([weights])

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((x @ weights - y) ** 2).mean()
        torch.autograd.backward(loss)
        return loss

    for _ in range(4):
        optimizer.step(closure)
    return weights.detach(), optimizer


@pytest.mark.parametrize("name", KINDS)
def test_an_eager_optimizer_takes_the_steps_of_torchs_own(name: str) -> None:
    kind, settings = KINDS[name]
    weights, optimizer = trained(partial(eager(kind), **settings))
    assert isinstance(optimizer, kind)
    assert torch.equal(weights, trained(partial(kind, **settings))[0])


@pytest.mark.parametrize("name", KINDS)
def test_no_compiler_is_loaded_to_step_save_and_restore(name: str) -> None:
    kind, settings = KINDS[name]
    code = (
        "import sys, torch; from imbtk.models.optimizers import eager; w = torch.ones(2, requires_grad=True)\n"
        f"optimizer = eager(torch.optim.{kind.__name__})([w], **{settings!r})\n"
        "def closure():\n optimizer.zero_grad(); loss = (w ** 2).sum(); loss.backward(); return loss\n"
        "optimizer.step(closure); optimizer.load_state_dict(optimizer.state_dict())\n"
        "sys.exit([m for m in ('torch._dynamo', 'sympy') if m in sys.modules] or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
