"""Rows per class and drawing: arithmetic on paper."""

import torch

from imbtk import Draw, expected_rows, order_by_class


def test_expected_rows_on_paper():
    counts = torch.tensor([100, 25, 0])
    assert expected_rows(counts, 0.5, "auto", whole=100).tolist() == [100, 50, 0]
    assert expected_rows(counts, 0.5, "auto", whole=25).tolist() == [50, 25, 0]
    assert expected_rows(counts, 0.5, 30, whole=100).tolist() == [20, 10, 0]
    assert expected_rows(counts, 1.0, "0.4x", whole=25).tolist() == [40, 10, 0]


def test_quotas_have_the_right_sum_and_mean_with_more_classes_than_rows():
    labels = torch.arange(20).repeat(3)
    expected = torch.linspace(0.1, 0.5, 20, dtype=torch.float64)
    expected = expected * (7 / expected.sum())
    order = order_by_class(labels, expected, replacement=False)
    epochs = [labels[order.draw_epoch(e, Draw(0, "x", e))] for e in range(1500)]
    assert {len(epoch) for epoch in epochs} == {7}
    mean = torch.bincount(torch.cat(epochs), minlength=20).double() / 1500
    # A class is there or not: the deviation of the mean is at most ½ / √1500.
    assert float((mean - expected).abs().max()) < 4.5 * 0.5 / 1500**0.5
    torch.testing.assert_close(order.class_mass, expected / 7)


def test_whole_numbers_stay_whole_in_spite_of_rounding_errors():
    labels = torch.arange(3).repeat_interleave(10)
    expected = torch.tensor([0.1, 0.1, 0.1], dtype=torch.float64) * 3 * (1 / 0.3) * 10
    order = order_by_class(labels, expected, replacement=False)
    for epoch in range(50):
        rows = order.draw_epoch(epoch, Draw(0, "x", epoch))
        assert len(rows.unique()) == 30


def test_a_class_of_mass_zero_is_never_hit_with_replacement():
    labels = torch.tensor([1, 1, 3])
    order = order_by_class(labels, torch.tensor([0.0, 5000.0, 0.0, 5000.0, 0.0]).double(), replacement=True)
    drawn = torch.bincount(labels[order.draw_epoch(0, Draw(0, "x"))], minlength=5)
    assert drawn[[0, 2, 4]].tolist() == [0, 0, 0]
    assert abs(int(drawn[1]) - 5000) < 300
