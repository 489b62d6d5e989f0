"""What a strategy does in a situation, hook by hook."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from imbtk import CalibrationMap, Criterion, DecisionRule, EpochOrder, RunContext, Strategy, hookimpl
from imbtk.testing.bench import Bench
from imbtk.testing.dry_run import dry_run
from imbtk.testing.situations import situations

SITUATION = next(situations())


class Busy(Strategy):
    """Order, weigh, and answer once training is over; forget to return an augmentation."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        return EpochOrder(lambda epoch, draw: torch.arange(epoch + 1), torch.ones(context.num_classes))

    @hookimpl
    def imbtk_augment(self, augment: Any) -> None:
        return None

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion) -> Criterion:
        return lambda logits, target: 2 * criterion(logits, target)

    @hookimpl
    def imbtk_calibrate(self) -> CalibrationMap:
        return CalibrationMap(2.0)

    @hookimpl
    def imbtk_decide(self) -> DecisionRule:
        return DecisionRule(shift=np.array([1e9, 0.0]))


def test_all_that_a_strategy_does_is_told_hook_by_hook() -> None:
    done = dry_run(Bench(Busy(), SITUATION))
    # What raises is passed over.
    assert list(done) == ["imbtk_epoch_order", "imbtk_criterion", "imbtk_calibrate", "imbtk_decide"]
    assert [len(positions) for positions in done["imbtk_epoch_order"]] == [1, 2]
    (probabilities,), (called,) = done["imbtk_calibrate"], done["imbtk_decide"]
    logits = Bench(Busy(), SITUATION).validation[0]
    np.testing.assert_allclose(probabilities, softmax(2 * logits, axis=1))
    assert set(called.tolist()) == {0}
    assert list(dry_run(Bench(Busy(), SITUATION), leave_out="imbtk_epoch_order")) == list(done)[1:]
