"""Training rows on their way through the resampling chain."""

from __future__ import annotations

import numpy as np
import torch

from imbtk import Phase, Rows, RunContext

VALUES = np.array([[10.0, 1.0], [20.0, 3.0], [30.0, 5.0]], np.float32)
MEAN, DEVIATION = np.array([20.0, 3.0], np.float32), np.array([10.0, 2.0], np.float32)


def rows() -> Rows:
    """Return rows 5, 6 and 7 of some data."""
    return Rows(
        indices=torch.tensor([5, 6, 7]),
        labels=torch.tensor([0, 0, 1]),
        features_of=lambda wanted: ((VALUES[wanted.numpy() - 5] - MEAN) / DEVIATION).astype(np.float32),
        synthetic=torch.empty(0, 2),
        synthetic_labels=torch.empty(0, dtype=torch.int64),
        scale=(MEAN, DEVIATION),
    )


def test_made_up_rows_stand_behind_in_the_units_of_the_data() -> None:
    more = rows().with_synthetic(np.array([[0.5, -0.5]], np.float32), np.array([1]))
    assert more.all_labels.tolist() == [0, 0, 1, 1]
    assert more.synthetic.tolist() == [[25.0, 2.0]]
    assert more.synthetic.dtype == torch.float32
    # And are scaled again for whoever measures distances.
    np.testing.assert_allclose(more.features(), [[-1, -1], [0, 0], [1, 1], [0.5, -0.5]], atol=1e-6)
    assert more.features().dtype == np.float32
    again = more.with_synthetic(np.zeros((2, 2)), [0, 1])  # type: ignore[arg-type]
    assert again.all_labels.tolist() == [0, 0, 1, 1, 0, 1]
    assert again.synthetic.tolist() == [[25.0, 2.0], [20.0, 3.0], [20.0, 3.0]]


def test_positions_are_taken_of_rows_and_made_up_ones_alike() -> None:
    more = rows().with_synthetic(np.array([[0.5, -0.5], [1.0, 1.0]], np.float32), np.array([1, 0]))
    taken = more.take(torch.tensor([4, 2, 2, 0]))
    assert taken.indices.tolist() == [7, 7, 5]
    assert taken.all_labels.tolist() == [1, 1, 0, 0]
    assert taken.synthetic.tolist() == [[30.0, 5.0]]
    assert len(more.indices) == 3  # what was given stays
    assert not len(more.take(torch.empty(0, dtype=torch.int64)).all_labels)


def test_without_made_up_rows_features_are_those_of_the_data() -> None:
    np.testing.assert_array_equal(rows().features(), rows().features_of(torch.tensor([5, 6, 7])))


def test_a_phase_knows_its_length_and_a_run_its_classes() -> None:
    assert Phase(1, 10, 25).epochs == 15
    counts = torch.tensor([2, 1, 0])
    assert RunContext(("a", "b", "c"), counts, counts, torch.tensor([0, 0, 1])).num_classes == 3
