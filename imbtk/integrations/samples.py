"""What scikit-learn calls X, as the samples that networks are trained on, the same way in training and afterwards."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from imbtk.data.columns import fit_columns
from imbtk.data.frames import is_frame
from imbtk.data.options import COLUMN_OPTIONS, DataOptions
from imbtk.data.pixels import pixels_of
from imbtk.data.table import encode_table, unseen_values
from imbtk.errors import DataError

__all__ = ["SampleForm"]


@dataclass(frozen=True)
class SampleForm:
    """How samples become tensors.

    Attributes
    ----------
    kind : "images" or "table"
    columns : dict, optional
        How a DataFrame is encoded, from :func:`imbtk.data.columns.fit_columns`.
    shape : tuple of int
        Of one sample.
    names : tuple
        All columns of the DataFrame, so that an array may follow it.
    """

    kind: Literal["images", "table"]
    columns: dict[str, Any] | None
    shape: tuple[int, ...]
    names: tuple[Any, ...] = ()

    @classmethod
    def of(cls, x: Any, options: DataOptions) -> tuple[SampleForm, torch.Tensor, tuple[str, ...]]:
        """Return the form of training samples, the samples, and what must be said of how they were read.

        Raises
        ------
        DataError
            If they are neither images nor table rows that can be used.
        OptionError
            If columns are named and `x` is no DataFrame.
        """
        columns, notes = fit_columns(x, "X", options) if is_frame(x) else (None, ())
        if columns is None:
            options.refuse_given(COLUMN_OPTIONS, "an X that is no DataFrame")
        kind: Literal["images", "table"] = "table" if columns is not None or np.ndim(x) == 2 else "images"
        names = tuple(x.columns) if columns is not None else ()
        samples = cls(kind, columns, (), names)._read(x)
        return cls(kind, columns, tuple(samples.shape[1:]), names), samples, notes

    def samples(self, x: Any) -> torch.Tensor:
        """Return samples: uint8 images (N, C, H, W) or table rows (N, D) float32.

        Raises
        ------
        DataError
            If they differ from the training samples in shape.
        """
        if self.columns is not None:
            x = x if is_frame(x) else pd.DataFrame(x, columns=list(self.names))
            for text in unseen_values(x, self.columns):
                warnings.warn(text, stacklevel=4)
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
