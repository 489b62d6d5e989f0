"""The heads that core can build, save and load."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imbtk.models.heads import CosineHead, LinearHead, ScaledHead

FEATURES = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("cls", [LinearHead, CosineHead, ScaledHead])
def test_a_head_knows_its_widths(cls: type) -> None:
    head = cls(4, 3)
    assert (head.in_features, head.out_features) == (4, 3)
    assert head(FEATURES).shape == (5, 3)
    assert head(FEATURES[:1]).shape == (1, 3)


def test_cosine_logits_are_cosines_times_the_scale() -> None:
    head = CosineHead(4, 3, scale=7.0)
    expected = 7 * F.cosine_similarity(FEATURES[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(FEATURES), expected)
    torch.testing.assert_close(head(100 * FEATURES), expected)
    assert torch.isfinite(head(torch.zeros(2, 4))).all()


def test_a_new_scaled_head_is_linear_and_factors_are_of_classes() -> None:
    head = ScaledHead(4, 3)
    torch.testing.assert_close(head(FEATURES), head.linear(FEATURES))
    with torch.no_grad():
        head.factor.copy_(torch.tensor([1.0, 0.5, 2.0]))
    without = head.linear(FEATURES) - head.linear.bias
    torch.testing.assert_close(head(FEATURES), without * head.factor + head.linear.bias)
    assert ScaledHead(4, 3, bias=False).linear.bias is None
    head(FEATURES).sum().backward()
    assert head.factor.grad is not None
