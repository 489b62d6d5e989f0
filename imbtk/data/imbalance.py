"""An imbalance imposed on the training rows of data that have none, or less."""

from __future__ import annotations

import dataclasses
import math

import torch

from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset, InducedImbalance
from imbtk.data.options import parse_imbalance

__all__ = ["induce", "target_counts", "with_induced"]


def target_counts(counts: torch.Tensor, induced: InducedImbalance) -> torch.Tensor:
    """Return the rows that each class keeps, (K,) int64.

    Parameters
    ----------
    counts : Tensor of int64, shape (K,)
        Rows that there are.
    induced : InducedImbalance

    Notes
    -----
    Long tail: ``n_c = n_max · IF^(-c/(K-1))``; step: n_max in the first half of the classes, ``n_max / IF`` in the
    others (Buda, Maki & Mazurowski 2018, section 2.1). Rounded down as in Cao et al. 2019, at least one row where
    there is one, and never more than there are.

    References
    ----------
    Cui et al. 2019, "Class-balanced loss based on effective number of samples", section 5.1 (long-tailed CIFAR).
    """
    classes = len(counts)
    largest = int(counts.max())
    kept = []
    for c, present in enumerate(counts.tolist()):
        if induced.profile == "step":
            share = 1.0 if c < classes // 2 else 1 / induced.factor
        else:
            share = induced.factor ** (-c / max(classes - 1, 1))
        # Powers are not exact: 500 · 100^-1 must not become 4.
        kept.append(min(present, max(1, math.floor(largest * share + 1e-9))))
    return torch.tensor(kept, dtype=torch.int64)


def induce(labels: torch.Tensor, rows: torch.Tensor, induced: InducedImbalance, num_classes: int) -> torch.Tensor:
    """Return the rows that stay, int64, in the order they had.

    Parameters
    ----------
    labels : Tensor of int64, shape (N,)
        Of the whole data set.
    rows : Tensor of int64, shape (n,)
        Training rows.
    induced : InducedImbalance
    num_classes : int

    Notes
    -----
    Each class has a random order of its own, of which the first rows stay: a larger factor keeps a part of what a
    smaller one keeps, and the other classes have no say.
    """
    of_rows = labels[rows]
    targets = target_counts(torch.bincount(of_rows, minlength=num_classes), induced)
    keep = torch.zeros(len(rows), dtype=torch.bool)
    for c in range(num_classes):
        places = torch.nonzero(of_rows == c)[:, 0]
        generator = Draw(induced.seed, "induce-imbalance", epoch=c).generator()
        keep[places[torch.randperm(len(places), generator=generator)[: int(targets[c])]]] = True
    return rows[keep]


def with_induced(dataset: Dataset, text: str, seed: int, *, is_default: bool = False) -> Dataset:
    """Return the data set with an imbalance to be induced, and the sentence that says so.

    Parameters
    ----------
    dataset : Dataset
    text : str
        ``IF`` or ``IF:profile``.
    seed : int
    is_default : bool
        Whether nobody asked for this factor.

    Raises
    ------
    OptionError
        If `text` is neither.
    """
    factor, profile = parse_imbalance(text)
    if factor == 1:
        return dataset
    form = (
        "n_c = n_max · IF^(-c/(K-1))" if profile == "long-tail" else "the second half of the classes cut to n_max / IF"
    )
    note = (
        f"The imbalance is induced, not natural: training rows are cut to a {profile} with IF = {factor:g} ({form}, "
        f"seed {seed}){', the default of this data set' if is_default else ''}; validation and test rows stay as "
        "they are."
    )
    return dataclasses.replace(dataset, induced=InducedImbalance(factor, profile, seed), notes=(*dataset.notes, note))
