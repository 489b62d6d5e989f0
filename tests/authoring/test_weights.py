"""What is done with weights, beside torch's own and arithmetic."""

from __future__ import annotations

import copy

import torch
from torch import nn

from imbtk.authoring.weights import renew_batch_norm
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network


def network(seed: int = 0) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Network(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), LinearHead(4, 2), (3,))
    made.make_head = lambda width: LinearHead(width, 2)
    return made


def batches(count: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [3 + 2 * torch.randn(8, 3, generator=generator) for _ in range(count)]


def test_statistics_of_batch_norm_are_those_that_torch_makes():
    ours, theirs = network().eval(), network().eval()
    renew_batch_norm(ours, batches())
    torch.optim.swa_utils.update_bn(batches(), theirs)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert not ours.training
    assert ours.backbone[1].momentum == 0.1
    assert not any(parameter.grad_fn for parameter in ours.parameters())


def test_a_frozen_part_keeps_its_statistics():
    frozen = network()
    frozen.backbone[1].running_mean.fill_(5.0)
    before = copy.deepcopy(frozen.state_dict())
    frozen.freeze("backbone")
    renew_batch_norm(frozen, batches())
    assert all(torch.equal(frozen.state_dict()[name], value) for name, value in before.items())
    frozen.thaw("backbone")
    frozen.freeze("backbone", statistics=True)
    renew_batch_norm(frozen, batches())
    assert not torch.equal(frozen.backbone[1].running_mean, before["backbone.1.running_mean"])
