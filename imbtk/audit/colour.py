"""Whether colour alone tells the classes apart: the metric that a network has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imbtk.audit.findings import Cell, Finding, FindingTable, Level
from imbtk.audit.subject import AuditedData
from imbtk.authoring.draw import Draw
from imbtk.data.decode import array_to_image
from imbtk.evaluation.intervals import Interval, korn_graubard, mover_mean
from imbtk.wording import listing

__all__ = ["ColourResult", "colour_findings", "colour_histograms", "learn_colour"]

BINS = 16
FOLDS = 5
ROWS = {True: 4000, False: 2000}
"""Images that are looked at, of each class the same number as far as there are: in a check, and in a run."""

_STRENGTH = 0.01
"""Inverse regularisation; as good as any other from 0.01 to 1 with many patients, and better with few."""


@dataclass(frozen=True)
class ColourResult:
    """Balanced accuracy of logistic regression on colour histograms, every patient tested by a model not fitted on it.

    Attributes
    ----------
    sensitivities : dict of str to float
        By class, of the classes that could be tested.
    value : float
        Balanced accuracy: their mean.
    interval : (low, high)
        95 %, given these models.
    rows : int
        Images looked at.
    left_out : tuple of str
        Classes of a single patient, or image.
    """

    sensitivities: dict[str, float]
    value: float
    interval: Interval
    rows: int
    left_out: tuple[str, ...]

    @property
    def chance(self) -> float:
        """Balanced accuracy of any rule that does not look."""
        return 1 / len(self.sensitivities)

    @property
    def level(self) -> Level:
        """A warning where it gets half of the way from chance to perfection, fine where it may be chance."""
        if self.interval[0] <= self.chance:
            return "ok"
        return "warning" if self.value >= (1 + self.chance) / 2 else "note"


def colour_histograms(images: np.ndarray) -> np.ndarray:
    """Return square roots of the shares of hue, saturation and value in 16 bins each, or of grey in 16, (N, D) float64.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
    """
    roots: np.ndarray = np.sqrt(np.stack([_histogram(array_to_image(pixels)) for pixels in images]))
    return roots


def _histogram(image: Image.Image) -> np.ndarray:
    converted = image if image.mode == "L" else image.convert("HSV")
    fine = np.array(converted.histogram(), dtype=np.float64)
    coarse: np.ndarray = fine.reshape(-1, 256 // BINS).sum(axis=1) / (image.width * image.height)
    return coarse


def learn_colour(subject: AuditedData) -> ColourResult | None:
    """Return what colour alone can tell; None if fewer than two classes have two patients (or images)."""
    labels, names = subject.labels, subject.dataset.class_names
    # Identical images must not be on both sides, and are no more than one image.
    units = np.arange(len(labels)) if subject.dataset.groups is None else subject.dataset.groups.numpy()
    testable = [k for k in range(len(names)) if len(np.unique(units[labels == k])) > 1]
    if len(testable) < 2:
        return None
    rows = _balanced_sample(labels, testable, ROWS[subject.thorough])
    features = colour_histograms(subject.dataset.x[rows].numpy())
    predicted = _predict_unseen(features, labels[rows], units[rows], subject)
    right, groups = predicted == labels[rows], None if subject.groups is None else subject.groups[rows]
    values, intervals = [], []
    for k in testable:
        mine = labels[rows] == k
        values.append(float(right[mine].mean()))
        intervals.append(korn_graubard(right[mine], None if groups is None else groups[mine]))
    return ColourResult(
        sensitivities={names[k]: value for k, value in zip(testable, values, strict=True)},
        value=float(np.mean(values)),
        interval=mover_mean(np.array(values), np.array(intervals)),
        rows=len(rows),
        left_out=tuple(name for k, name in enumerate(names) if k not in testable),
    )


def _balanced_sample(labels: np.ndarray, classes: list[int], limit: int) -> np.ndarray:
    """Return row numbers in order, at most so many in all, of each class the same number as far as there are."""
    generator = Draw(0, "colour audit").numpy()
    quota = max(limit // len(classes), 20)
    drawn = [generator.permutation(np.flatnonzero(labels == k))[:quota] for k in classes]
    return np.sort(np.concatenate(drawn))


def _predict_unseen(features: np.ndarray, labels: np.ndarray, units: np.ndarray, subject: AuditedData) -> np.ndarray:
    """Return a class for each row from a model that was fitted without its patient, (n,) int64."""
    predicted = np.full(len(labels), -1, dtype=np.int64)
    folds = list(_folds(labels, units))
    for number, (train, test) in enumerate(folds):
        present = np.unique(labels[train])
        if len(present) < 2:
            predicted[test] = present[0]
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=200))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            predicted[test] = model.fit(features[train], labels[train]).predict(features[test])
        if subject.progress is not None:
            subject.progress("learning from colour alone", number + 1, len(folds))
    return predicted


def _folds(labels: np.ndarray, units: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    fewest = min(int((labels == k).sum()) for k in np.unique(labels))
    count = max(2, min(FOLDS, fewest, len(np.unique(units))))
    with warnings.catch_warnings():
        # It warns of classes with fewer rows than folds, which cannot be.
        warnings.simplefilter("ignore", UserWarning)
        if len(np.unique(units)) == len(units):  # dealt as rows, 200 times as fast
            yield from StratifiedKFold(count, shuffle=True, random_state=0).split(labels, labels)
        else:
            yield from StratifiedGroupKFold(count, shuffle=True, random_state=0).split(labels, labels, units)


def colour_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on colour (brightness, where images are grey), none for tables."""
    if subject.dataset.kind == "table":
        return []
    what = "colour" if subject.dataset.sample_shape[0] == 3 else "brightness"
    result = learn_colour(subject)
    if result is None:
        text = (
            f"Whether {what} alone tells the classes apart cannot be tested: fewer than two classes have two "
            f"{subject.group_nouns}, "
            "one to learn from and one to test on."
        )
        return [Finding("colour", f"{what.capitalize()} alone could not be tested", "note", text)]
    low, high = result.interval
    figure = f"{result.value:.2f} ({low:.2f}–{high:.2f})"
    apart = f"{subject.group_nouns} {'kept apart' if subject.groups is not None else 'not known'}"
    text = (
        f"Logistic regression on {what} histograms alone ({result.rows:,} images, cross-validated, "
        f"{apart}) has a balanced accuracy of {figure}; chance is {result.chance:.2f}. "
    )
    learnt = "stain, light or camera" if what == "colour" else "exposure or background"
    text += (
        f"A network that does not beat that has learnt {learnt}, not structure."
        if result.level != "ok"
        else f"{what.capitalize()} says little of the class."
    )
    if result.left_out:
        text += f" Left out, having a single {subject.group_noun}: {listing([repr(name) for name in result.left_out])}."
    rows: list[tuple[Cell, ...]] = [(name, f"{value:.2f}") for name, value in result.sensitivities.items()]
    table = FindingTable(("class", f"sensitivity by {what} alone"), tuple(rows))
    return [
        Finding("colour", f"{what.capitalize()} alone: balanced accuracy {result.value:.2f}", result.level, text, table)
    ]
