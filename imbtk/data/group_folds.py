"""Cuts of rows into parts with like class shares, whole groups at a time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np

from imbtk.data.dataset import Dataset
from imbtk.errors import DataError

__all__ = ["GroupPool"]

_WORK = 2_000_000
"""Groups times draws that a hold-out may cost: 200 draws of up to 10,000 groups, at least 5 of any number."""

_DEALS = 5
"""How many ways to deal groups into folds are tried."""


class GroupPool:
    """Rows that can be cut in two, with the classes and groups that they have.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int64, shape (n,)
    """

    def __init__(self, dataset: Dataset, rows: np.ndarray) -> None:
        self.rows = rows
        classes, self.labels = np.unique(dataset.labels.numpy()[rows], return_inverse=True)
        self.class_names = [dataset.class_names[c] for c in classes]
        own = rows if dataset.groups is None else dataset.groups.numpy()[rows]
        names, self.groups = np.unique(own, return_inverse=True)
        self.grouped = len(names) < len(rows)
        # What a group has of a class, as pairs: a table of G times K would not fit in memory for many of both.
        pairs, self.first, self.pair_rows = np.unique(
            self.groups * len(classes) + self.labels, return_index=True, return_counts=True
        )
        self.pair_group, self.pair_class = np.divmod(pairs, len(classes))
        self.size = len(names)
        self.class_rows, self.class_groups = self._counts(np.ones(self.size, dtype=bool))

    def _counts(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and groups of each class, (K,) each, among the chosen groups, bool (G,)."""
        pairs = chosen[self.pair_group]
        classes, width = self.pair_class[pairs], len(self.class_names)
        rows = np.bincount(classes, weights=self.pair_rows[pairs], minlength=width)
        return rows, np.bincount(classes, minlength=width)

    def cut(self, share: float, leave: int, generator: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """Return (the other rows, about `share` of the rows), with `leave` groups of each class among the first.

        Raises
        ------
        DataError
            If a class has too few groups, or no such cut is found.
        """
        self._check_enough(leave + 1, "train, validation and test need" if leave == 2 else "the cut in two needs")
        best, chosen = math.inf, None
        for taken in self._draws(share, leave, generator):
            cut, here = self._counts(taken)
            class_error = np.abs(cut / self.class_rows - share).max()
            error = class_error + abs(cut.sum() / len(self.rows) - share)
            if here.min() >= 1 and (self.class_groups - here).min() >= leave and error < best:
                best, chosen = error, taken
                if class_error <= share / 10:
                    break
        mask = self._found(chosen)[self.groups]
        return self.rows[~mask], self.rows[mask]

    def _draws(self, share: float, leave: int, generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """Yield ways to choose groups, bool (G,)."""
        size = self.size
        # A group stands with the rarest class that it holds: that class has the fewest other groups to choose from.
        rarity = np.argsort(np.argsort(self.class_groups, kind="stable"))
        order = np.lexsort((rarity[self.pair_class], self.pair_group))
        rarest = order[np.unique(self.pair_group[order], return_index=True)[1]]
        key, weight = self.pair_class[rarest], self.pair_rows[rarest]
        heads = np.bincount(key, minlength=len(rarity))
        aim = share * np.bincount(key, weights=weight, minlength=len(rarity))
        for _ in range(1 if generator is None else min(max(_WORK // size, 5), 200)):
            order = np.arange(size)[::-1] if generator is None else generator.permutation(size)
            # Where to round up: a half, or at random, so that many small classes do not all round the same way.
            step = np.full(len(rarity), 0.5) if generator is None else generator.random(len(rarity))
            order = order[np.argsort(key[order], kind="stable")]
            kind, rows = key[order], weight[order]
            place = np.arange(size) - (np.cumsum(heads) - heads)[kind]
            before = np.cumsum(rows) - rows
            before = before - before[(np.cumsum(heads) - heads)[kind]]
            wanted = (before + step[kind] * rows < aim[kind]) | (place == 0)
            taken = np.zeros(size, dtype=bool)
            taken[order] = wanted & (place < heads[kind] - leave)
            yield taken

    def folds(self, k: int, leave: int, generator: np.random.Generator | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return k pairs (the other rows, the fold), with `leave` groups of each class among the first.

        Raises
        ------
        DataError
            If a class has too few groups, or no such folds are found.
        """
        self._check_enough(2 * leave if k == 2 else k, f"folds={k} needs")
        best, chosen = math.inf, None
        for fold in self._deals(k, generator):
            parts = [self._counts(fold == i) for i in range(k)]
            here = np.stack([groups for _, groups in parts])
            error = max(np.abs(rows / self.class_rows - 1 / k).max() for rows, _ in parts)
            if here.min() >= 1 and (self.class_groups - here).min() >= leave and error < best:
                best, chosen = error, fold
        side = self._found(chosen)[self.groups]
        return [(self.rows[side != i], self.rows[side == i]) for i in range(k)]

    def _deals(self, k: int, generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """Yield ways to deal the groups into k folds: the fold of each group, int64 (G,)."""
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        make = StratifiedGroupKFold if self.grouped else StratifiedKFold
        for _ in range(1 if generator is None or self.size > 1000 else _DEALS):
            seen, seed = np.arange(len(self.rows)), None
            if generator is not None:
                seed = int(generator.integers(2**31))
                seen = self._half(generator) if self.grouped else seen
            fold = np.zeros(self.size, dtype=np.int64)
            labels, groups = self.labels[seen], self.groups[seen]
            with warnings.catch_warnings():
                # A class with fewer rows than folds: it has enough groups, and what comes out is looked at above.
                warnings.simplefilter("ignore", UserWarning)
                folder = make(k, shuffle=seed is not None, random_state=seed)
                for i, (_, side) in enumerate(folder.split(labels, labels, groups if self.grouped else None)):
                    fold[groups[side]] = i
            yield fold

    def _half(self, generator: np.random.Generator) -> np.ndarray:
        """Return about half of the rows, with every class of every group among them, (m,) int64.

        ``StratifiedGroupKFold`` deals groups in the order of their sizes and shuffles ties only, so that every seed
        would make the same folds. Half of the rows leave the shares about as they are and shuffle the sizes.
        """
        seen = generator.random(len(self.rows)) < 0.5
        seen[self.first] = True
        return np.flatnonzero(seen)

    def _found(self, chosen: np.ndarray | None) -> np.ndarray:
        if chosen is None:
            rare = sorted(zip(self.class_groups.tolist(), self.class_names, strict=True))[:3]
            raise DataError(
                "stratified-split found no way to keep groups whole with every class on every side: "
                + ", ".join(f"class '{name}' has {count} groups" for count, name in rare)
                + ", and some groups hold several classes or very many rows. Merge rare classes, leave them out, or "
                "bring the split with the data."
            )
        return chosen

    def _check_enough(self, needed: int, what: str) -> None:
        word = "group" if self.grouped else "row"
        pairs = zip(self.class_names, self.class_groups.tolist(), strict=True)
        few = [(name, count) for name, count in pairs if count < needed]
        if few:
            least = min(count for _, count in few)
            folds = f"use folds={least}, " if what.startswith("folds") and least >= 3 else ""
            raise DataError(
                ", ".join(f"class '{name}' has {count} {word}{'s' * (count != 1)}" for name, count in few)
                + f", but {what} at least {needed} of each class, so that each side has one"
                + (" (a group is never divided)" if self.grouped else "")
                + f": {folds}merge the class with another, leave it out, or bring more {word}s of it."
            )
