"""Checks of what says which rows are used: split, resampling, epoch order."""

from __future__ import annotations

import torch

from imbtk.authoring.context import Split
from imbtk.authoring.contracts import (
    class_mass_fault,
    epoch_lengths_fault,
    epoch_order_fault,
    members_fault,
    partner_fault,
    resample_fault,
    split_fault,
)
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
            if fault := split_fault(folds, len(dataset), dataset.groups):
                raise CheckFailure(
                    f"imbtk_split returns {fault} ({bench.situation})",
                    "Return a list, also for a single hold-out: [Split(train, validation, test)], int64 row numbers, "
                    "each row once; split dataset.groups.unique() instead of rows where dataset.groups is not None.",
                )


@check("members-result", ("imbtk_members",))
def members_result(subject: Subject) -> None:
    """Members are a sequence of Member, none twice, with training and validation rows of every class that there is."""
    for bench in benches(subject):
        members = bench.members()
        fault = "" if members is None else members_fault(members, bench.dataset.labels, Split(*bench.sides))
        if fault:
            raise CheckFailure(
                f"imbtk_members returns {fault} ({bench.situation})",
                "Return [Member(split.train, context.draw.seed), ...]: other rows of train and validation, another "
                "seed, or options of the training.",
            )


@check("rows-result", ("imbtk_resample",))
def rows_result(subject: Subject) -> None:
    """Resampling returns Rows: at least one, indices and labels int64, synthetic rows float32 and finite."""
    for bench in benches(subject):
        rows = bench.resample()
        if rows is None:
            continue
        if problem := resample_fault(rows, bench.rows, bench.context):
            raise CheckFailure(
                f"imbtk_resample returns {problem} ({bench.situation})",
                "Make the result with rows.take(positions) and rows.with_synthetic(features, labels), the latter for "
                "tables only.",
            )


@check("order-result", ("imbtk_epoch_order",))
def order_result(subject: Subject) -> None:
    """An epoch is an int64 tensor of positions in the phase's rows, of one length in every epoch."""
    for bench in benches(subject):
        found = bench.order()
        if found is None:
            continue
        epochs, n = [found[0](epoch) for epoch in range(3)], len(bench.context.labels)
        faults = [epoch_order_fault(positions, n) for positions in epochs]
        if fault := next(filter(None, faults), "") or epoch_lengths_fault(dict(enumerate(map(len, epochs)))):
            raise CheckFailure(
                f"imbtk_epoch_order gives {fault} ({bench.situation})",
                "Return positions in context.labels, the rows of the phase and not of the data set, as many in every "
                "epoch: torch.randperm(n, generator=draw.generator()).",
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
        if fault := class_mass_fault(stated, k):
            raise CheckFailure(
                f"imbtk_epoch_order returns {fault} ({bench.situation})",
                "Divide by the sum, or leave class_mass out: core then takes the mean of drawn epochs.",
            )
        phase = bench.context.phase
        turns = range(DRAWN_EPOCHS)
        drawn = torch.cat([draw_epoch(phase.start + turn % phase.epochs, turn) for turn in turns])
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


@check("partner-result", ("imbtk_partner",))
def partner_result(subject: Subject) -> None:
    """Partners are an int64 tensor of positions in the phase's rows, one for each row of the order."""
    for bench in benches(subject):
        choose, n = bench.partner(), len(bench.context.labels)
        if choose is None:
            continue
        # An order may show rows several times, or few of them.
        for order in (torch.arange(n), torch.arange(n).repeat(2), torch.arange(n)[:3]):
            if fault := partner_fault(choose(1, order.clone()), len(order), n):
                raise CheckFailure(
                    f"imbtk_partner gives {fault} ({bench.situation})",
                    "Return positions in context.labels, the rows of the phase and not of the data set, as many as "
                    "order has: len(order).",
                )
