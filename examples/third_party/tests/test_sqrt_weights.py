"""Tests of sqrt-weights: the conformance kit, and arithmetic on paper."""

import torch
from imbtk import RunContext
from imbtk.testing import parametrize_checks

from imbtk_sqrt_weights.sqrt_weights import SqrtWeights


@parametrize_checks(SqrtWeights, SqrtWeights(power=1.0))
def test_conformance(strategy, check):
    check(strategy)


def test_four_times_the_rows_have_half_the_weight():
    counts = torch.tensor([100, 25])
    context = RunContext(("benign", "malignant"), counts, counts, torch.repeat_interleave(torch.arange(2), counts))
    benign, malignant = SqrtWeights().imbtk_class_weights(context)
    assert malignant / benign == 2
