"""The check that no class is treated by its number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from imbtk.authoring.context import Rows
from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.testing.bench import Bench, benches
from imbtk.testing.registry import CheckFailure, Subject, check

__all__: list[str] = []

DRAWN_EPOCHS = 32
TOLERANCE_OF_DRAWN_SHARES = 0.1


@check(
    "classes-permute",
    (
        "imbtk_resample",
        "imbtk_epoch_order",
        "imbtk_partner",
        "imbtk_class_weights",
        "imbtk_criterion",
        "imbtk_adjust_criterion",
        "imbtk_calibrate",
        "imbtk_decide",
    ),
)
def classes_permute(subject: Subject) -> None:
    """Classes in another order give the same result in that order."""
    for bench in benches(subject, ordinary=True):
        order = torch.arange(bench.situation.num_classes).roll(1)
        other = Bench(subject.strategy, bench.situation, permutation=order)
        for hook, measure in _MEASURES.items():
            if not subject.answers(hook):
                continue
            one, two = measure(bench), measure(other)
            if one is None or two is None:
                continue
            tolerance = TOLERANCE_OF_DRAWN_SHARES if hook in _DRAWN else 1e-4
            expected = one[..., order]
            if expected.shape != two.shape or not torch.allclose(
                expected.nan_to_num(), two.nan_to_num(), rtol=1e-4, atol=tolerance
            ):
                raise CheckFailure(
                    f"{hook} gives another result when classes stand in another order ({bench.situation})",
                    "Go by class_counts or class_names, never by a class's number. A technique that is about numbers "
                    "says so: unchecked = {'classes-permute': 'why'}.",
                )


def _resampled(bench: Bench) -> torch.Tensor | None:
    rows = bench.resample()
    return _shares(rows.all_labels, bench) if isinstance(rows, Rows) else None


def _ordered(bench: Bench) -> torch.Tensor | None:
    found = bench.order()
    if found is None:
        return None
    if found[1] is not None:
        return torch.as_tensor(found[1]).double()
    return _shares(bench.context.labels[torch.cat([found[0](epoch) for epoch in range(DRAWN_EPOCHS)])], bench)


def _shares(labels: torch.Tensor, bench: Bench) -> torch.Tensor:
    return torch.bincount(labels, minlength=bench.situation.num_classes).double() / len(labels)


def _partnered(bench: Bench) -> torch.Tensor | None:
    choose, order = bench.partner(), torch.arange(len(bench.context.labels))
    if choose is None:
        return None
    return _shares(bench.context.labels[torch.cat([choose(epoch, order) for epoch in range(DRAWN_EPOCHS)])], bench)


def _weights(bench: Bench) -> torch.Tensor | None:
    weights = bench.class_weights()
    return weights.double() / weights[weights.isfinite()].sum() if isinstance(weights, torch.Tensor) else None


def _gradients(bench: Bench) -> torch.Tensor | None:
    """Return the slope of the summed loss, (B, K): it says all that the loss says, class by class."""
    criterion = bench.criterion()
    if criterion is None:
        return None
    logits = bench.situation.logits()[:, bench.permutation].requires_grad_()
    loss = criterion(logits, bench.situation.target(soft=True)[:, bench.permutation])
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(loss.sum(), logits, allow_unused=True)
    return gradient


def _calibrated(bench: Bench) -> torch.Tensor | None:
    made = bench.calibrate()
    return torch.from_numpy(made.probabilities(bench.validation[0])) if isinstance(made, CalibrationMap) else None


def _decided(bench: Bench) -> torch.Tensor | None:
    """Return one-hot decisions, (n, K), zeros where the rule abstains; 2 is added for a class in a row's set."""
    rule = bench.decide()
    if not isinstance(rule, DecisionRule):
        return None
    logits, _ = bench.validation
    decided = rule.decide(logits, CalibrationMap().probabilities(logits))
    shown = (decided[:, None] == np.arange(bench.situation.num_classes)).astype(float)
    return torch.from_numpy(shown if rule.sets is None else shown + 2 * rule.in_set(logits))


_MEASURES: dict[str, Callable[[Bench], torch.Tensor | None]] = {
    "imbtk_resample": _resampled,
    "imbtk_epoch_order": _ordered,
    "imbtk_partner": _partnered,
    "imbtk_class_weights": _weights,
    "imbtk_criterion": _gradients,
    "imbtk_adjust_criterion": _gradients,
    "imbtk_calibrate": _calibrated,
    "imbtk_decide": _decided,
}
_DRAWN = ("imbtk_resample", "imbtk_epoch_order", "imbtk_partner")
