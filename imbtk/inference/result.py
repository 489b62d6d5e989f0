"""A run folder as an object: what came of a run, and the model that uses it."""

from __future__ import annotations

import csv
import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from imbtk.errors import RunFolderError
from imbtk.inference.predictor import Predictor
from imbtk.report.old_plots import OldPlots
from imbtk.runs.format import HISTORY, METRICS
from imbtk.runs.metrics import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunResult", "load"]


def load(folder: str | Path, *, trust_model: bool = False) -> RunResult:
    """Return what a run left behind, from its folder; the same object that :func:`imbtk.run` returns.

    Parameters
    ----------
    folder : path
        A run folder.
    trust_model : bool
        Predict with a network that is not built from parts of imbtk alone, too. torch reads such a network through
        pickle, which runs whatever code the folder holds: only for folders from people whom you trust.

    Raises
    ------
    RunFolderError
        If it is none.

    Examples
    --------
    >>> import imbtk
    >>> imbtk.load("runs/first").predict(["new/scan.png"])  # doctest: +SKIP
    array(['malignant'], dtype=object)
    """
    return RunResult(folder, trust_model=trust_model)


class RunResult(OldPlots):
    """What a run left behind.

    Parameters
    ----------
    folder : path
        A run folder.
    trust_model : bool
        As in :func:`load`.

    Raises
    ------
    RunFolderError
        If it is none.
    """

    _old_plots: ClassVar = {
        "plot_confusion": "confusion_{side}_per_{per}",
        "plot_sensitivity": "sensitivity_test_per_{per}",
        "plot_roc": "roc_test_per_{per}",
        "plot_precision_recall": "precision_recall_test_per_{per}",
        "plot_reliability": "reliability_test_per_{per}",
        "plot_classes": "class_distribution",
        "plot_learning": "learning_loss",
        "plot_gallery": "gallery",
    }

    def __init__(self, folder: str | Path, *, trust_model: bool = False) -> None:
        self.folder, self._trust_model = Path(folder), trust_model
        if not (self.folder / METRICS).is_file():
            raise RunFolderError(f"'{folder}' is no run folder: it has no metrics.json.")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: every figure with its interval, for validation and test rows."""
        return read_metrics(self.folder / METRICS)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One record for each epoch: loss, learning rate, validation figures."""
        with (self.folder / HISTORY).open(encoding="utf-8", newline="") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]

    @cached_property
    def predictor(self) -> Predictor:
        """The trained model with its preprocessing, calibration and decision."""
        return Predictor.load(self.folder, trust_model=self._trust_model)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return calibrated probabilities (N, K) for new samples: arrays, a DataFrame, or paths of images."""
        return self.predictor.predict_proba(x)

    def predict(self, x: Any) -> np.ndarray:
        """Return the class name of each new sample, (N,); an empty text where the decision rule abstains."""
        return self.predictor.predict(x)

    def predict_sets(self, x: Any) -> list[list[str]]:
        """Return the names of the classes in the set of each new sample, of a model whose decision rule has sets."""
        return self.predictor.predict_sets(x)

    def report(self) -> Path:
        """Make the page anew from the run folder alone; return its path."""
        from imbtk.report.page import make_report

        return make_report(self.folder)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures of the page as matplotlib objects, by the names of their files: ``figures["learning_loss"]``."""
        from imbtk.report.figures import run_figures

        return run_figures(self.folder)

    def __repr__(self) -> str:
        of, figures = "test", self._overall
        if figures is None:
            found = self.metrics.get("estimate", {}).get("figures", ())
            of, figures = "estimated", {figure["metric"]: figure for figure in found}
        value = (figures.get("balanced_accuracy") or {}).get("value")
        shown = "unknown" if value is None else f"{value:.3f}"
        return f"RunResult({str(self.folder)!r}, {of} balanced accuracy {shown})"

    @property
    def _overall(self) -> dict[str, Any] | None:
        """The figures of the test rows; None where all rows were for training."""
        side = self.metrics.get("test")
        return None if side is None else side["per_row"]["overall"]

    def _repr_html_(self) -> str:
        """Return the per-class table of the test rows, for notebooks."""
        rows: list[str] = []
        if self._overall is None:
            return f"<p>{html.escape(repr(self))}</p>"
        for entry in self.metrics["test"]["per_row"]["per_class"]:
            cells = [html.escape(entry["name"]), str(entry["support"])]
            cells += [_cell(entry[name]) for name in ("sensitivity", "specificity", "precision", "f1")]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th>{h}</th>" for h in ("class", "support", "sensitivity", "specificity", "precision", "F1"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(figure: dict[str, Any]) -> str:
    if figure.get("value") is None:
        return f'<span title="{html.escape(str(figure.get("reason", "")))}">–</span>'
    interval = figure.get("interval")
    return f"{figure['value']:.3f}" + (f" ({interval[0]:.2f}–{interval[1]:.2f})" if interval else "")
