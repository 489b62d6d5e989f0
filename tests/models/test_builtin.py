"""The networks that come with imbtk."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from imbtk.errors import DataError
from imbtk.models.builtin import MLP, Flat, ResNet32, SmallCNN, imbtk_models

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 33, 47), (5, 64, 64), (3, 9, 200)]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("network", [SmallCNN, ResNet32, MLP, Flat])
def test_every_network_takes_every_image(network, shape):
    backbone = network(shape)
    assert backbone(torch.randn(3, *shape)).shape[0] == 3
    assert backbone(torch.randn(3, *shape)).ndim == 2


@pytest.mark.parametrize("network", [SmallCNN, ResNet32])
def test_a_batch_of_one_trains(network):
    assert network((1, 8, 8)).train()(torch.randn(1, 1, 8, 8)).isfinite().all()


def test_resnet32_has_the_parameters_of_the_paper():
    # Section 4.2: 32 layers, 0.46 million parameters. A convolution has 9·in·out of them, its batch norm 2·out.
    def block(before: int, after: int) -> int:
        return 9 * before * after + 9 * after * after + 4 * after

    stem = 9 * 3 * 16 + 2 * 16
    stages = 5 * block(16, 16) + block(16, 32) + 4 * block(32, 32) + block(32, 64) + 4 * block(64, 64)
    network = nn.Sequential(ResNet32((3, 32, 32)), nn.Linear(64, 10))
    assert count(network) == stem + stages + 64 * 10 + 10 == 464_154
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 32


def test_resnet32_shortcut_is_the_subsampled_identity_with_zeros():
    block = ResNet32((3, 32, 32)).blocks[5].eval()
    for norm in (block.norm1, block.norm2):
        nn.init.zeros_(norm.weight)
    maps = torch.rand(2, 16, 9, 9)
    out = block(maps)
    assert out.shape == (2, 32, 5, 5)
    assert torch.equal(out[:, 8:24], maps[:, :, ::2, ::2])
    assert out[:, :8].abs().sum() == out[:, 24:].abs().sum() == 0


def test_resnet32_starts_with_he_normal_weights():
    torch.manual_seed(0)
    weight = ResNet32((3, 32, 32)).blocks[14].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


def test_mlp_is_two_relu_layers():
    torch.manual_seed(0)
    mlp, x = MLP((5,), width=7), torch.randn(4, 5)
    hidden = (x @ mlp.hidden1.weight.T + mlp.hidden1.bias).clamp_min(0)
    expected = (hidden @ mlp.hidden2.weight.T + mlp.hidden2.bias).clamp_min(0)
    torch.testing.assert_close(mlp(x), expected)


def test_linear_leaves_the_sample_to_the_head():
    x = torch.randn(4, 2, 3, 3)
    assert torch.equal(Flat((2, 3, 3))(x), x.reshape(4, 18))
    assert count(Flat((5,))) == 0


def test_small_cnn_learns_digits_in_seconds():
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16 - 0.3, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y)
    rows = torch.randperm(len(x))
    train, test = rows[:500], rows[500:1200]
    backbone = SmallCNN((1, 8, 8))
    network = nn.Sequential(backbone, nn.Linear(backbone(x[:2]).shape[1], 10)).train()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(6):
        for batch in train.split(50):
            optimizer.zero_grad()
            F.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        assert (network.eval()(x[test]).argmax(1) == y[test]).double().mean() > 0.9


@pytest.mark.parametrize(("name", "network"), [("small-cnn", SmallCNN), ("resnet32", ResNet32)])
def test_what_is_no_image_of_8x8_is_refused(name, network):
    with pytest.raises(
        DataError, match=rf"'{name}' takes images from 8x8 up, these are 8x7. Enlarge .* --image-size 8"
    ):
        network((1, 8, 7))
    with pytest.raises(
        DataError, match=rf"'{name}' takes images of shape .* not samples of shape \(30,\).*mlp and lin"
    ):
        network((30,))


def test_they_are_offered_by_the_hook():
    specs = imbtk_models()
    assert {name: spec.kind for name, spec in specs.items()} == {
        "small-cnn": "images",
        "resnet32": "images",
        "mlp": "any",
        "table-mlp": "table",
        "linear": "any",
    }
    for name, spec in specs.items():
        assert spec.name == name
        assert spec.summary.endswith(".")
        assert isinstance(spec.build((1, 8, 8)), nn.Module)
    assert hasattr(imbtk_models, "imbtk_impl")


def test_table_mlp_holds_a_linear_classifier_of_the_row_drawn_in():
    backbone = imbtk_models()["table-mlp"].build((3,)).eval().requires_grad_(False)
    rows = torch.tensor([[0.0, 1.0, -2.0], [1e6, -1e6, 0.5]])
    features = backbone(rows)
    assert features.shape == (2, 3 + 64)
    expected = 3 * rows.double() / torch.sqrt(1 + (rows.double() / 10) ** 2)
    assert torch.allclose(features[:, :3].double(), expected, rtol=1e-5)
    # What lies a million deviations away is ten away: 30 in the features.
    assert float(features[1, :2].abs().max()) < 30.001
    hidden = (rows.double() / torch.sqrt(1 + (rows.double() / 3) ** 2)).float()
    for layer in (backbone.hidden1, backbone.hidden2):
        hidden = (hidden @ layer.weight.T + layer.bias).clamp_min(0)
    assert torch.allclose(features[:, 3:], hidden, atol=1e-5)
