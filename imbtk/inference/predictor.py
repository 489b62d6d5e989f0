"""A trained model with everything that belongs to it: preprocessing, calibration, decision. No strategy is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from imbtk.authoring.prediction import ABSTAIN, CalibrationMap, DecisionRule
from imbtk.data.array_samples import encoded_rows, sample_array, table_frame
from imbtk.data.decode import decode_image
from imbtk.data.new_rows import NewRows
from imbtk.data.normalise import Normalisation
from imbtk.data.pixels import pixels_of, resized
from imbtk.data.store import available_cores, on_all_cores
from imbtk.data.table import encode_rows
from imbtk.errors import DataError, OptionError
from imbtk.models.forward import forward
from imbtk.models.network import Network, prefers_channels_last
from imbtk.models.saving import load_network
from imbtk.planning.deployment import deployed, parse_deployment

__all__ = ["PredictedRows", "Predictor"]

BATCH = 256
STREAM_BATCH = 64
"""Images that are decoded, and answered, together in a stream."""
TABLE_BATCH = 8192
"""Rows of a table that are encoded, and answered, together."""


@dataclass(frozen=True)
class PredictedRows:
    """The answer for a stretch of a stream.

    Attributes
    ----------
    start : int
        Number of the first row.
    logits, probabilities : ndarray of float64, shape (n, K)
        NaN for a row that could not be read.
    classes : ndarray of str, shape (n,)
        Empty where the decision rule abstains or the row could not be read.
    errors : tuple of str or None, length n
        Why a row could not be read.
    sets : tuple of (list of str or None), length n, optional
        The names of the classes in the set of each row, None for a row that could not be read; no tuple where the
        model's decision rule has no sets.
    """

    start: int
    logits: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    errors: tuple[str | None, ...]
    sets: tuple[list[str] | None, ...] | None = None


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
    def load(
        cls, run_folder: str | Path, device: str | torch.device = "cpu", *, trust_model: bool = False
    ) -> Predictor:
        """Read the model of a run folder.

        Parameters
        ----------
        run_folder : path
        device : str or torch.device
        trust_model : bool
            Read a network that is not built from parts of imbtk alone, too: that may run any code from the folder.

        Raises
        ------
        RunFolderError
            If it is incomplete, from a newer version, or needs trust that it is not given.
        """
        network, description = load_network(Path(run_folder) / "model", device, trust_model=trust_model)
        for part in network.modules():
            if isinstance(part, Network):
                part.channels_last = prefers_channels_last(part)
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

    def at_deployment(self, prior: str) -> Predictor:
        """Return the same model with its probabilities at another deployment prior.

        Rules that look at probabilities (``cost``, ``--decide deploy``) decide by the moved ones; the trained decision
        and fitted thresholds stay.

        Parameters
        ----------
        prior : str
            ``natural``, ``uniform``, or ``"benign=0.9,malignant=0.1"``.

        Raises
        ------
        OptionError
            If it is no prior of the model's classes.
        """
        natural = np.asarray(self.description["natural_prior"], dtype=np.float64)
        now = np.asarray(self.description["deployment_prior"], dtype=np.float64)
        wanted = parse_deployment(prior, self.class_names, natural)
        return dataclasses.replace(
            self,
            calibration=deployed(self.calibration, now, wanted),
            description={**self.description, "deployment_prior": wanted.tolist()},
        )

    def predict(self, x: Any) -> np.ndarray:
        """Return the class name of each sample, (N,); an empty text where the decision rule abstains."""
        logits = self.logits(x)
        return self.decided_names(logits, self.calibration.probabilities(logits))

    def predict_sets(self, x: Any) -> list[list[str]]:
        """Return the names of the classes in the set of each sample, length N.

        Raises
        ------
        OptionError
            If the model was trained without a strategy that makes sets.
        """
        if self.decision.sets is None:
            raise OptionError(
                "this model has no sets of classes: it was trained without a strategy that makes them. `imbtk "
                "strategies` lists those of probabilities and decisions."
            )
        return self.decision.named_sets(self.logits(x), self.class_names)

    def decided_names(self, logits: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the class name that the decision rule picks for each row (N,); empty where it abstains."""
        decided = self.decision.decide(logits, probabilities)
        return np.array([*self.class_names, ""], dtype=object)[np.where(decided == ABSTAIN, -1, decided)]

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return calibrated probabilities, (N, K) float64."""
        return self.calibration.probabilities(self.logits(x))

    def predict_stream(
        self, rows: NewRows | Sequence[str | Path], on_samples: Callable[[torch.Tensor], object] | None = None
    ) -> Iterator[PredictedRows]:
        """Yield answers for rows of any number, a stretch at a time; what cannot be read is an answer too.

        Parameters
        ----------
        rows : NewRows or sequence of path
            From :func:`imbtk.data.new_rows.new_rows`, or image files.
        on_samples : callable, optional
            Shown the readable samples of each stretch, as the training had them before normalisation.

        Raises
        ------
        DataError
            If the rows as a whole are not of the form that the model was trained on.
        """
        if not isinstance(rows, NewRows):
            rows = NewRows(tuple(map(str, rows)), tuple(map(Path, rows)))
        parts = self._decoded(rows) if rows.files is not None else self._encoded(rows)
        start = 0
        for samples, errors in parts:
            logits = np.full((len(errors), len(self.class_names)), np.nan)
            probabilities, names = logits.copy(), np.full(len(errors), "", dtype=object)
            good = np.array([error is None for error in errors])
            sets: list[list[str] | None] = [None] * len(errors)
            if samples is not None:
                if on_samples is not None:
                    on_samples(samples)
                logits[good] = self._forward(samples)
                probabilities[good] = self.calibration.probabilities(logits[good])
                names[good] = self.decided_names(logits[good], probabilities[good])
                if self.decision.sets is not None:
                    found = self.decision.named_sets(logits[good], self.class_names)
                    for i, classes in zip(np.flatnonzero(good), found, strict=True):
                        sets[i] = classes
            given = None if self.decision.sets is None else tuple(sets)
            yield PredictedRows(start, logits, probabilities, names, tuple(errors), given)
            start += len(errors)

    def _decoded(self, rows: NewRows) -> Iterator[tuple[torch.Tensor | None, list[str | None]]]:
        """Yield the readable images of each stretch, and what is wrong with the others; one stretch is read ahead."""
        # Plugins of Pillow register when first used, which two threads must not do at once.
        Image.init()
        with ThreadPoolExecutor(available_cores()) as pool:

            def begin(start: int) -> list[Future[np.ndarray | str]]:
                return [pool.submit(self._read, file) for file in rows.part(start, start + STREAM_BATCH)]

            ahead = begin(0)
            for start in range(0, len(rows), STREAM_BATCH):
                reading, ahead = ahead, begin(start + STREAM_BATCH)
                found = [future.result() for future in reading]
                images = [image for image in found if not isinstance(image, str)]
                samples = torch.from_numpy(np.stack(images)) if images else None
                yield samples, [image if isinstance(image, str) else None for image in found]

    def _read(self, file: Path | None) -> np.ndarray | str:
        """Return the pixels of one file, or why there are none."""
        how = self.description["preprocessing"]
        if file is None:
            return "the row names no file"
        try:
            return decode_image(file, int(how["size"]), how["resize"], int(how["channels"]))
        except DataError as error:
            return str(error)

    def _encoded(self, rows: NewRows) -> Iterator[tuple[torch.Tensor | None, list[str | None]]]:
        """Yield the samples of each stretch of an array or table, and what is wrong with single rows of a table."""
        if self.description["kind"] != "table":
            for start in range(0, len(rows), STREAM_BATCH):
                part = rows.part(start, start + STREAM_BATCH)
                yield self._samples(part), [None] * len(part)
            return
        for start in range(0, len(rows), TABLE_BATCH):
            frame = table_frame(rows.part(start, start + TABLE_BATCH), "x", self._columns)
            found = encode_rows(frame, self.description["preprocessing"])
            good = torch.tensor([error is None for error in found.errors])
            yield found.x[good] if good.any() else None, list(found.errors)

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
        return self._forward(self._samples(x))

    def _forward(self, samples: torch.Tensor) -> np.ndarray:
        """Return the logits of samples as the training had them before normalisation, (N, K) float64."""
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        inputs = (self.normalisation.inputs(part).to(device) for part in torch.split(samples, BATCH))
        half = self.description["precision"] == "bf16"
        logits: np.ndarray = forward(self.network, inputs, half=half).double().numpy()
        return logits

    def _samples(self, x: Any) -> torch.Tensor:
        """Return samples as the training had them before normalisation: uint8 images, or encoded table rows."""
        preprocessing = self.description["preprocessing"]
        if self.description["kind"] == "table":
            return encoded_rows(x, "x", preprocessing, self._columns)
        size, channels = int(preprocessing["size"]), int(preprocessing["channels"])
        if isinstance(x, (str, Path)):
            x = [x]
        if isinstance(x, Sequence) and x and all(isinstance(path, (str, Path)) for path in x):
            paths, how = list(x), preprocessing["resize"]
            decoded = on_all_cores(lambda row: decode_image(paths[row], size, how, channels), len(paths), None, "")
            return torch.from_numpy(np.stack(decoded))
        values = sample_array(x, "x")
        if values.ndim == 2 or not len(values):
            raise DataError(
                f"x has the shape {values.shape}; this model takes images of shape "
                f"{tuple(self.description['sample_shape'])}: give (N, H, W), (N, H, W, C), (N, C, H, W), or paths of "
                "image files."
            )
        pixels, _ = pixels_of(values, "x")
        if pixels.shape[1] != channels:
            raise DataError(f"x has {pixels.shape[1]} channels; this model was trained on images with {channels}.")
        return torch.from_numpy(resized(pixels, size, preprocessing["resize"], None))

    @property
    def _columns(self) -> list[str]:
        """Names of the training's columns, which those of an array are."""
        return [column["name"] for column in self.description["preprocessing"]["columns"]]
