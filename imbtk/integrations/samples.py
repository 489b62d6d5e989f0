"""What scikit-learn calls X, as the samples that networks are trained on, the same way in training and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from imbtk.data.pixels import pixels_of
from imbtk.data.table import encode_table, fit_columns
from imbtk.errors import DataError

__all__ = ["SampleForm", "has_texts"]


def has_texts(x: Any) -> bool:
    """Return whether `x` is a DataFrame with columns that are no numbers."""
    return isinstance(x, pd.DataFrame) and not all(map(pd.api.types.is_numeric_dtype, x.dtypes))


@dataclass(frozen=True)
class SampleForm:
    """How samples become tensors.

    Attributes
    ----------
    kind : "images" or "table"
    columns : dict, optional
        How a DataFrame with texts is encoded, from :func:`imbtk.data.table.fit_columns`.
    shape : tuple of int
        Of one sample.
    """

    kind: Literal["images", "table"]
    columns: dict[str, Any] | None
    shape: tuple[int, ...]

    @classmethod
    def of(cls, x: Any) -> tuple[SampleForm, torch.Tensor]:
        """Return the form of training samples, and the samples.

        Raises
        ------
        DataError
            If they are neither images nor table rows that can be used.
        """
        columns = fit_columns(x, "X")[0] if has_texts(x) else None
        kind: Literal["images", "table"] = "table" if columns is not None or np.ndim(x) == 2 else "images"
        samples = cls(kind, columns, ())._read(x)
        return cls(kind, columns, tuple(samples.shape[1:])), samples

    def samples(self, x: Any) -> torch.Tensor:
        """Return samples: uint8 images (N, C, H, W) or table rows (N, D) float32.

        Raises
        ------
        DataError
            If they differ from the training samples in shape.
        """
        samples = self._read(x)
        if tuple(samples.shape[1:]) != self.shape:
            raise DataError(f"X has samples of shape {tuple(samples.shape[1:])}; the training ones had {self.shape}.")
        return samples

    def _read(self, x: Any) -> torch.Tensor:
        if self.columns is not None:
            return encode_table(x, self.columns)
        values = np.asarray(x)
        if self.kind == "images":
            return torch.from_numpy(pixels_of(values, "X")[0].copy())
        values = values.astype(np.float64)
        large = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
        if len(large):
            row, column = large[0]
            raise DataError(
                f"X is infinity or a value too large for single precision in row {row}, column {column}. Correct it, "
                "or write NaN where the value is not known."
            )
        return torch.from_numpy(values.astype(np.float32))
