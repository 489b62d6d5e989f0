"""Normalisation by the training rows, and the scaled features that distances are measured in."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from imbtk.data.dataset import Dataset

__all__ = ["Normalisation", "feature_scale", "features_of", "in_unit"]

_CHUNK_BYTES = 1 << 24


def in_unit(pixels: torch.Tensor) -> torch.Tensor:
    """Return uint8 pixels as float32 in [0, 1], by one multiplication: everywhere the same to the bit."""
    return pixels.to(torch.float32).mul_(1 / 255)


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation, per channel of images in [0, 1], per column of tables.

    Attributes
    ----------
    mean, std : Tensor of float32, shape (C,) or (D,)
        Deviations are positive.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def apply(self, batch: torch.Tensor) -> torch.Tensor:
        """Return ``(batch - mean) / std``; in tables a missing value (NaN) becomes 0, the mean.

        Parameters
        ----------
        batch : Tensor of floats, shape (B, C, H, W) in [0, 1], or (B, D)
        """
        if batch.ndim == 4:
            shape = (1, -1, 1, 1)
            return (batch - self.mean.to(batch).view(shape)) / self.std.to(batch).view(shape)
        return torch.nan_to_num((batch - self.mean.to(batch)) / self.std.to(batch), nan=0.0)

    def inputs(self, samples: torch.Tensor) -> torch.Tensor:
        """Return what a network is given of samples as a data set holds them: uint8 images or table rows."""
        return self.apply(in_unit(samples) if samples.dtype == torch.uint8 else samples)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of plain numbers."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def fit(cls, dataset: Dataset, rows: torch.Tensor) -> Normalisation:
        """Return mean and deviation (of the population, ddof 0) of rows.

        Parameters
        ----------
        dataset : Dataset
        rows : Tensor of int64, shape (n,)
            Training rows only, at least one.

        Notes
        -----
        A channel or column that does not vary gets the deviation 1, a column without any value the mean 0. Sums of
        pixels are whole numbers, so the result does not depend on the order of the rows.
        """
        mean, std = _fit_images(dataset.x, rows) if dataset.kind == "images" else _fit_table(dataset.x, rows)
        return cls(torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(std.astype(np.float32)))

    @classmethod
    def none(cls, dataset: Dataset) -> Normalisation:
        """Return what leaves samples as they are."""
        width = dataset.sample_shape[0]
        return cls(torch.zeros(width), torch.ones(width))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Normalisation:
        """Read what :meth:`to_json` wrote."""
        return cls(torch.tensor(data["mean"], dtype=torch.float32), torch.tensor(data["std"], dtype=torch.float32))


def _fit_images(x: torch.Tensor, rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    first = np.zeros(channels, dtype=np.int64)
    second = np.zeros(channels, dtype=np.int64)
    # Sorted rows are read from the memory map in one sweep.
    step = max(1, _CHUNK_BYTES // max(1, channels * pixels))
    ordered = rows.sort().values
    for start in range(0, len(ordered), step):
        chunk = ordered[start : start + step]
        values = torch.index_select(x, 0, chunk).to(torch.int32)
        first += values.sum(dim=(0, 2, 3), dtype=torch.int64).numpy()
        second += values.square_().sum(dim=(0, 2, 3), dtype=torch.int64).numpy()
    count = len(rows) * pixels
    means = [Fraction(int(total), count) for total in first]
    variances = [Fraction(int(total), count) - mean**2 for total, mean in zip(second, means, strict=True)]
    std = np.sqrt([float(variance) for variance in variances]) / 255
    return np.array([float(mean) for mean in means]) / 255, np.where(std > 0, std, 1.0)


def _fit_table(x: torch.Tensor, rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    values = x[rows].double().numpy()
    present = ~np.isnan(values)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, values, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(present, values - mean, 0.0) ** 2).sum(axis=0) / count)
    # A constant column leaves rounding errors of its own size, which must not be blown up to ones.
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1e-30)
    return mean, np.where(varies, deviation, 1.0)


def features_of(dataset: Dataset, normalisation: Normalisation, indices: torch.Tensor) -> np.ndarray:
    """Return scaled features, (n, D) float32: columns of a table, flattened pixels of images.

    Parameters
    ----------
    dataset : Dataset
    normalisation : Normalisation
    indices : Tensor of int64, shape (n,)
    """
    batch = torch.index_select(dataset.x, 0, indices)
    scaled: np.ndarray = normalisation.inputs(batch).flatten(1).numpy()
    return scaled


def feature_scale(dataset: Dataset, normalisation: Normalisation) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each feature of :func:`features_of`, (D,) float32 each, for ``Rows.scale``."""
    mean, std = normalisation.mean.numpy(), normalisation.std.numpy()
    if dataset.kind == "images":
        pixels = dataset.x.shape[2] * dataset.x.shape[3]
        return np.repeat(mean, pixels), np.repeat(std, pixels)
    return mean, std
