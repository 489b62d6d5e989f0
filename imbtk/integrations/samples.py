"""What scikit-learn calls X, as the samples that networks are trained on, the same way in training and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from imbtk.data.array_samples import encoded_rows, samples_of
from imbtk.data.columns import fit_columns
from imbtk.data.frames import is_frame
from imbtk.data.options import COLUMN_OPTIONS, DataOptions
from imbtk.data.table import encode_table
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
        samples = samples_of(x, "X") if columns is None else encode_table(x, columns)
        names = () if columns is None else tuple(x.columns)
        kind: Literal["images", "table"] = "table" if samples.ndim == 2 else "images"
        return cls(kind, columns, tuple(samples.shape[1:]), names), samples, notes

    def samples(self, x: Any) -> torch.Tensor:
        """Return samples: uint8 images (N, C, H, W) or table rows (N, D) float32.

        Raises
        ------
        DataError
            If they differ from the training samples in shape.
        """
        samples = samples_of(x, "X") if self.columns is None else encoded_rows(x, "X", self.columns, self.names)
        if tuple(samples.shape[1:]) != self.shape:
            raise DataError(f"X has samples of shape {tuple(samples.shape[1:])}; the training ones had {self.shape}.")
        return samples
