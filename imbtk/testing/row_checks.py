"""Checks of what says which rows are used: split, resampling, epoch order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from imbtk.authoring.context import Rows, Split
from imbtk.data.dataset import Dataset
from imbtk.testing.bench import benches
from imbtk.testing.registry import CheckFailure, Subject, check

__all__: list[str] = []

DRAWN_EPOCHS = 64


@check("split-result", ("imbtk_split",))
def split_result(subject: Subject) -> None:
    """Each fold is a Split of int64 rows, none empty, no row and no group on two sides."""
    for bench in benches(subject):
        for grouped in (True, False):
            found = bench.split(grouped)
            if found is None:
                continue
            dataset, folds = found
            if not isinstance(folds, Sequence) or not folds or not all(isinstance(fold, Split) for fold in folds):
                raise CheckFailure(
                    f"imbtk_split returns a {type(folds).__name__} instead of a list of Split",
                    "Return a list, also for a single hold-out: [Split(train, validation, test)].",
                )
            for fold in folds:
                _check_fold(fold, dataset, str(bench.situation))


def _check_fold(fold: Split, dataset: Dataset, where: str) -> None:
    sides = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    for name, rows in sides.items():
        if not isinstance(rows, torch.Tensor) or rows.dtype != torch.int64 or rows.dim() != 1 or not len(rows):
            raise CheckFailure(
                f"the {name} side is no int64 tensor of at least one row ({where})", "Return row numbers, (n,) int64."
            )
        if int(rows.min()) < 0 or int(rows.max()) >= len(dataset):
            raise CheckFailure(f"the {name} side has rows outside [0, {len(dataset)}) ({where})", "Return row numbers.")
    together = torch.cat(list(sides.values()))
    if len(set(together.tolist())) != len(together):
        raise CheckFailure(f"a row stands twice in a split ({where})", "Let each row be on one side, once.")
    if dataset.groups is not None:
        of_sides = [set(dataset.groups[rows].tolist()) for rows in sides.values()]
        if len(set.union(*of_sides)) != sum(map(len, of_sides)):
            raise CheckFailure(
                f"a group (patient) is on two sides of a split ({where})",
                "Split dataset.groups.unique() instead of rows where dataset.groups is not None.",
            )


@check("rows-result", ("imbtk_resample",))
def rows_result(subject: Subject) -> None:
    """Resampling returns Rows: at least one, indices and labels int64, synthetic rows float32 and finite."""
    for bench in benches(subject):
        rows = bench.resample()
        if rows is None:
            continue
        problem = _rows_problem(rows, bench.rows, bench.situation.kind)
        if problem:
            raise CheckFailure(
                f"imbtk_resample returns {problem} ({bench.situation})",
                "Make the result with rows.take(positions) and rows.with_synthetic(features, labels), the latter for "
                "tables only.",
            )


def _rows_problem(rows: Any, given: Rows, kind: str) -> str:
    if not isinstance(rows, Rows):
        return f"a {type(rows).__name__} instead of Rows"
    if rows.indices.dtype != torch.int64 or rows.labels.dtype != torch.int64 or len(rows.indices) != len(rows.labels):
        return "indices and labels that are not int64 of one length"
    if rows.synthetic.dtype != torch.float32 or rows.synthetic.shape[1:] != given.synthetic.shape[1:]:
        return f"synthetic rows of {rows.synthetic.dtype}, shape {tuple(rows.synthetic.shape)}"
    if len(rows.synthetic) != len(rows.synthetic_labels) or rows.synthetic_labels.dtype != torch.int64:
        return "synthetic labels that are not int64, one for each synthetic row"
    if not len(rows.all_labels):
        return "no row at all"
    if not bool(rows.synthetic.isfinite().all()):
        return "synthetic rows that are not finite"
    return "synthetic rows for images" if kind == "images" and len(rows.synthetic) else ""


@check("order-result", ("imbtk_epoch_order",))
def order_result(subject: Subject) -> None:
    """An epoch is an int64 tensor of positions in the phase's rows, of one length in every epoch."""
    for bench in benches(subject):
        found = bench.order()
        if found is None:
            continue
        epochs, n = [found[0](epoch) for epoch in range(3)], len(bench.context.labels)
        for positions in epochs:
            fits = isinstance(positions, torch.Tensor) and positions.dtype == torch.int64 and positions.dim() == 1
            if not fits or not len(positions):
                raise CheckFailure(
                    f"an epoch is no int64 tensor of shape (M,), M at least 1 ({bench.situation})",
                    "Return positions such as torch.randperm(n, generator=draw.generator()).",
                )
            if int(positions.min()) < 0 or int(positions.max()) >= n:
                raise CheckFailure(
                    f"an epoch has positions outside [0, {n}) ({bench.situation})",
                    "Positions count context.labels, the rows of the phase, and not rows of the data set.",
                )
        if len({len(positions) for positions in epochs}) > 1:
            raise CheckFailure(
                f"epochs have {len(epochs[0])}, {len(epochs[1])} and {len(epochs[2])} rows ({bench.situation})",
                "Draw as many rows in every epoch: the number of steps is planned beforehand.",
            )


@check("order-mass", ("imbtk_epoch_order",))
def order_mass(subject: Subject) -> None:
    """The class mass that an order states is the one that its epochs have, on average."""
    for bench in benches(subject):
        found = bench.order()
        if found is None or found[1] is None:
            continue
        draw_epoch, stated = found
        k = bench.situation.num_classes
        if stated.shape != (k,) or not bool((stated >= 0).all()) or abs(float(stated.sum()) - 1) > 1e-6:
            raise CheckFailure(
                f"class_mass is no ({k},) of shares that sum to one ({bench.situation})",
                "Divide by the sum, or leave class_mass out: core then takes the mean of drawn epochs.",
            )
        drawn = torch.cat([draw_epoch(epoch) for epoch in range(DRAWN_EPOCHS)])
        shares = torch.bincount(bench.context.labels[drawn], minlength=k).double() / len(drawn)
        # Six standard errors of a share, as if each row were drawn by itself.
        allowed = 6 * (stated.double() * (1 - stated.double()) / len(drawn)).sqrt() + 1e-3
        off = (shares - stated.double()).abs() - allowed
        if bool((off > 0).any()):
            worst = int(off.argmax())
            raise CheckFailure(
                f"class_mass says {float(stated[worst]):.3f} of class {worst}, and epochs have "
                f"{float(shares[worst]):.3f} ({bench.situation})",
                "State the share that is drawn, or leave class_mass out: core then takes the mean of drawn epochs.",
            )
