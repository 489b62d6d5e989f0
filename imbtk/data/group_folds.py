"""Deals of rows into parts with like class shares, whole groups at a time: folds, hold-outs, validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, cycle, islice

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack

from imbtk.data.dataset import Dataset
from imbtk.errors import DataError

__all__ = ["GroupPool"]

_UNIT = 2.0**20
"""What all rows of a class count. Whole numbers are added without rounding, in any order, and so on any processor."""

_SIZE_WEIGHT = 4.0
"""What the size of a part weighs beside one class, as squares."""

_MISSING = 64 * _UNIT**2
"""What a group too few of a class costs: more than any exchange can gain in evenness."""

_STARTS = 5
"""How many deals are made to choose from, where all groups are looked at."""

_ALL = 2_000
"""Up to so many groups, all are looked at for exchanges; of more, some of each class at a time."""

_SOME, _TURNS = 500, 20
"""How many groups are looked at in one turn where there are more, and how many turns are taken."""

_CELLS = 4_000_000
"""Numbers in the table of the groups looked at."""

_LOOKS, _WORK = 10_000, 10**11
"""How many times a deal searches two parts for an exchange, and groups² times numbers of each that this may cost."""


class GroupPool:
    """Rows that can be dealt into parts, with the classes and groups that they have.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int64, shape (n,)

    Notes
    -----
    A group stands with the rarest class that it holds. Groups are laid out class by class, in the order of their sizes
    (each multiplied by a random number between 1 and 2), and go round the parts as often as the shares say. Then the
    best exchange of two groups between two parts, or of a group for nothing, is made until there is none: the one
    that most lessens the sum of squares of what the parts miss of their shares of each class and of all rows. Of five
    such deals the one is taken whose worst class and worst size are off least.

    Rows without groups are laid out only, which leaves no class further than a row from its share. More than 2,000
    groups are dealt once, and looked at some at a time, as many that stand with each class.
    """

    def __init__(self, dataset: Dataset, rows: np.ndarray) -> None:
        self.rows = rows
        classes, label = np.unique(dataset.labels.numpy()[rows], return_inverse=True)
        self.class_names = [dataset.class_names[c] for c in classes]
        own = rows if dataset.groups is None else dataset.groups.numpy()[rows]
        names, self._group = np.unique(own, return_inverse=True)
        self.grouped = len(names) < len(rows)
        counts = coo_array((np.ones(len(rows)), (self._group, label)), shape=(len(names), len(classes))).tocsr()
        self._sizes = np.bincount(self._group)
        self.class_groups = np.bincount(counts.indices, minlength=len(classes))
        rarity = np.argsort(np.argsort(self.class_groups, kind="stable"))
        self._stands_with = np.minimum.reduceat(rarity[counts.indices], counts.indptr[:-1])
        # Of each group: its share of each class and of all rows, and whether it holds the class. Sparse, since a table
        # of groups times classes would not fit in memory for many of both.
        shares = hstack([counts / np.bincount(label), self._sizes[:, None] / len(rows)]) * _UNIT
        shares.data = np.maximum(np.rint(shares.data), 1)
        self._table: csr_array = hstack([shares, counts.astype(bool)], format="csr", dtype=np.float64)

    def cut(self, share: float, leave: int, generator: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """Return (the other rows, about `share` of the rows), with `leave` groups of each class among the first.

        Parameters
        ----------
        share : float
        leave : int
        generator : Generator, optional
            None: the order of rows and groups decides.

        Raises
        ------
        DataError
            If a class has too few groups, or no such cut is found.
        """
        self._check_enough(leave + 1, "train, validation and test need" if leave == 2 else "the cut in two needs")
        part = self._strict((1 - share, share), (leave, 1), generator)
        return self.rows[part == 0], self.rows[part == 1]

    def folds(self, k: int, leave: int, generator: np.random.Generator | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return k pairs (the other rows, the fold), with `leave` groups, 1 or 2, of each class among the first.

        Parameters
        ----------
        k, leave : int
        generator : Generator, optional
            None: the order of rows and groups decides.

        Raises
        ------
        DataError
            If a class has too few groups, or no such folds are found.
        """
        least = leave if k == 2 else 1
        self._check_enough(k * least, f"folds={k} needs")
        part = self._strict([1 / k] * k, [least] * k, generator)
        return [(self.rows[part != i], self.rows[part == i]) for i in range(k)]

    def deal(
        self, shares: Sequence[float], least: Sequence[int], generator: np.random.Generator | None
    ) -> tuple[np.ndarray, bool]:
        """Return the part of each row, (n,) int64, and whether each part has as many groups of each class as it needs.

        Parameters
        ----------
        shares : sequence of float
            Of each part, together 1.
        least : sequence of int
            Groups of each class that a part needs; where there are too few, the first part goes before the others.
        generator : Generator, optional
            None: the order of rows and groups decides.
        """
        share, need = np.array(shares), np.array(least)
        few, found = len(self._sizes) <= min(_ALL, _CELLS // self._table.shape[1]), []
        for _ in range(_STARTS if self.grouped and few and generator is not None else 1):
            part, order = self._laid_out(share, need, generator)
            for turn in range(self.grouped * (1 if few else _TURNS)):
                seen = order if few else self._some(order, turn)
                looks = min(_LOOKS, _WORK // (len(seen) ** 2 * self._table.shape[1] + 1))
                part[seen] = self._exchanged(part, seen, share, need, looks if few else looks // _TURNS)
            found.append((*self._faults(part, share, need), part))
        missing, _, part = min(found, key=lambda deal: deal[:2])
        return part[self._group], not any(missing)

    def _laid_out(
        self, shares: np.ndarray, least: np.ndarray, generator: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the part of each group as they go round, and the order in which they went, (G,) int64 each."""
        number, classes = len(self._sizes), len(self.class_names)
        noise, start = (0, 0) if generator is None else (generator.random(number), int(generator.integers(100)))
        order = np.lexsort((self._sizes * (1 + noise), self._stands_with))
        stands_with = self._stands_with[order]
        part = _rounds(shares, start + number)[start:]
        _mend(part, stands_with, classes, least)
        if not self.grouped:
            # Rows are alike: without a generator the last ones of each class go into the last part.
            part = part[np.lexsort((part, stands_with))]
        dealt = np.empty(number, dtype=np.int64)
        dealt[order] = part
        return dealt, order

    def _some(self, order: np.ndarray, turn: int) -> np.ndarray:
        """Return some groups of the order, as many that stand with each class, of all sizes, others in each turn."""
        classes, stands_with = len(self.class_names), self._stands_with[order]
        quota = min(max(_SOME // classes, 1), _CELLS // self._table.shape[1] // classes)
        place = np.arange(len(order)) - np.searchsorted(stands_with, stands_with) + turn
        heads = np.bincount(stands_with)[stands_with]
        some: np.ndarray = order[place * quota % heads < quota]
        return some

    def _held(self, part: np.ndarray, parts: int) -> np.ndarray:
        """Return the sums of the table over each part, (P, 2 K + 1)."""
        member = coo_array((np.ones(len(part)), (part, np.arange(len(part)))), shape=(parts, len(part)))
        sums: np.ndarray = (member.tocsr() @ self._table).toarray()
        return sums

    def _faults(self, part: np.ndarray, shares: np.ndarray, least: np.ndarray) -> tuple[tuple[float, ...], float]:
        """Return how many groups of classes each part lacks, and by how much worst class and worst size are off."""
        held, classes = self._held(part, len(shares)), len(self.class_names)
        missing = np.maximum(least[:, None] - held[:, classes + 1 :], 0).sum(axis=1)
        mine = held[:, : classes + 1]
        off = np.abs(mine / mine.sum(axis=0) / shares[:, None] - 1)
        return tuple(missing.tolist()), float(off[:, :-1].max() + off[:, -1].max())

    def _exchanged(
        self, part: np.ndarray, seen: np.ndarray, shares: np.ndarray, least: np.ndarray, looks: int
    ) -> np.ndarray:
        """Return the part of each group of `seen`, (S,) int64, after all exchanges that gain."""
        parts, classes, nothing = len(shares), len(self.class_names), len(seen)
        held = self._held(part, parts)
        held[:, : classes + 1] -= np.rint(shares[:, None] * held[:, : classes + 1].sum(axis=0))
        # The last group is nothing, and in every part: what is exchanged for it only moves.
        groups, side = np.vstack([self._table[seen].toarray(), np.zeros(2 * classes + 1)]), np.append(part[seen], -1)
        price = _MISSING * np.where(np.arange(parts) == 0, classes + 1, 1)
        pairs, idle = list(combinations(range(parts), 2)), 0
        for p, q in islice(cycle(pairs), looks):
            here, there = (np.append(np.flatnonzero(side == i), nothing) for i in (p, q))
            both = [p, q]
            best = _best_exchange(groups[here], groups[there], held[both], least[both], price[both])
            idle = 0 if best else idle + 1
            if best:
                goes, comes = here[best[0]], there[best[1]]
                held[p] += groups[comes] - groups[goes]
                held[q] += groups[goes] - groups[comes]
                side[goes], side[comes], side[nothing] = q, p, -1
            elif idle == len(pairs):
                break
        return side[:nothing]

    def _strict(
        self, shares: Sequence[float], least: Sequence[int], generator: np.random.Generator | None
    ) -> np.ndarray:
        part, enough = self.deal(shares, least, generator)
        if not enough:
            rare = sorted(zip(self.class_groups.tolist(), self.class_names, strict=True))[:3]
            raise DataError(
                "no way was found to keep groups whole with every class on every side: "
                + ", ".join(f"class '{name}' has {count} groups" for count, name in rare)
                + ", and some groups hold several classes or very many rows. Merge rare classes, leave them out, or "
                "bring the split with the data."
            )
        return part

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


def _rounds(shares: np.ndarray, number: int) -> np.ndarray:
    """Return parts in turn, (number,) int64: of any places in a row each has its share, but for less than one."""
    turns = np.arange(int(number * shares.max()) + 2)[:, None] + 0.5
    # A part comes back after 1 / share places; the first of two that come at once is the first part.
    return np.argsort(turns / shares + 1e-6 * np.arange(len(shares)), axis=None, kind="stable")[:number] % len(shares)


def _mend(part: np.ndarray, stands_with: np.ndarray, classes: int, least: np.ndarray) -> None:
    """Give each part its least number of the groups that stand with a class, the first part before others, in place."""
    parts = len(least)
    heads = np.bincount(stands_with * parts + part, minlength=classes * parts).reshape(classes, parts)
    for k, p in np.argwhere(heads < least):
        giver = int((heads[k] - least).argmax())
        if heads[k, giver] > (least[giver] if giver <= p else 0):
            part[np.flatnonzero((stands_with == k) & (part == giver))[-1]] = p
            heads[k, [giver, p]] += -1, 1


def _best_exchange(
    here: np.ndarray, there: np.ndarray, held: np.ndarray, least: np.ndarray, price: np.ndarray
) -> tuple[int, int] | None:
    """Return which group of one part and which of another to exchange, None if none gains.

    Parameters
    ----------
    here, there : ndarray of float64, shape (A, 2 K + 1) and (B, 2 K + 1)
        What the groups of the two parts hold.
    held : ndarray of float64, shape (2, 2 K + 1)
        What the two parts hold more than their shares, and their groups of each class.
    least, price : ndarray, shape (2,)
        Groups of a class that a part needs, and what each that is missing costs.

    Notes
    -----
    With d what a part holds too much and x, y what two groups hold, Σ d² of both parts changes by
    2 (y - x)·(d₁ - d₂) + 2 |y - x|²: a number for each group, and one product for each two. So does what is missing,
    since a class is lost (or won) where one of the two groups holds it and the other does not.
    """
    classes = held.shape[1] // 2
    missed, heads = held[:, : classes + 1], held[:, classes + 1 :]
    weight = np.append(np.ones(classes), _SIZE_WEIGHT)
    pull = 2 * weight * (missed[0] - missed[1])
    loses, wins = (price[:, None] * compare(heads, least[:, None]) for compare in (np.less_equal, np.less))
    leaves = here @ np.append(-pull, loses[0] - wins[1]) + 2 * here[:, : classes + 1] ** 2 @ weight
    comes = there @ np.append(pull, loses[1] - wins[0]) + 2 * there[:, : classes + 1] ** 2 @ weight
    cost = here * np.append(-4 * weight, (wins - loses).sum(axis=0)) @ there.T + leaves[:, None] + comes
    one, other = np.unravel_index(int(cost.argmin()), cost.shape)
    return (int(one), int(other)) if cost[one, other] < 0 else None
