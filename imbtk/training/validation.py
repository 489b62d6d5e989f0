"""What a network says of rows that it is not trained on: logits, and the figures of an epoch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from imbtk.models.network import Network
from imbtk.training.batches import Batches
from imbtk.training.settings import EpochRecord, TrainingSettings

__all__ = ["predict", "validate"]


@torch.no_grad()
def predict(
    network: Network,
    batches: Batches,
    rows: torch.Tensor,
    settings: TrainingSettings,
    features: bool = False,
    batch_size: int = 256,
) -> torch.Tensor:
    """Return logits (n, K), or features (n, D), of rows of the data set, without augmentation, float32 on the CPU.

    At full precision, whatever was trained with: results of bf16 hang on how rows are put into batches, by 1 % and
    more, and a prediction must not.
    """
    network.eval()
    parts = []
    for part in torch.split(rows, batch_size):
        x = batches.samples(part)
        if settings.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        out = network.backbone(x)
        parts.append((out if features else network.classify(out)).cpu())
    return torch.cat(parts)


def validate(
    network: Network, batches: Batches, validation: tuple[torch.Tensor, torch.Tensor], settings: TrainingSettings
) -> EpochRecord:
    """Return the figures of an epoch on validation rows, over the classes that they have; none without rows."""
    rows, labels = validation
    if not len(rows):
        return {}
    logits = predict(network, batches, rows, settings)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none").double()
    hits = (logits.argmax(1) == labels).double()
    support = torch.bincount(labels, minlength=logits.shape[1]).double()
    present = support > 0
    per_class_loss = torch.zeros_like(support).index_add_(0, labels, losses)[present] / support[present]
    sensitivity = torch.zeros_like(support).index_add_(0, labels, hits)[present] / support[present]
    return {
        "validation_log_loss": float(losses.mean()),
        "validation_balanced_log_loss": float(per_class_loss.mean()),
        "validation_accuracy": float(hits.mean()),
        "validation_balanced_accuracy": float(sensitivity.mean()),
        "validation_worst_sensitivity": float(np.min(sensitivity.numpy())),
    }
