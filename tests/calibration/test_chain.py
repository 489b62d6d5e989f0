"""What strategies make of a calibration map, checked link by link, and tried before training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imbtk import CalibrationMap, RunContext, Strategy, hookimpl, option
from imbtk.calibration.chain import calibration_chain, dry_run_calibration, ordinary_logits
from imbtk.errors import DataError, PluginError
from imbtk.planning.plan import PlanItem

LABELS = np.array([0, 0, 0, 1, 1])
COUNTS = torch.tensor([3, 2])
CONTEXT = RunContext(("a", "b"), COUNTS, COUNTS, torch.from_numpy(LABELS))


class Warmer(Strategy):
    """Halve the scale; count the calls."""

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap, logits: np.ndarray) -> CalibrationMap:
        self._rows = len(logits)
        return CalibrationMap(map.scale / 2, map.shift)


class Returns(Strategy):
    """Return what a test gives."""

    what: Any = option(None, "The answer.")

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap) -> Any:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


def items(*strategies: Strategy) -> list[PlanItem]:
    return [PlanItem(strategy, None, "acme 1.2", f"s{i}") for i, strategy in enumerate(strategies)]


def test_links_come_one_after_the_other() -> None:
    logits = ordinary_logits(LABELS, 2)
    made = calibration_chain(items(Warmer(), Warmer()), CalibrationMap(4.0), logits, LABELS, CONTEXT)
    assert made.scale == 1.0


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "returned NoneType, not a CalibrationMap, from imbtk_calibrate; docs/hooks/calibrate.md says what"),
        (CalibrationMap(float("nan")), "a CalibrationMap with a scale of nan instead of a number above 0"),
        (
            CalibrationMap(1e308),
            "a CalibrationMap that gives probabilities that are not finite, or do not sum to one, from",
        ),
    ],
)
def test_a_wrong_map_is_named(what: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        dry_run_calibration(items(Warmer(), Returns(what=what)), LABELS, CONTEXT)
    assert str(caught.value).startswith("strategy 'returns' (acme 1.2) ")


def test_the_rehearsal_is_on_copies_and_a_refusal_is_the_strategys_own() -> None:
    strategy = Warmer()
    dry_run_calibration(items(strategy), LABELS, CONTEXT)
    assert not hasattr(strategy, "_rows")
    with pytest.raises(DataError, match=r"too few rows"):
        dry_run_calibration(items(Returns(what=DataError("too few rows"))), LABELS, CONTEXT)


def test_without_validation_rows_nothing_is_asked() -> None:
    dry_run_calibration(items(Returns()), LABELS[:0], CONTEXT)


def test_ordinary_logits_are_often_right_and_seldom_sure() -> None:
    labels = np.arange(3000) % 3
    logits = ordinary_logits(labels, 3)
    assert 0.6 < (logits.argmax(1) == labels).mean() < 0.95
    assert np.array_equal(logits, ordinary_logits(labels, 3))
