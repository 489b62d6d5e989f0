"""X as samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imbtk.data.options import DataOptions
from imbtk.errors import DataError
from imbtk.integrations.samples import SampleForm


def test_tables_keep_their_numbers_and_gaps() -> None:
    form, samples, _ = SampleForm.of(np.array([[1.0, np.nan], [3, 4]]), DataOptions())
    assert (form.kind, form.shape, samples.dtype) == ("table", (2,), torch.float32)
    assert samples[:, 0].tolist() == [1.0, 3.0]
    assert bool(samples[0, 1].isnan())
    with pytest.raises(DataError, match="column 'x1' is infinite or too large for single precision in row 0"):
        form.samples(np.array([[1.0, np.inf]]))


def test_texts_become_columns_in_the_order_of_training() -> None:
    frame = pd.DataFrame({"size": [1, 2], "sex": ["f", "m"]})
    form, samples, _ = SampleForm.of(frame, DataOptions())
    assert samples.tolist() == [[1, 1, 0], [2, 0, 1]]
    assert form.samples(pd.DataFrame({"sex": ["m"], "size": [5]})).tolist() == [[5, 0, 1]]


def test_images_become_bytes() -> None:
    form, samples, _ = SampleForm.of(np.full((2, 5, 5, 3), 0.5), DataOptions())
    assert (form.kind, form.shape, samples.dtype, int(samples.max())) == ("images", (3, 5, 5), torch.uint8, 128)
    with pytest.raises(DataError, match=r"X has samples of shape \(1, 5, 5\); the training ones had \(3, 5, 5\)"):
        form.samples(np.zeros((1, 5, 5)))
