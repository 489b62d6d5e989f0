"""The statistics of ``by_hand.py``, and its tables in Markdown."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn
import torch
from by_hand_data import Data
from by_hand_methods import METHODS, OPPONENT, OURS
from scipy import stats

import imbtk

__all__ = ["Records", "corrected_t_test", "document", "holm"]

Records = dict[tuple[str, str], dict[str, dict[tuple[int, int], dict[str, float]]]]
"""(kind, data) to method to (seed, fold) to figures."""

METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "log_loss": "log-loss",
}


@dataclass(frozen=True)
class Difference:
    """imbtk minus its opponent on one data set, in one figure."""

    kind: str
    data: str
    method: str
    metric: str
    mean: float
    p: float

    @property
    def worse(self) -> bool:
        """Whether the difference is to imbtk's disadvantage."""
        return self.mean > 0 if self.metric == "log_loss" else self.mean < 0


def corrected_t_test(differences: np.ndarray, test_share: float) -> float:
    """Return the two-sided p-value of paired differences (J,) of folds that share training rows.

    Parameters
    ----------
    differences : ndarray of float64, shape (J,)
    test_share : float
        Test rows over training rows.

    References
    ----------
    Nadeau & Bengio 2003, "Inference for the generalization error", equation 14.
    """
    spread = float(differences.var(ddof=1)) if len(differences) > 1 else 0.0
    if spread == 0:
        return 1.0 if not len(differences) or differences[0] == 0 else 0.0
    t = differences.mean() / np.sqrt((1 / len(differences) + test_share) * spread)
    return float(2 * stats.t.sf(abs(t), len(differences) - 1))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values (m,) adjusted by Holm's method."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _differences(records: Records, folds: int) -> list[Difference]:
    found = []
    for (kind, data), methods in records.items():
        for method in OURS[kind]:
            pairs = sorted(methods.get(method, {}).keys() & methods.get(OPPONENT[kind], {}).keys())
            for metric in METRICS if len(pairs) > 1 else ():
                ours, theirs = (
                    np.array([methods[name][pair][metric] for pair in pairs]) for name in (method, OPPONENT[kind])
                )
                p = corrected_t_test(ours - theirs, 1 / (folds - 1))
                found.append(Difference(kind, data, method, metric, float((ours - theirs).mean()), p))
    return found


def document(everything: Mapping[str, Data], records: Records, folds: int) -> str:
    """Return everything as Markdown."""
    differences = _differences(records, folds)
    adjusted = holm(np.array([d.p for d in differences]))
    parts = [_machine()]
    for kind, title in (("table", "Tables"), ("images", "Images")):
        names = [data for known, data in records if known == kind]
        if names:
            parts.append(f"### {title}\n")
            parts += [_data_table(everything[name], records[(kind, name)], folds) for name in names]
            parts.append(_means(kind, names, records))
    parts.append(_verdicts(differences, adjusted))
    return "\n".join(parts)


def _machine() -> str:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {model}, {os.cpu_count()} cores, a thread for each training; "
        f"imbtk {imbtk.__version__}, torch {torch.__version__.partition('+')[0]}, scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}.\n"
    )


def _mean(found: Mapping[tuple[int, int], Mapping[str, float]], metric: str) -> float:
    return float(np.mean([figures[metric] for figures in found.values()]))


def _data_table(data: Data, methods: Mapping[str, Mapping[tuple[int, int], Mapping[str, float]]], folds: int) -> str:
    counts = np.bincount(data.y)
    groups = "" if data.groups is None else f", {len(np.unique(data.groups))} patients kept apart"
    classes = f"{counts[1]:,} of them positive" if len(counts) == 2 else f"{len(counts)} classes"
    tail = "" if data.long_tail is None else f", training rows cut to a long tail of {data.long_tail:g}"
    seeds = max(len({seed for seed, _ in found}) for found in methods.values())
    lines = [
        f"**{data.name}**: {len(data.y):,} rows, {classes}{groups}{tail}; {seeds} × {folds} folds\n",
        "| method | " + " | ".join(METRICS.values()) + " | CPU seconds |",
        "| --- |" + " --- |" * (len(METRICS) + 1),
    ]
    for name in METHODS[data.kind]:
        if name in methods:
            cells = " | ".join(f"{_mean(methods[name], metric):.3f}" for metric in METRICS)
            lines.append(f"| {name} | {cells} | {_mean(methods[name], 'seconds'):.1f} |")
    return "\n".join(lines) + "\n"


def _means(kind: str, names: list[str], records: Records) -> str:
    """Return the mean over data sets, and the mean ratio of log-losses to the opponent's."""
    lines = [
        f"**Mean over {len(names)} data sets**\n",
        "| method | " + " | ".join(METRICS.values()) + f" | log-loss over that of {OPPONENT[kind]} |",
        "| --- |" + " --- |" * (len(METRICS) + 1),
    ]
    for method in METHODS[kind]:
        if not all(method in records[(kind, name)] for name in names):
            continue
        rows = [records[(kind, name)] for name in names]
        cells = " | ".join(f"{np.mean([_mean(row[method], metric) for row in rows]):.3f}" for metric in METRICS)
        ratios = [_mean(row[method], "log_loss") / _mean(row[OPPONENT[kind]], "log_loss") for row in rows]
        lines.append(f"| {method} | {cells} | {np.exp(np.mean(np.log(ratios))):.3f} |")
    return "\n".join(lines) + "\n"


def _verdicts(differences: list[Difference], adjusted: np.ndarray) -> str:
    lines = [
        "### imbtk minus its opponent\n",
        f"Two-sided p-values of the corrected paired t-test; Holm over all {len(differences)} cells. Positive is "
        "better, but for log-loss.\n",
        "| data | plan | figure | difference | p | p, Holm | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for difference, p in zip(differences, adjusted, strict=True):
        verdict = ("**worse**" if difference.worse else "better") if p < 0.05 else ""
        lines.append(
            f"| {difference.data} | {difference.method.removeprefix('imbtk: ')} | {METRICS[difference.metric]} | "
            f"{difference.mean:+.3f} | {difference.p:.3f} | {p:.3f} | {verdict} |"
        )
    worse = sum(d.worse and p < 0.05 for d, p in zip(differences, adjusted, strict=True))
    return "\n".join(lines) + f"\n\n{worse} of {len(differences)} cells are worse with Holm's adjustment.\n"
