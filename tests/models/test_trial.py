"""Heads tried before training: what fails is named with its maker, and nothing is disturbed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imbtk.errors import PluginError
from imbtk.models.trial import HeadOrigin, check_head, trial_output

ORIGIN = HeadOrigin("strategy 'acme' (acme-imb 1.2)", "imbtk_head", "Mend it.")


def test_a_head_of_a_strategy_is_named_with_hook_and_remedy() -> None:
    with pytest.raises(PluginError) as caught:
        check_head(nn.Linear(4, 3), 4, 2, ORIGIN)
    assert str(caught.value) == (
        "head 'Linear' of strategy 'acme' (acme-imb 1.2) from imbtk_head gives shape (2, 3) for features of shape "
        "(2, 4) instead of logits (2, 2). Mend it."
    )


def test_a_head_of_cores_own_is_named_by_its_class() -> None:
    with pytest.raises(PluginError, match=r"^head 'Linear' gives shape \(2, 3\) for .* instead of logits \(2, 2\)\.$"):
        check_head(nn.Linear(4, 3), 4, 2)


def test_whole_numbers_are_no_logits() -> None:
    class Rounds(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input).long()

    with pytest.raises(PluginError, match=r"gives torch.int64 for features of shape \(2, 4\) instead of finite logits"):
        check_head(Rounds(4, 2), 4, 2)


def test_a_trial_leaves_statistics_flags_and_random_state_alone() -> None:
    head = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)).train()
    head[1].eval()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    state = torch.random.get_rng_state()
    check_head(head, 4, 2)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
    assert [part.training for part in head] == [True, False, True]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_batch_gets_the_modules_dtype() -> None:
    assert trial_output(nn.Linear(4, 2).double(), torch.zeros(2, 4)).dtype == torch.float64
