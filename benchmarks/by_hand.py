"""imbtk as it comes beside what a user writes without it, on the same folds and rows.

Tables: logistic regression, random forest and histogram gradient boosting of scikit-learn, plain and balanced, with the
ordinary preprocessing. Images: a plain CNN written by hand. Prints the Markdown tables of ``docs/defaults.md``::

    python benchmarks/by_hand.py --tables DIR --idc DIR --breakhis DIR --work by-hand --out table.md
    python benchmarks/by_hand.py --quick

Each result is kept in ``--work``: the same command goes on where it was stopped, and trains nothing twice.

The opponents were named beforehand: balanced logistic regression on tables, the CNN on images. Differences are paired
by fold. Folds share training rows, so the variance is the corrected one of Nadeau & Bengio 2003, "Inference for the
generalization error", section 3 (for repeated cross-validation Bouckaert & Frank 2004); Holm's adjustment is over every
data set, metric and plan.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from by_hand_data import Data, Fold, available
from by_hand_methods import METHODS
from by_hand_tables import Records, document
from sklearn.metrics import average_precision_score, balanced_accuracy_score, log_loss, roc_auc_score

SEEDS = {"table": 5, "images": 2}
BEGIN, END = "<!-- by hand -->", "<!-- /by hand -->"


@dataclass(frozen=True)
class Cell:
    """One training: a method on one fold of a data set."""

    data: str
    method: str
    seed: int
    fold: int
    folds: int

    def path(self, work: Path) -> Path:
        """Return where its result is kept."""
        method = "".join(letter if letter.isalnum() else "-" for letter in self.method)
        return work / "cells" / self.data / f"{method}-{self.seed}-{self.fold}-of-{self.folds}.json"


def figures(data: Data, fold: Fold, probabilities: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the four figures of the test rows; with more than two classes AUROC and AUPRC are means over classes.

    Where an imbalance was imposed on the training rows alone, the log-loss is at the training rows' class frequencies.
    """
    truth, classes = data.y[fold.test], int(data.y.max()) + 1
    one_hot = np.eye(classes)[truth]
    columns = [1] if classes == 2 else list(range(classes))
    weights = None
    if data.long_tail is not None:
        counts = (np.bincount(data.y[rows], minlength=classes) / len(rows) for rows in (fold.train, fold.test))
        wanted, there = counts
        weights = (wanted / there)[truth]
    return {
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "auroc": float(np.mean([roc_auc_score(one_hot[:, k], probabilities[:, k]) for k in columns])),
        "auprc": float(np.mean([average_precision_score(one_hot[:, k], probabilities[:, k]) for k in columns])),
        "log_loss": float(log_loss(truth, probabilities, sample_weight=weights, labels=list(range(classes)))),
    }


_READ: dict[str, Data] = {}


def run_cell(cell: Cell, sources: dict[str, Path | None], work: Path) -> str:
    """Train, test, and keep the result; a cell is there whole or not at all."""
    torch.set_num_threads(1)
    if cell.data not in _READ:
        _READ.clear()
        _READ[cell.data] = available(**sources, scratch=work)[cell.data]()
    data = _READ[cell.data]
    fold = data.folds(cell.folds, cell.seed)[cell.fold]
    began = time.process_time()
    probabilities, predicted = METHODS[data.kind][cell.method](data, fold, cell.seed)
    result: dict[str, Any] = figures(data, fold, probabilities, predicted)
    result["seconds"] = time.process_time() - began
    path = cell.path(work)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(result))
    os.replace(unfinished, path)
    return f"{cell.data}, {cell.method}, seed {cell.seed}, fold {cell.fold + 1}: {result['seconds']:.0f} s"


def cells(everything: dict[str, Data], folds: int, seeds: dict[str, int]) -> Iterator[Cell]:
    """Yield every cell: the first seed of everything before the second, so that a stop leaves whole tables."""
    for seed in range(max(seeds.values())):
        for name, data in everything.items():
            if seed < seeds[data.kind]:
                for fold in range(folds):
                    for method in METHODS[data.kind]:
                        yield Cell(name, method, seed, fold, folds)


def write(text: str, path: Path) -> None:
    """Write the tables to a file; between the marks of a page that has them."""
    before, begin, rest = (path.read_text(encoding="utf-8") if path.exists() else "").partition(BEGIN)
    if begin:
        text = f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}"
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the flags, run what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="A folder of CSV files, the class in the last column.")
    parser.add_argument("--idc", type=Path, help="IDC patches: index.csv and the patches or a zip file of them.")
    parser.add_argument("--breakhis", type=Path, help="A folder of BreakHis images.")
    parser.add_argument("--only", nargs="+", metavar="DATA", help="Only these data sets.")
    parser.add_argument("--work", type=Path, default=Path("by-hand"), help="Where results are kept.")
    parser.add_argument(
        "--out", type=Path, help="Write the tables here too; between its marks if it is docs/defaults.md."
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, help="Deals of the folds; unless given, 5 of tables and 2 of images.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="Two seeds of three folds of the built-in data and tables."
    )
    parser.add_argument("--table-only", action="store_true", help="Print what there is, train nothing.")
    given = parser.parse_args()
    if given.quick:
        given.folds, given.seeds, given.idc, given.breakhis = 3, 2, None, None
    seeds = SEEDS if given.seeds is None else dict.fromkeys(SEEDS, given.seeds)
    sources = {"tables": given.tables, "idc": given.idc, "breakhis": given.breakhis}
    readers = available(**sources, scratch=given.work)
    given.work.mkdir(parents=True, exist_ok=True)
    everything = {name: read() for name, read in readers.items() if not given.only or name in given.only}
    wanted = list(cells(everything, given.folds, seeds))
    todo = [] if given.table_only else [cell for cell in wanted if not cell.path(given.work).exists()]
    with ProcessPoolExecutor(given.jobs) as pool:
        for number, done in enumerate(pool.map(run_cell, todo, repeat(sources), repeat(given.work)), 1):
            print(f"[{number}/{len(todo)}] {done}", flush=True)
    records: Records = {}
    for cell in wanted:
        if cell.path(given.work).exists():
            kind = everything[cell.data].kind
            found = records.setdefault((kind, cell.data), {}).setdefault(cell.method, {})
            found[(cell.seed, cell.fold)] = json.loads(cell.path(given.work).read_text())
    text = document(everything, records, given.folds)
    print(text)
    if given.out:
        write(text, given.out)


if __name__ == "__main__":
    main()
