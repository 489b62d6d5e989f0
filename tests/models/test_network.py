"""Backbone and head: built from a seed, split into parameter groups."""

import pytest
import torch
from torch import nn

from imbtk.errors import PluginError
from imbtk.models.builtin import SmallCNN, imbtk_models
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
from imbtk.models.network import (
    Network,
    build_network,
    feature_width,
    parameter_groups,
    prefers_channels_last,
    set_prior_bias,
)
from imbtk.models.spec import ModelSpec

SHAPE = (1, 8, 8)


def build(seed=0, name="small-cnn", make_head=lambda width: LinearHead(width, 3), **options) -> Network:
    return build_network(imbtk_models()[name], SHAPE, make_head, seed, **options)


def spec(backbone: nn.Module) -> ModelSpec:
    return ModelSpec("mine", lambda shape: backbone)


def test_logits_are_the_head_on_the_features():
    network, x = build().eval(), torch.randn(5, *SHAPE)
    assert network.features(x).shape == (5, feature_width(network.backbone, SHAPE))
    assert torch.equal(network(x), network.head(network.features(x)))
    assert (network.sample_shape, network.model_name) == (SHAPE, "small-cnn")


def test_initial_weights_depend_on_the_seed_alone_and_leave_the_global_state():
    torch.manual_seed(123)
    expected = torch.rand(4)
    torch.manual_seed(123)
    first = build(seed=7).state_dict()
    assert torch.equal(torch.rand(4), expected)
    second, other = build(seed=7).state_dict(), build(seed=8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert not torch.equal(first["backbone.layers.0.0.weight"], other["backbone.layers.0.0.weight"])


def test_feature_width_touches_nothing():
    torch.manual_seed(0)
    backbone = nn.Sequential(SmallCNN(SHAPE), nn.Dropout(0.5)).train()
    backbone[0].eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert feature_width(backbone, SHAPE) == 128
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert (backbone.training, backbone[0].training, backbone[1].training) == (True, False, True)


def test_a_lazy_backbone_is_seeded_too():
    def lazy(shape):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))

    one, two = (
        build_network(ModelSpec("lazy", lazy), SHAPE, lambda d: LinearHead(d, 2), seed=3).backbone[1].weight
        for _ in range(2)
    )
    assert one.shape == (5, 64)
    assert torch.equal(one, two)


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x.flatten(1), x


class Summed(nn.Module):
    def forward(self, x):
        return x.sum()


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            nn.Conv2d(1, 4, 3),
            r"model 'mine' gives shape \(2, 4, 6, 6\) for a batch of shape \(2, 1, 8, 8\)\. A backbone ",
        ),
        (TwoOutputs(), r"model 'mine' gives a tuple for a batch .* return one tensor\."),
        (Summed(), r"model 'mine' gives shape \(\) for"),
        (nn.Conv2d(3, 4, 3), r"model 'mine' fails on a batch of shape \(2, 1, 8, 8\): .*channels.* \(--image-size\)\?"),
    ],
)
def test_a_backbone_of_another_form_is_refused(backbone, message):
    with pytest.raises(PluginError, match=message):
        build_network(spec(backbone), SHAPE, lambda width: LinearHead(width, 3), 0)


def test_what_is_no_module_is_refused():
    with pytest.raises(PluginError, match=r"model 'mine' is a function, not a torch\.nn\.Module\."):
        build_network(spec(lambda x: x), SHAPE, lambda width: LinearHead(width, 3), 0)
    with pytest.raises(PluginError, match=r"the head is a int, not a torch\.nn\.Module that maps \(B, D\) to \(B, K\)"):
        build(make_head=lambda width: width)


def test_a_head_of_another_form_is_refused():
    with pytest.raises(PluginError, match=r"head 'LinearHead' fails on features of shape \(2, 128\): .*shapes"):
        build(make_head=lambda width: LinearHead(width + 1, 3))
    with pytest.raises(PluginError, match=r"head 'LinearHead' gives shape \(2, 3\) .* instead of logits \(2, 4\)\."):
        build(num_classes=4)
    with pytest.raises(PluginError, match=r"head 'Summed' gives shape \(\) for .* instead of logits \(B, K\)\."):
        build(make_head=lambda width: Summed())


@pytest.mark.parametrize("head", [LinearHead(4, 3), ScaledHead(4, 3)])
def test_a_linear_bias_starts_at_the_log_prior(head):
    prior = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    weights = [p.clone() for p in head.parameters() if p.ndim == 2]
    assert set_prior_bias(head, prior.log())
    torch.testing.assert_close(torch.softmax(head(torch.zeros(1, 4)), 1)[0], prior.float())
    assert torch.equal(next(p for p in head.parameters() if p.ndim == 2), weights[0])


def test_heads_without_a_bias_stay_as_they_are():
    for head in (CosineHead(4, 3), LinearHead(4, 3, bias=False), ScaledHead(4, 3, bias=False), nn.Identity()):
        assert not set_prior_bias(head, torch.zeros(3))


def test_a_class_that_never_comes_gets_a_finite_bias():
    head = LinearHead(4, 3)
    set_prior_bias(head, torch.tensor([0.9, 0.1, 0.0]).log())
    torch.testing.assert_close(head.bias.detach(), torch.tensor([0.9, 0.1, 0.1]).log())


class Parts(nn.Module):
    """One parameter of each sort."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 6)
        self.norm = nn.LayerNorm([2, 3])
        self.batch_norm = nn.BatchNorm1d(6)
        self.position_embedding = nn.Parameter(torch.zeros(1, 4, 6))
        self.class_token = nn.Parameter(torch.zeros(1, 1, 6))
        self.mixing = nn.Parameter(torch.zeros(6, 6))
        self.tied = self.linear


def test_norms_and_biases_are_not_decayed():
    network = Network(Parts(), ScaledHead(6, 3))
    groups = parameter_groups(network, weight_decay=0.1, lr=1e-3, lr_backbone=1e-5)
    names = {id(p): name for name, p in network.named_parameters()}
    found = {(g["name"], g["lr"], g["weight_decay"]): sorted(names[id(p)] for p in g["params"]) for g in groups}
    assert found == {
        ("backbone, weights", 1e-5, 0.1): ["backbone.linear.weight", "backbone.mixing"],
        ("backbone, norms and biases", 1e-5, 0.0): [
            "backbone.batch_norm.bias",
            "backbone.batch_norm.weight",
            "backbone.class_token",
            "backbone.linear.bias",
            "backbone.norm.bias",
            "backbone.norm.weight",
            "backbone.position_embedding",
        ],
        ("head, weights", 1e-3, 0.1): ["head.linear.weight"],
        ("head, norms and biases", 1e-3, 0.0): ["head.factor", "head.linear.bias"],
    }
    torch.optim.AdamW(groups)
    torch.optim.SGD(groups, momentum=0.9)


def test_every_parameter_is_in_one_group_with_one_rate():
    network = build(name="resnet32")
    groups = parameter_groups(network, weight_decay=0.1, lr=0.5)
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in network.parameters())
    assert {group["lr"] for group in groups} == {0.5}


def test_a_frozen_backbone_does_not_move():
    network = build()
    network.freeze("backbone")
    groups = parameter_groups(network, weight_decay=0.1, lr=0.1)
    assert {group["name"] for group in groups} == {"head, weights", "head, norms and biases"}
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(groups)
    network.train()
    assert network.head.training
    head = network.head.weight.detach().clone()
    network(torch.randn(4, *SHAPE)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())
    assert not torch.equal(network.head.weight, head)


def test_only_convolutions_prefer_channels_last():
    assert prefers_channels_last(build())
    assert not prefers_channels_last(build(name="mlp"))
