"""The conformance kit and all its checks (``imbtk/testing/*_checks.py``), tried on strategies broken on purpose.

Each is caught, by the right check; a check that no strategy breaks fails here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from broken_strategies import BROKEN, MODEST, Good

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.testing import CHECKS, ConformanceError, check_strategy, parametrize_checks


def failures(strategy: Any, **arguments: Any) -> dict[str, str]:
    results = check_strategy(strategy, on_fail="return", **arguments)
    return {result.check: result.reason for result in results if result.outcome == "failed"}


@pytest.mark.parametrize(("check", "cls", "message"), BROKEN, ids=[f"{c}-{cls.__name__}" for c, cls, _ in BROKEN])
def test_a_broken_strategy_is_caught_by_the_right_check(check: str, cls: type[Strategy], message: str) -> None:
    found = failures(cls)
    assert check in found, found
    assert found[check].startswith(f"strategy '{cls.name}' fails the check '{check}': ")
    assert message in found[check]
    # What is wrong, and then how to mend it.
    assert len(found[check].split(". ")) >= 2
    # What else fails is a consequence, and named where the strategy is made.
    assert set(found) - {check} <= set(getattr(cls, "also", ())), found


def test_every_check_has_a_strategy_that_breaks_it() -> None:
    assert {check for check, _, _ in BROKEN} == {*CHECKS, "exceptions-declared"}


@pytest.mark.parametrize("cls", MODEST, ids=lambda cls: cls.name)
def test_a_sound_strategy_holds_everything(cls: type[Strategy]) -> None:
    results = check_strategy(cls)
    assert {result.outcome for result in results} == {"held"}
    assert results[0].check == "exceptions-declared"


def test_a_check_that_is_excepted_is_not_made() -> None:
    class Excused(Strategy):
        """The mean over the batch, for a reason."""

        unchecked: ClassVar[dict[str, str]] = {"loss-shape": "ranks samples within the batch"}

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> Any:
            return lambda logits, target: F.cross_entropy(logits, target)

    results = {result.check: result for result in check_strategy(Excused, on_fail="return")}
    assert (results["loss-shape"].outcome, results["loss-shape"].reason) == (
        "excepted",
        "ranks samples within the batch",
    )


def test_all_failures_are_raised_together() -> None:
    class Twice(Strategy):
        """Wrong in three ways."""

        power: float = option(0.5)

        @hookimpl
        def imbtk_class_weights(self, context: RunContext) -> Any:
            return torch.ones(context.num_classes + 1)

    with pytest.raises(ConformanceError) as caught:
        check_strategy(Twice)
    lines = str(caught.value).split("\n")
    assert [line.split("'")[3] for line in lines] == [
        "options-explained",
        "options-read",
        "weights-result",
        "classes-permute",
    ]


def test_options_that_name_classes_are_tried_with_these_names() -> None:
    class Named(Strategy):
        """Weights by class name."""

        weights: dict[str, float] = option({"benign": 1.0, "malignant": 3.0}, "Weight of each class by its name.")

        @hookimpl
        def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
            from imbtk.errors import OptionError

            missing = set(context.class_names) - set(self.weights)
            if missing:
                raise OptionError(f"option 'weights' of strategy 'named' has no weight for {sorted(missing)}.")
            return torch.tensor([self.weights[name] for name in context.class_names])

    Named.unchecked = {"pickles": "made inside a test"}
    found = failures(Named)
    assert list(found) == ["answers"]
    assert "refuses every ordinary run" in found["answers"]
    assert "class_names=('benign', 'malignant')" in found["answers"]
    assert not failures(Named, class_names=("benign", "malignant"))


def test_a_class_without_defaults_is_to_be_checked_as_an_instance() -> None:
    class Needs(Strategy):
        """Needs an option."""

        power: float = option(description="Exponent.")

        @hookimpl
        def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
            return context.class_counts.double().clamp(min=1).pow(-self.power)

    assert "check an instance: check_strategy(Needs(...))" in failures(Needs)["options-refused"]
    assert not failures(Needs(power=1.0))


def test_the_kit_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    check_strategy(Good)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@parametrize_checks(Good, Good(power=1.0))
def test_parametrized(strategy: Strategy, check: Any) -> None:
    check(strategy)


def test_parametrized_cases_are_named_and_skipped_with_a_reason() -> None:
    class Excused(Good):
        """As good, but for one check."""

        name: ClassVar[str] = "excused"
        unchecked: ClassVar[dict[str, str]] = {"pickles": "made inside a test"}

    cases = parametrize_checks(Excused).args[1]
    ids = [case.id for case in cases]
    assert ids[0] == "Excused()-exceptions-declared"
    (mark,) = next(case for case in cases if case.id.endswith("-pickles")).marks
    assert mark.kwargs["reason"] == "excepted: made inside a test"
    assert not next(case for case in cases if case.id.endswith("weights-result")).marks


def test_a_parametrized_failure_is_raised() -> None:
    check, cls, message = BROKEN[0]
    (case,) = [case for case in parametrize_checks(cls).args[1] if case.id.endswith(f"-{check}")]
    strategy, run = case.values
    with pytest.raises(ConformanceError, match=message.replace("(", r"\(")):
        run(strategy)
