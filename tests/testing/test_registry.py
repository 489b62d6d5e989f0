"""The list of checks, and which of them are about a strategy."""

from __future__ import annotations

import pytest
import torch

from imbtk import RunContext, Strategy, hookimpl
from imbtk.testing import registry
from imbtk.testing.registry import Check, CheckFailure, Subject, check


class Weighs(Strategy):
    """Weigh all classes alike."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.ones(context.num_classes)


def test_a_function_becomes_a_check_by_the_name_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: dict[str, Check] = {}
    monkeypatch.setattr(registry, "CHECKS", checks)

    @check("tidy", hooks=("imbtk_head", "imbtk_class_weights"))
    def tidy(subject: Subject) -> None:
        """Leave the room as it was.

        Nobody reads on.
        """

    @check("heads", hooks=("imbtk_head",))
    def heads(subject: Subject) -> None: ...

    @check("all")
    def every(subject: Subject) -> None: ...

    assert list(checks) == ["tidy", "heads", "all"]
    assert (checks["tidy"].summary, checks["heads"].summary) == ("Leave the room as it was.", "")
    assert checks["tidy"].function is tidy, "the function can still be called by its own name"
    subject = Subject(Weighs())
    assert [name for name, found in checks.items() if found.applies_to(subject)] == ["tidy", "all"]


def test_a_failure_says_what_was_found_and_how_to_mend_it() -> None:
    failure = CheckFailure("weights are not finite", "Clamp the counts.")
    assert str(failure) == "weights are not finite. Clamp the counts."
    assert (failure.found, failure.mend) == ("weights are not finite", "Clamp the counts.")
