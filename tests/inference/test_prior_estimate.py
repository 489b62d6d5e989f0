"""Estimated class frequencies as the option that takes them."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.inference.prior_estimate import _as_option
from imbtk.planning.deployment import parse_deployment


@pytest.mark.parametrize("prior", [[1 / 3, 1 / 3, 1 / 3], [0.0, 1e-7, 1 - 1e-7], [0.12345, 0.23456, 0.64199]])
def test_rounded_frequencies_can_be_given_back(prior: list[float]) -> None:
    names = ("a", "b", "c")
    read = parse_deployment(_as_option(names, np.array(prior)), names, np.ones(3))
    np.testing.assert_allclose(read, prior, atol=3e-4)
    assert read.sum() == pytest.approx(1)
