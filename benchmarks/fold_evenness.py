"""How even the splits are that keep groups whole, beside those of scikit-learn on the same groups.

Makes the Markdown table that stands in ``docs/data.md``::

    python benchmarks/fold_evenness.py --structures 200

A structure is 20 to 400 groups whose sizes are geometric or lognormal, with 2 to 6 classes, the rarest up to 50 times
rarer than the commonest, groups of one class or of several. A class is off by |share of its rows in a part / share
of the part - 1|, the size of a part likewise; of each structure the worst class in the worst part counts, and the worst
part's size. Means are over the structures that each way of this number of folds split with every class in every part.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from imbtk import Dataset, Draw, RunContext
from imbtk.comparison.splits import make_splits
from imbtk.errors import DataError
from imbtk.integrations.fold_rows import split_rows
from imbtk_plugins.splits.stratified_split import StratifiedSplit

FOLDS = (3, 5, 10)
SHARE = 0.2
Parts = list[np.ndarray]
Way = Callable[[Dataset, int], Parts]


def structure(seed: int) -> Dataset:
    """Return a data set of one random group structure, each class in at least three groups."""
    rng = np.random.default_rng(seed)
    while True:
        number, width, mean = int(rng.integers(20, 401)), int(rng.integers(2, 7)), rng.uniform(2, 30)
        lognormal = np.ceil(rng.lognormal(np.log(mean), rng.uniform(0.3, 1.2), number)).astype(int)
        sizes = rng.geometric(1 / mean, number) if rng.random() < 0.5 else lognormal
        frequency = rng.uniform(1, 50) ** -np.linspace(0, 1, width)
        frequency /= frequency.sum()
        # Of one class, or drawn from a Dirichlet distribution around the frequencies: the smaller, the purer.
        pure = rng.random(number) < rng.choice([0.0, 0.5, 1.0])
        mixed = rng.dirichlet(np.maximum(frequency * rng.uniform(0.5, 10), 1e-3), number)
        chances = np.where(pure[:, None], np.eye(width)[rng.choice(width, number, p=frequency)], mixed)
        counts = np.stack([rng.multinomial(size, chance) for size, chance in zip(sizes, chances, strict=True)])
        if ((counts > 0).sum(axis=0) >= 3).all():
            break
    groups = np.repeat(np.arange(number), sizes)
    labels = np.repeat(np.tile(np.arange(width), number), counts.ravel())
    names = tuple(f"c{k}" for k in range(width))
    x = torch.zeros(len(labels), 1)
    return Dataset("structure", "table", x, torch.from_numpy(labels), names, groups=torch.from_numpy(groups))


def ours(data: Dataset, seed: int, **options: float) -> Parts:
    """Return the test sides of ``stratified-split``."""
    counts = data.class_counts
    context = RunContext(data.class_names, counts, counts, data.labels, draw=Draw(seed, "stratified-split"))
    return [split.test.numpy() for split in StratifiedSplit(**options).imbtk_split(data, context)]


def theirs(data: Dataset, seed: int, k: int) -> Parts:
    """Return the folds of scikit-learn's ``StratifiedGroupKFold``."""
    folder = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    return [side for _, side in folder.split(data.labels, data.labels, data.groups)]


def shuffled(data: Dataset, seed: int) -> Parts:
    """Return the test side of scikit-learn's ``GroupShuffleSplit``."""
    cut = GroupShuffleSplit(1, test_size=SHARE, random_state=seed)
    return [side for _, side in cut.split(data.labels, data.labels, data.groups)]


def fold_ways(k: int) -> dict[str, Way]:
    """Return the ways to deal k folds."""
    return {
        "`stratified-split`": lambda data, seed: ours(data, seed, folds=k),
        "`compare`": lambda data, seed: [split.test.numpy() for split in make_splits(data, k, 1, seed)[0]],
        "`StratifiedGroupKFold`": lambda data, seed: theirs(data, seed, k),
    }


HOLD_OUTS: dict[str, Way] = {
    "`stratified-split`": lambda data, seed: ours(data, seed, test=SHARE),
    "estimator's validation rows": lambda data, seed: [
        split_rows(data, np.arange(len(data)), SHARE, seed).validation.numpy()
    ],
    "`StratifiedGroupKFold`, first fold": lambda data, seed: theirs(data, seed, 5)[:1],
    "`GroupShuffleSplit`": shuffled,
}


def off(data: Dataset, parts: Parts, share: float) -> tuple[float, float] | None:
    """Return by how much the worst class and the worst size are off; None if a side of a part lacks a class."""
    labels, width = data.labels.numpy(), data.num_classes
    rows = np.stack([np.bincount(labels[part], minlength=width) for part in parts])
    total = np.bincount(labels, minlength=width)
    if rows.min() == 0 or (total - rows).min() == 0:
        return None
    stray = np.abs(rows / total / share - 1).max()
    return float(stray), float(np.abs(rows.sum(axis=1) / len(labels) / share - 1).max())


def measured(ways: dict[str, Way], data: Dataset, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what is off by each way, (ways, 2), NaN where it failed, and the seconds that each took, (ways,)."""
    found, seconds = np.full((len(ways), 2), np.nan), np.zeros(len(ways))
    for i, way in enumerate(ways.values()):
        start = time.perf_counter()
        try:
            stray = off(data, way(data, seed), share)
        except DataError:
            stray = None
        seconds[i] = time.perf_counter() - start
        if stray is not None:
            found[i] = stray
    return found, seconds


def lines(what: str, ways: dict[str, Way], data: list[Dataset], share: float) -> None:
    """Print the lines of the table for some ways to do one thing."""
    found, seconds = (np.stack(x) for x in zip(*(measured(ways, d, i, share) for i, d in enumerate(data)), strict=True))
    failed = np.isnan(found[:, :, 0])
    common = ~failed.any(axis=1)
    for i, way in enumerate(ways):
        stray, size = found[common, i].mean(axis=0)
        print(
            f"| {what} | {way} | {stray:.3f} | {size:.3f} | {failed[:, i].sum()} of {len(data)} | "
            f"{1000 * np.median(seconds[:, i]):.0f} |",
            flush=True,
        )


def fewest_groups(data: Dataset) -> int:
    """Return the number of groups that have the class which is in the fewest."""
    pairs = torch.unique(torch.stack([data.labels, data.groups]), dim=1)
    return int(pairs[0].bincount().min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=int, default=200)
    data = [structure(seed) for seed in range(parser.parse_args().structures)]
    print("| cut | by | worst class off by | size off by | failed | ms, median |")
    print("| --- | --- | --- | --- | --- | --- |")
    for k in FOLDS:
        lines(f"{k} folds", fold_ways(k), [one for one in data if fewest_groups(one) >= k], 1 / k)
    lines("hold-out of 20 %", HOLD_OUTS, data, SHARE)


if __name__ == "__main__":
    main()
