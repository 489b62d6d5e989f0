"""Rows with logits that lean towards their class."""

import numpy as np
import pytest


@pytest.fixture
def some():
    """Return a function that makes labels (N,), logits (N, K), and groups of one class each, or None for them."""

    def make(rng, n=60, k=3, groups=True):
        labels = rng.integers(0, k, n)
        logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
        return labels, logits, (labels * 100 + rng.integers(0, 6, n)) if groups else None

    return make
