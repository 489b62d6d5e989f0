"""Global random states are compared and put back."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from imbtk.discovery.random_state import RandomStates


@pytest.mark.parametrize(
    ("library", "disturb", "look"),
    [
        ("Python", random.random, random.getstate),
        ("NumPy", lambda: np.random.rand(1), lambda: np.random.get_state()[2]),  # noqa: NPY002
        ("torch", lambda: torch.rand(1), lambda: torch.random.get_rng_state().tolist()),
        ("", lambda: torch.rand(1, generator=torch.Generator()), lambda: torch.random.get_rng_state().tolist()),
    ],
)
def test_a_disturbance_is_named_and_undone(
    library: str, disturb: Callable[[], object], look: Callable[[], object]
) -> None:
    states, before = RandomStates.now(), look()
    assert states.disturbed() == ""
    disturb()
    assert states.disturbed() == library
    assert look() == before
    assert states.disturbed() == ""


@pytest.mark.parametrize(("code", "library"), [("torch.rand(1)", "torch"), ("torch.Generator()", "")])
def test_torch_may_be_imported_meanwhile(code: str, library: str) -> None:
    script = (
        "import sys; from imbtk.discovery.random_state import RandomStates; states = RandomStates.now(); "
        f"assert 'torch' not in sys.modules; import torch; {code}; assert states.disturbed() == {library!r}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
