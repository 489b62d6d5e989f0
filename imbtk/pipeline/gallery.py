"""A few images for the page: originals, the same augmented, and the mistakes that the model was surest of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from imbtk.authoring.draw import Draw
from imbtk.evaluation.mistakes import surest_mistakes
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches

__all__ = ["make_gallery"]

EXAMPLES = 4
MOST_CLASSES = 12
MISTAKES = 12
LARGEST = 96


def make_gallery(
    path: Path, prepared: PreparedRun, batches: Batches, predicted: np.ndarray, probabilities: np.ndarray
) -> None:
    """Write ``gallery.npz`` of an image run; tables have none.

    Parameters
    ----------
    path : Path
    prepared : PreparedRun
    batches : Batches
    predicted : ndarray of int64, shape (n,)
        What was decided for test rows.
    probabilities : ndarray of float64, shape (n, K)

    Notes
    -----
    ``originals`` and ``augmented`` are uint8 (k, m, H, W, C) for the classes numbered in ``classes`` (k,): the rarest
    ones if there are more than twelve. A class with fewer than four training images shows some twice. ``mistakes`` is
    uint8 (t, H, W, C), with ``mistake_rows`` (t,).
    """
    if prepared.data.dataset.kind != "images":
        return
    counts = prepared.plan.context.natural_counts
    classes = torch.argsort(counts, stable=True)[:MOST_CLASSES].sort().values
    originals, augmented = zip(*(_examples(prepared, batches, int(k)) for k in classes if counts[k]), strict=True)
    test = prepared.data.split.test
    surest = surest_mistakes(prepared.data.dataset.labels[test].numpy(), predicted, probabilities)[:MISTAKES]
    rows = test[torch.from_numpy(surest)]
    mistakes = _pictures(batches.images(rows)) if len(rows) else np.empty((0, 1, 1, 1), np.uint8)
    np.savez_compressed(
        path,
        classes=classes[counts[classes] > 0].numpy(),
        originals=np.stack(originals),
        augmented=np.stack(augmented),
        mistakes=mistakes,
        mistake_rows=rows.numpy(),
    )


def _examples(prepared: PreparedRun, batches: Batches, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return some training images of class k and the same as the last phase that augments shows them."""
    train = prepared.data.split.train
    rows = train[prepared.data.dataset.labels[train] == k]
    rows = rows[torch.linspace(0, len(rows) - 1, EXAMPLES).long()]
    images = batches.images(rows)
    augment = next((phase.augment for phase in reversed(prepared.plan.phases) if phase.augment is not None), None)
    if augment is None:
        return _pictures(images), _pictures(images)
    target = batches.one_hot(torch.full((EXAMPLES,), k))
    draw = Draw(prepared.model.config.seed, "", 0, np.arange(EXAMPLES) + k * EXAMPLES, batches.device)
    return _pictures(images), _pictures(augment(images.clone(), target, draw))


def _pictures(images: torch.Tensor) -> np.ndarray:
    """Return (B, C, H, W) floats in [0, 1] as uint8 (B, H, W, C), no side longer than 96 pixels."""
    images = images.detach().float().cpu()
    longest = max(images.shape[-2:])
    if longest > LARGEST:
        images = torch.nn.functional.interpolate(images, scale_factor=LARGEST / longest, mode="area")
    pictures: np.ndarray = (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pictures
