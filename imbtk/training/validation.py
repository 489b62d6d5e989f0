"""What a network says of rows that it is not trained on: logits, and metrics by which the best epoch can be kept."""

from __future__ import annotations

import torch

from imbtk.models.forward import forward
from imbtk.models.network import Network
from imbtk.training.batches import Batches
from imbtk.training.config import EpochRecord

__all__ = ["predict", "validate", "validation_metrics"]

_ROWS_AT_ONCE = 256


def predict(
    network: Network,
    batches: Batches,
    rows: torch.Tensor,
    features: bool = False,
) -> torch.Tensor:
    """Return logits (n, K), or features (n, D), of rows of the data set, without augmentation, float32 on the CPU."""
    return forward(network, batches.in_parts(rows, _ROWS_AT_ONCE), features=features)


def validate(
    network: Network,
    batches: Batches,
    validation: tuple[torch.Tensor, torch.Tensor],
    believed: torch.Tensor,
) -> EpochRecord:
    """Return the metrics of an epoch on validation rows, over the classes that they have; none without rows.

    `believed` as in :func:`validation_metrics`.
    """
    rows, labels = validation
    if not len(rows):
        return {}
    return validation_metrics(predict(network, batches, rows), labels, believed)


def validation_metrics(logits: torch.Tensor, labels: torch.Tensor, believed: torch.Tensor) -> dict[str, float]:
    """Return the columns of ``history.csv`` about validation rows, over the classes that they have.

    Parameters
    ----------
    logits : Tensor, shape (n, K)
    labels : Tensor of int64, shape (n,)
        At least one.
    believed : Tensor of float64, shape (K,)
        Class frequencies as the training taught them: the effective prior of the ledger.

    Notes
    -----
    The corrected log-loss is the log-loss of ``softmax(logits + log π_rows − log π_believed)``, with π_rows the class
    frequencies among the rows: what the network knows beside class frequencies. Every row counts alike in it, whatever
    the strategies made of them, so that it is as steady as the number of rows allows; in a balanced log-loss a handful
    of rare rows weigh half. It means the same for every plan.
    """
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none").double()
    hits = (logits.argmax(1) == labels).double()
    support = torch.bincount(labels, minlength=logits.shape[1]).double()
    present = support > 0
    per_class_loss = torch.zeros_like(support).index_add_(0, labels, losses)[present] / support[present]
    sensitivity = torch.zeros_like(support).index_add_(0, labels, hits)[present] / support[present]
    return {
        "validation_log_loss": float(losses.mean()),
        "validation_corrected_log_loss": float(_corrected_losses(logits, labels, support, believed).mean()),
        "validation_balanced_log_loss": float(per_class_loss.mean()),
        "validation_accuracy": float(hits.mean()),
        "validation_balanced_accuracy": float(sensitivity.mean()),
        "validation_worst_sensitivity": float(sensitivity.min()),
    }


def _corrected_losses(
    logits: torch.Tensor, labels: torch.Tensor, support: torch.Tensor, believed: torch.Tensor
) -> torch.Tensor:
    """Return the loss of each row after correction, (n,) float64; a class that was never taught is left as it is."""
    known = believed.double().clamp_min(torch.finfo(torch.float64).tiny)
    shift = torch.where(believed > 0, support.log() - known.log(), support.log())
    return torch.nn.functional.cross_entropy(logits.double() + shift, labels, reduction="none")
