"""Everything that a strategy does in a situation, as a list of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import Rows, Split
from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.testing.bench import Bench
from imbtk.testing.situations import BATCH
from imbtk.testing.steps import step_taken

__all__ = ["dry_run"]


def dry_run(bench: Bench, leave_out: str = "") -> dict[str, list[Any]]:
    """Call every hook and what it returns; return tensors and arrays by the hook that gave them.

    What raises is passed over: the checks of its own result say so.

    Parameters
    ----------
    bench : Bench
    leave_out : str
        A hook that is not called.
    """
    results: dict[str, list[Any]] = {}
    for hook, act in _ACTS.items():
        if hook == leave_out:
            continue
        try:
            found = act(bench)
        except Exception:  # a stranger's code may raise anything, and what it returns may not be what is expected
            continue
        if found is not None:
            results[hook] = found
    return results


def _splits(bench: Bench) -> list[Any] | None:
    found = bench.split()
    if found is None or not all(isinstance(fold, Split) for fold in found[1]):
        return None
    return [side for fold in found[1] for side in (fold.train, fold.validation, fold.test)]


def _resampled(bench: Bench) -> list[Any] | None:
    rows = bench.resample()
    return [rows.indices, rows.labels, rows.synthetic, rows.synthetic_labels] if isinstance(rows, Rows) else None


def _orders(bench: Bench) -> list[Any] | None:
    found = bench.order()
    return None if found is None else [found[0](epoch) for epoch in range(2)]


def _augmented(bench: Bench) -> list[Any] | None:
    augment = bench.augment()
    if augment is None:
        return None
    return [augment(bench.situation.samples(), bench.situation.target(), np.arange(BATCH))]


def _mixed(bench: Bench) -> list[Any] | None:
    mix = bench.mix()
    if mix is None:
        return None
    mixed = mix(bench.situation.samples(), bench.situation.target(), np.arange(BATCH))
    return list(mixed) if isinstance(mixed, tuple) else [mixed]


def _weights(bench: Bench) -> list[Any] | None:
    weights = bench.class_weights()
    return None if weights is None else [weights]


def _losses(bench: Bench) -> list[Any] | None:
    criterion = bench.criterion()
    return None if criterion is None else [criterion(bench.situation.logits(), bench.situation.target(soft=True))]


def _partnered(bench: Bench) -> list[Any] | None:
    choose, order = bench.partner(), torch.arange(len(bench.context.labels))
    return None if choose is None else [choose(epoch, order) for epoch in range(2)]


def _judged(bench: Bench) -> list[Any] | None:
    objective, batch = bench.objective(), bench.batch(soft=True)
    return None if objective is None else [objective(bench.outputs(batch), batch)]


def _stepped(bench: Bench) -> list[Any] | None:
    taken = step_taken(bench)
    return None if taken is None else [taken.returned, *taken.network.state_dict().values()]


def _scheduled(bench: Bench) -> list[Any] | None:
    factor = bench.schedule()
    return None if factor is None else [factor(step, 10) for step in range(10)]


def _changed(found: tuple[torch.nn.Module, Any] | None) -> list[Any] | None:
    return None if found is None else _parameters(found[0])


def _parameters(head: Any) -> list[Any] | None:
    return list(head.state_dict().values()) if isinstance(head, torch.nn.Module) else None


def _refitted(bench: Bench) -> list[Any] | None:
    found = bench.refit()
    return None if found is None else _parameters(found)


def _calibrated(bench: Bench) -> list[Any] | None:
    found = bench.calibrate()
    return [found.probabilities(bench.validation[0])] if isinstance(found, CalibrationMap) else None


def _decided(bench: Bench) -> list[Any] | None:
    rule = bench.decide()
    if not isinstance(rule, DecisionRule):
        return None
    logits, _ = bench.validation
    sets = [] if rule.sets is None else [rule.in_set(logits)]
    return [rule.decide(logits, CalibrationMap().probabilities(logits)), *sets]


def _trained(bench: Bench) -> list[Any] | None:
    members = bench.members()
    return None if members is None else [part for member in members for part in (member.train, member.seed)]


def _seen(views: Any) -> list[Any] | None:
    return None if views is None else [torch.tensor([[view.mirror, view.turns] for view in views])]


def _observed(bench: Bench) -> list[Any] | None:
    bench.observe()
    return None


_ACTS: dict[str, Callable[[Bench], list[Any] | None]] = {
    "imbtk_split": _splits,
    "imbtk_members": _trained,
    "imbtk_resample": _resampled,
    "imbtk_epoch_order": _orders,
    "imbtk_head": lambda bench: _parameters(bench.head()),
    "imbtk_augment": _augmented,
    "imbtk_mix": _mixed,
    "imbtk_class_weights": _weights,
    "imbtk_criterion": _losses,
    "imbtk_partner": _partnered,
    "imbtk_network": lambda bench: _changed(bench.network()),
    "imbtk_objective": _judged,
    "imbtk_step": _stepped,
    "imbtk_schedule": _scheduled,
    "imbtk_finish": lambda bench: _changed(bench.finish()),
    "imbtk_refit": _refitted,
    "imbtk_views": lambda bench: _seen(bench.views()),
    "imbtk_calibrate": _calibrated,
    "imbtk_decide": _decided,
    "imbtk_run_start": _observed,
}
