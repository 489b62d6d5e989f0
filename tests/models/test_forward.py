"""The forward pass of all that predicts."""

from __future__ import annotations

import torch
from torch import nn

from imbtk.models.forward import forward
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network

IMAGES = torch.rand(7, 2, 6, 6, generator=torch.Generator().manual_seed(0))


class Looks(nn.Module):
    """A backbone with batch norm and dropout that notes how images are laid out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5)
        self.channels_last: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.channels_last.append(x.is_contiguous(memory_format=torch.channels_last))
        return self.drop(self.norm(self.conv(x))).mean((2, 3))  # type: ignore[no-any-return]


def network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(Looks(), LinearHead(3, 4), (2, 6, 6)).train()


def test_logits_come_in_order_in_eval_mode_and_without_gradients() -> None:
    made = network()
    statistics = made.backbone.norm.running_mean.clone()
    found = forward(made, IMAGES.split(3))
    assert not made.training
    assert torch.equal(made.backbone.norm.running_mean, statistics)
    assert (found.shape, found.requires_grad, found.device.type) == ((7, 4), False, "cpu")
    with torch.no_grad():
        torch.testing.assert_close(found, made(IMAGES))
    assert torch.equal(found, forward(made, IMAGES.split(3)))  # dropout draws nothing


def test_features_are_what_the_head_is_given() -> None:
    made = network()
    features = forward(made, IMAGES.split(4), features=True)
    assert features.shape == (7, 3)
    torch.testing.assert_close(made.head(features), forward(made, IMAGES.split(4)))


def test_a_module_that_is_no_network_of_ours_is_called() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(72, 4)).train()
    with torch.no_grad():
        torch.testing.assert_close(forward(plain, IMAGES.split(2)), plain(IMAGES))


def test_channels_last_is_for_images_alone() -> None:
    made = network()
    plain = forward(made, IMAGES.split(4))
    made.channels_last = True
    laid_out = forward(made, IMAGES.split(4))
    assert made.backbone.channels_last == [False, False, True, True]
    torch.testing.assert_close(laid_out, plain, atol=1e-6, rtol=1e-5)
    table = Network(nn.Identity(), LinearHead(5, 2), (5,))
    table.channels_last = True
    assert forward(table, [torch.zeros(3, 5)]).shape == (3, 2)


def test_half_precision_comes_back_as_float32_and_rounded() -> None:
    made = network()
    half, full = forward(made, [IMAGES], half=True), forward(made, [IMAGES])
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.05, rtol=0.05)
