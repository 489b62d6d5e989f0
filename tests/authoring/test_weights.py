"""What is done with weights, beside torch's own and arithmetic."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from imbtk.authoring.weights import WeightAverage, renew_batch_norm
from imbtk.errors import PlanError
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


def filled(made: Network, value: float) -> Network:
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
    return made


def values(average: WeightAverage, made: Network) -> tuple[float, float]:
    """Return what an average puts into backbone and head of a copy of a network."""
    other = copy.deepcopy(made)
    average.put_into(other, "mine")
    found = tuple(float(p.detach().flatten()[0]) for p in (other.backbone[0].weight, other.head.weight))
    assert all(bool((p == found[0]).all()) for p in other.backbone.parameters())
    assert all(bool((p == found[1]).all()) for p in other.head.parameters())
    return found


def mean(count: int) -> float:
    return 1 / (count + 1)


def test_an_average_starts_over_with_a_new_head_and_follows_what_is_frozen():
    average, made = WeightAverage(), filled(network(), 7.0)
    assert values(average, made) == (7, 7)  # nothing is averaged yet, nothing put
    for value in (0.0, 2.0, 7.0):
        average.update(filled(made, value), mean)
    assert values(average, made) == (3, 3)
    made.freeze("backbone")
    made.renew_head()
    assert values(average, filled(made, 5.0)) == (3, 5)
    for value in (4.0, 6.0):
        average.update(filled(made, value), mean)
    assert values(average, made) == (6, 5)


def test_an_average_goes_into_a_checkpoint_whatever_shapes_it_has():
    made, average = network(), WeightAverage()
    average.update(filled(made, 1.0), mean)
    saved = copy.deepcopy(average.state_dict())
    average.update(filled(made, 3.0), mean)
    wider = Network(nn.Sequential(nn.Linear(3, 9)), LinearHead(9, 2), (3,))
    other = WeightAverage()
    other.update(wider, mean)
    other.load_state_dict(saved)
    assert values(other, made) == (1, 1)
    other.update(made, mean)
    assert values(other, made) == values(average, made) == (2, 2)


def test_a_part_that_was_replaced_after_the_last_step_is_refused():
    made, average = network(), WeightAverage()
    average.update(made, mean)
    made.head = LinearHead(4, 2, bias=False)
    with pytest.raises(PlanError, match=r"'mine' has averaged another head .* write 'mine' before it"):
        average.put_into(made, "mine")
