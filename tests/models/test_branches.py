"""Branches: the last block of a network copied, and a head for each copy."""

import copy

import pytest
import torch
from torch import nn

from imbtk.errors import PlanError
from imbtk.models.branches import Branches, ExpertHead, branch_backbone
from imbtk.models.builtin import imbtk_models
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network, build_network

SHAPE = (1, 8, 8)


def build(name="small-cnn", shape=SHAPE) -> Network:
    network = build_network(imbtk_models()[name], shape, lambda width: LinearHead(width, 3), seed=0)
    network.make_head = lambda width: LinearHead(width, 3)
    return network


def samples(shape=SHAPE, size=5) -> torch.Tensor:
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "shape", "branched"),
    [
        ("small-cnn", SHAPE, True),
        ("small-cnn", (3, 40, 40), True),
        ("resnet32", (3, 8, 8), True),
        ("mlp", (6,), True),
        ("table-mlp", (6,), False),
        ("linear", (6,), False),
    ],
)
def test_each_expert_starts_as_the_network_was(name, shape, branched):
    network, x = build(name, shape).eval(), samples(shape)
    width = network.branch_width
    with torch.no_grad():
        before = network.features(x)
        assert network.branch(3) is branched
        after, said = network.features(x), network(x, outputs=True)
    assert network.branches == (3 if branched else 1)
    assert torch.equal(after, before.repeat(1, 3) if branched else before)
    assert network.branch_width == width
    for head, logits in zip(network.head.heads, said.experts, strict=True):
        torch.testing.assert_close(logits, head(before))
    torch.testing.assert_close(said.logits, said.experts.mean(0))
    assert torch.equal(said.features, after)


def test_rows_are_put_beside_each_other_and_not_below():
    """The copies are told apart by a factor; so are the rows."""
    network = build("mlp", (2,)).eval()
    network.branch(2)
    with torch.no_grad():
        for factor, block in enumerate(network.backbone.hidden2.copies, 1):
            block.weight.zero_()
            block.bias.fill_(factor)
        features = network.features(samples((2,), 3))
    width = network.branch_width
    assert features.tolist() == [[1.0] * width + [2.0] * width] * 3


def test_a_gradient_reaches_the_branch_of_its_expert_alone_and_the_trunk():
    network = build()
    network.branch(2)
    network(samples(), outputs=True).experts[1].sum().backward()
    first, second = network.backbone.get_submodule(network.backbone.last_block).copies
    assert all(p.grad is None or not p.grad.any() for p in first.parameters())
    assert all(p.grad is not None for p in second.parameters())
    assert network.backbone.layers[0][0].weight.grad.abs().max() > 0
    assert network.head.heads[0].weight.grad is None or not network.head.heads[0].weight.grad.any()


def test_heads_are_anew_and_differ():
    network = build()
    assert network.heads == (network.head,)
    with torch.no_grad():
        network.head.weight.fill_(7)
    network.branch(2)
    one, two = network.heads
    assert network.head_version == 1
    assert not torch.equal(one.weight, two.weight)
    assert max(one.weight.abs().max(), two.weight.abs().max()) < 1
    network.renew_head()
    assert network.head_version == 2
    assert len(network.head.heads) == 2
    assert not torch.equal(network.head.heads[0].weight, one.weight)
    network(samples())


def test_there_is_one_last_block():
    network = build("linear", (4,))
    network.branch(2)
    with pytest.raises(PlanError, match=r"two strategies branch the network, .* and it has one last block"):
        network.branch(2)


def test_a_network_that_cannot_make_heads_says_so():
    network = build()
    network.make_head = None
    with pytest.raises(PlanError, match=r"network 'small-cnn' does not know how to make a head: set network\.make_hea"):
        network.branch(2)


class Tail(nn.Module):
    """A block in a row of modules, with batch norm and an activation after it."""

    last_block = "row.block"

    def __init__(self):
        super().__init__()
        self.row = nn.Sequential()
        self.row.add_module("stem", nn.Linear(4, 6))
        self.row.add_module("block", nn.Linear(6, 5))
        self.row.add_module("norm", nn.BatchNorm1d(5))
        self.row.add_module("activation", nn.ReLU(inplace=True))

    def forward(self, x):
        return self.row(x)


def test_what_follows_the_block_in_its_sequential_is_copied_with_it():
    """One batch norm for all copies would mix their statistics."""
    backbone = Tail()
    alone, x = copy.deepcopy(backbone), samples((4,))
    assert branch_backbone(backbone, 2)
    assert [name for name, _ in backbone.row.named_children()] == ["stem", "block"]
    with torch.no_grad():
        backbone.row.block.copies[1][0].weight.mul_(-3)
        backbone.train()(x)
        alone.train()(x)
    first, second = (block[1] for block in backbone.row.block.copies)
    torch.testing.assert_close(first.running_mean, alone.row.norm.running_mean)
    torch.testing.assert_close(first.running_var, alone.row.norm.running_var)
    assert not torch.allclose(second.running_mean, first.running_mean)


@pytest.mark.parametrize("named", ["", None, 3])
def test_a_backbone_that_names_no_block_stays_as_it_is(named):
    backbone = Tail()
    backbone.last_block = named
    before = str(backbone)
    assert not branch_backbone(backbone, 2)
    assert str(backbone) == before


def test_copies_are_put_one_after_the_other():
    block = nn.Linear(2, 2, bias=False)
    branches = Branches(block, 2)
    with torch.no_grad():
        branches.copies[1].weight.mul_(2)
    x = samples((2,), 3)
    torch.testing.assert_close(branches(x), torch.cat([block(x), 2 * block(x)]))


def test_heads_see_their_own_part_or_all():
    one, two = LinearHead(2, 3), LinearHead(2, 3)
    x = samples((4,))
    torch.testing.assert_close(ExpertHead([one, two], True)(x), torch.stack([one(x[:, :2]), two(x[:, 2:])]))
    x = x[:, :2]
    torch.testing.assert_close(ExpertHead([one, two], False)(x), torch.stack([one(x), two(x)]))


def test_a_frozen_part_stays_frozen_when_it_is_branched_and_thaws_whole():
    network = build()
    network.freeze("backbone", statistics=True)
    network.freeze("head")
    network.branch(2)
    assert not any(p.requires_grad for p in network.parameters())
    network.train()
    copies = network.backbone.get_submodule(network.backbone.last_block).copies
    assert [copies.training, network.head.training] == [True, False]
    network.thaw("backbone")
    network.thaw("head")
    assert all(p.requires_grad for p in network.parameters())
    assert network.head.heads[0].training
