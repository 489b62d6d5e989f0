"""How many rows each class has, and how unequal they are."""

from __future__ import annotations

import numpy as np

from imbtk.audit.findings import Cell, Finding, FindingTable
from imbtk.audit.subject import AuditedData
from imbtk.wording import per_cent, plural, ratio_text

__all__ = ["BETA", "class_findings", "effective_number_of_samples"]

BETA = 0.999
"""β of the effective number of samples, the default of ``class-weights:scheme=effective``."""


def effective_number_of_samples(counts: np.ndarray, beta: float = BETA) -> np.ndarray:
    """Return how many samples the samples of each class are worth, (K,) float64.

    Parameters
    ----------
    counts : ndarray of int64, shape (K,)
    beta : float in (0, 1)

    References
    ----------
    Cui et al. 2019, "Class-balanced loss based on effective number of samples", Proposition 1:
    ``E_n = (1 - β^n) / (1 - β)``.

    Examples
    --------
    >>> effective_number_of_samples(np.array([1, 2]), 0.9).round(3).tolist()
    [1.0, 1.9]
    """
    numbers: np.ndarray = (1 - np.power(beta, counts)) / (1 - beta)
    return numbers


def class_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on class counts."""
    dataset = subject.dataset
    counts = dataset.class_counts.numpy()
    effective = effective_number_of_samples(counts)
    order = np.argsort(-counts, kind="stable").tolist()
    rows: list[tuple[Cell, ...]] = [
        (
            dataset.class_names[k],
            int(counts[k]),
            per_cent(counts[k] / counts.sum()),
            round(float(counts.max() / counts[k]), 1),
            round(float(effective[k]), 1),
        )
        for k in order
    ]
    factor = float(counts.max() / counts.min())
    rare, common = dataset.class_names[int(counts.argmin())], dataset.class_names[int(counts.argmax())]
    text = f"{plural(len(dataset), subject.noun)} in {plural(dataset.num_classes, 'class')}."
    if factor > 1:
        text += (
            f" The most frequent one, '{common}', has {ratio_text(factor)} times as many as the rarest, '{rare}' "
            f"({plural(int(counts.min()), subject.noun)}). Effective numbers are those of Cui et al. 2019 with "
            f"β = {BETA}; by them the factor is {ratio_text(float(effective.max() / effective.min()))}."
        )
    if dataset.induced is not None:
        text += (
            f" These are the data as they are: training rows are cut to a factor of {dataset.induced.factor:g} after "
            "the split."
        )
    columns = ("class", f"{subject.noun}s", "share", "most frequent / this", "effective number")
    title = f"Imbalance factor {ratio_text(factor)}" if factor > 1 else "All classes are of one size"
    return [Finding("classes", title, "note" if factor >= 1.5 else "ok", text, FindingTable(columns, tuple(rows)))]
