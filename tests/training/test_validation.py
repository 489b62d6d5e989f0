"""The metrics of an epoch on validation rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score

from imbtk.training.validation import validation_metrics


def rows(n: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes % 2 + (torch.arange(n) % 7 == 0).long()
    return torch.randn(n, classes, generator=generator), labels.clamp_max(classes - 1)


def test_they_are_scikit_learns() -> None:
    logits, labels = rows(60, 3)
    found = validation_metrics(logits, labels, torch.full((3,), 1 / 3))
    said, y = softmax(logits.double().numpy(), axis=1), labels.numpy()
    assert found["validation_log_loss"] == pytest.approx(log_loss(y, said), rel=1e-5)
    assert found["validation_accuracy"] == pytest.approx((said.argmax(1) == y).mean())
    assert found["validation_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, said.argmax(1)))
    assert found["validation_worst_sensitivity"] == pytest.approx(recall_score(y, said.argmax(1), average=None).min())
    each = [log_loss(y[y == k], said[y == k], labels=[0, 1, 2]) for k in range(3)]
    assert found["validation_balanced_log_loss"] == pytest.approx(np.mean(each), rel=1e-5)


def test_the_corrected_log_loss_is_what_a_training_on_the_rows_own_frequencies_would_have() -> None:
    logits, labels = rows(60, 3)
    shares = torch.bincount(labels, minlength=3).double() / 60
    plain = validation_metrics(logits, labels, shares)["validation_corrected_log_loss"]
    assert plain == pytest.approx(log_loss(labels.numpy(), softmax(logits.double().numpy(), axis=1)), rel=1e-6)
    # Class weights move the logits to log π_believed - log π_rows, in theory, and the metric does not see it.
    believed = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    moved = validation_metrics(logits.double() + (believed / shares).log(), labels, believed)
    assert moved["validation_corrected_log_loss"] == pytest.approx(plain, rel=1e-6)
    assert moved["validation_log_loss"] != pytest.approx(plain, rel=1e-2)


def test_every_row_counts_alike() -> None:
    # One rare row among forty that is quite wrong: a fortieth of the loss, and half of the balanced one.
    labels = torch.tensor([0] * 39 + [1])
    logits = torch.tensor([[5.0, 0.0]] * 40)
    found = validation_metrics(logits, labels, torch.tensor([39 / 40, 1 / 40], dtype=torch.float64))
    assert found["validation_corrected_log_loss"] == pytest.approx(np.log1p(np.exp(-5.0)) + 5 / 40)
    assert found["validation_balanced_log_loss"] == pytest.approx(np.log1p(np.exp(-5.0)) + 5 / 2)


def test_classes_without_a_row_and_classes_never_taught() -> None:
    logits, labels = rows(40, 2)
    wide = torch.cat([logits, torch.zeros(40, 1)], dim=1)
    believed = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    two = validation_metrics(logits, labels, believed[:2])["validation_corrected_log_loss"]
    assert validation_metrics(wide, labels, believed)["validation_corrected_log_loss"] == pytest.approx(two)
    taught = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert np.isfinite(validation_metrics(logits, labels, taught)["validation_corrected_log_loss"])
