"""A trained model with everything that belongs to it: preprocessing, calibration, decision. No strategy is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from imbtk.data.decode import decode_image
from imbtk.data.normalise import Normalisation
from imbtk.data.pixels import pixels_of, resized
from imbtk.data.table import encode_table
from imbtk.errors import DataError
from imbtk.models.network import prefers_channels_last
from imbtk.models.saving import load_network
from imbtk.prediction import ABSTAIN, CalibrationMap, DecisionRule

__all__ = ["Predictor"]

BATCH = 256


@dataclass(frozen=True)
class Predictor:
    """Predicts classes and probabilities for new samples, with the very preprocessing of the training.

    Attributes
    ----------
    network : Module
        ``(B, *sample_shape) -> logits (B, K)``.
    description : dict
        What ``model.json`` holds.
    normalisation : Normalisation
    calibration : CalibrationMap
    decision : DecisionRule
    """

    network: nn.Module
    description: dict[str, Any]
    normalisation: Normalisation
    calibration: CalibrationMap
    decision: DecisionRule

    @classmethod
    def load(cls, run_folder: str | Path, device: str | torch.device = "cpu") -> Predictor:
        """Read the model of a run folder.

        Raises
        ------
        RunFolderError
            If it is incomplete or from a newer version.
        """
        network, description = load_network(Path(run_folder) / "model", device)
        return cls(
            network,
            description,
            Normalisation.from_json(description["normalisation"]),
            CalibrationMap.from_json(description["calibration"]),
            DecisionRule.from_json(description["decision"]),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, length K."""
        return tuple(self.description["class_names"])

    def predict(self, x: Any) -> np.ndarray:
        """Return the class name of each sample, (N,); an empty text where the decision rule abstains."""
        logits = self.logits(x)
        decided = self.decision.decide(logits, self.calibration.probabilities(logits))
        return np.array([*self.class_names, ""], dtype=object)[np.where(decided == ABSTAIN, -1, decided)]

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return calibrated probabilities, (N, K) float64."""
        return self.calibration.probabilities(self.logits(x))

    @torch.no_grad()
    def logits(self, x: Any) -> np.ndarray:
        """Return the network's logits, (N, K) float64.

        Parameters
        ----------
        x : array, DataFrame, path or sequence of paths
            Images (N, H, W), (N, H, W, C) or (N, C, H, W) as uint8 or floats in [0, 1]; a table (N, D) with the columns
            of the training; image files.

        Raises
        ------
        DataError
            If the samples are not of the form that the model was trained on.
        """
        samples = self._samples(x)
        self.network.eval()
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        half = self.description["precision"] == "bf16"
        last = torch.channels_last if prefers_channels_last(self.network) else torch.contiguous_format
        parts = []
        for part in torch.split(samples, BATCH):
            batch = part if self.description["kind"] == "table" else part.to(torch.float32).mul_(1 / 255)
            batch = self.normalisation.apply(batch).to(device)
            if batch.ndim == 4:
                batch = batch.contiguous(memory_format=last)
            with torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext():
                parts.append(self.network(batch).float().cpu())
        logits: np.ndarray = torch.cat(parts).double().numpy()
        return logits

    def _samples(self, x: Any) -> torch.Tensor:
        """Return samples as the training had them before normalisation: uint8 images, or encoded table rows."""
        preprocessing = self.description["preprocessing"]
        if self.description["kind"] == "table":
            return encode_table(self._frame(x), preprocessing)
        size, channels = int(preprocessing["size"]), int(preprocessing["channels"])
        if isinstance(x, (str, Path)):
            x = [x]
        if isinstance(x, Sequence) and x and all(isinstance(path, (str, Path)) for path in x):
            decoded = [decode_image(path, size, preprocessing["resize"], channels) for path in x]
            return torch.from_numpy(np.stack(decoded))
        values = np.asarray(x)
        shape = tuple(self.description["sample_shape"])
        if values.ndim not in (3, 4) or not len(values):
            raise DataError(
                f"x has the shape {values.shape}; this model takes images of shape {shape}: give (N, H, W), "
                "(N, H, W, C), (N, C, H, W), or paths of image files."
            )
        pixels, _ = pixels_of(values, "x")
        if pixels.shape[1] != channels:
            raise DataError(f"x has {pixels.shape[1]} channels; this model was trained on images with {channels}.")
        return torch.from_numpy(np.ascontiguousarray(resized(pixels, size, preprocessing["resize"], None)))

    def _frame(self, x: Any) -> pd.DataFrame:
        """Return table rows as a frame with the training's column names."""
        if isinstance(x, pd.DataFrame):
            return x
        values = np.asarray(x)
        names = [column["name"] for column in self.description["preprocessing"]["columns"]]
        if values.ndim != 2 or values.shape[1] != len(names):
            raise DataError(
                f"x has the shape {values.shape}; this model takes (N, {len(names)}), one column a feature."
            )
        return pd.DataFrame(values, columns=names)
