"""The data of ``by_hand.py``: each whole in memory, with the folds on which everybody is trained and tested."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

import imbtk.data
from imbtk.data.dataset import InducedImbalance
from imbtk.data.imbalance import induce

__all__ = ["Data", "Fold", "available"]

PIXELS = 64
DIGITS_IMBALANCE = 20.0
IDC_PATIENTS = 60
"""As many of the 140 as an hour has room for, the first by name."""


@dataclass(frozen=True)
class Fold:
    """Rows of one training and one test side, (n,) and (m,) int64."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Data:
    """Samples, labels from 0, and patients where there are any.

    Attributes
    ----------
    name : str
    kind : "table" or "images"
    x : DataFrame or ndarray of uint8, shape (N, C, H, W)
    y : ndarray of int64, shape (N,)
        With two classes 1 is the rarer one.
    groups : ndarray of int64, shape (N,), optional
    domain : str
        What images show, as imbtk's presets of augmentation are told.
    long_tail : float, optional
        An imbalance that is imposed on the training rows of each fold.
    """

    name: str
    kind: Literal["table", "images"]
    x: Any
    y: np.ndarray
    groups: np.ndarray | None = None
    domain: str = "photo"
    long_tail: float | None = None

    def folds(self, count: int, seed: int) -> list[Fold]:
        """Return folds with all classes in the same shares, patients kept whole."""
        if self.groups is None:
            cuts = StratifiedKFold(count, shuffle=True, random_state=seed).split(self.y, self.y)
        else:
            cuts = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(self.y, self.y, self.groups)
        return [Fold(self._cut(train, seed), test) for train, test in cuts]

    def _cut(self, train: np.ndarray, seed: int) -> np.ndarray:
        if self.long_tail is None:
            return train
        induced = InducedImbalance(self.long_tail, "long-tail", seed)
        kept = induce(torch.from_numpy(self.y), torch.from_numpy(train), induced, int(self.y.max()) + 1)
        return np.asarray(kept.numpy())


def available(
    tables: Path | None, idc: Path | None, breakhis: Path | None, scratch: Path
) -> dict[str, Callable[[], Data]]:
    """Return how to read each data set there is, by name.

    Parameters
    ----------
    tables : Path, optional
        A folder of CSV files, the class in the last column.
    idc : Path, optional
        A folder with ``index.csv`` (member, patient_id, label) and the patches, in a zip file or beside it.
    breakhis : Path, optional
        A folder of BreakHis images.
    scratch : Path
        Where a zip file is unpacked and manifests are written.
    """
    found: dict[str, Callable[[], Data]] = {"breast-cancer": _breast_cancer}
    for path in sorted(tables.glob("*.csv")) if tables else ():
        found[path.stem] = lambda path=path: _table(path)
    found["digits"] = _digits
    if idc is not None:
        found["idc"] = lambda: _idc(idc, scratch)
    if breakhis is not None:
        found["breakhis"] = lambda: _images("breakhis", breakhis)
    return found


def _breast_cancer() -> Data:
    bunch = load_breast_cancer()
    return Data("breast-cancer", "table", pd.DataFrame(bunch.data), 1 - bunch.target.astype(np.int64))


def _table(path: Path) -> Data:
    frame = pd.read_csv(path)
    y = frame.pop(frame.columns[-1])
    for column in frame:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            # Categories, also those that hold a few numbers beside words.
            frame[column] = "=" + frame[column].astype(str).str.strip()
    names = y.value_counts().index
    return Data(path.stem, "table", frame, y.map({name: k for k, name in enumerate(names)}).to_numpy(np.int64))


def _digits() -> Data:
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Data("digits", "images", images, bunch.target.astype(np.int64), None, "digits", DIGITS_IMBALANCE)


def _idc(folder: Path, scratch: Path) -> Data:
    root = folder
    for archive in sorted(folder.glob("*.zip")):
        root = scratch / archive.stem
        if not root.exists():
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(root)
    index = pd.read_csv(folder / "index.csv", dtype={"patient_id": str})
    index = index[index.patient_id.isin(sorted(index.patient_id.unique())[:IDC_PATIENTS])]
    manifest = pd.DataFrame(
        {"path": index.member, "label": index.label.map({0: "none", 1: "idc"}), "patient": index.patient_id}
    )
    manifest.to_csv(root / "manifest.csv", index=False)
    return _images("idc", root / "manifest.csv", group_column="patient", domain="histology")


def _images(name: str, source: Path, **options: Any) -> Data:
    """Read images as ``imbtk run`` does; everybody gets these same pixels."""
    read = imbtk.data.load(str(source), imbtk.data.DataOptions(image_size=PIXELS, **options))
    rarer = int(read.class_counts.argmin())
    y = (read.labels == rarer).numpy().astype(np.int64)
    groups = None if read.groups is None else read.groups.numpy()
    return Data(name, "images", read.x.numpy(), y, groups, read.domain)
