"""Running the checks: one by one for pytest, or all at once."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from imbtk.authoring.strategy import Strategy
from imbtk.errors import ImbtkError
from imbtk.testing.registry import CHECKS, CheckFailure, Subject

__all__ = ["CheckResult", "ConformanceError", "check_strategy", "parametrize_checks"]

# The order in which checks are made: what is wrong at the root is said first.
_SUBJECTS = "hook option object row result loss objective step network link class draw resume"
for _subject in _SUBJECTS.split():
    importlib.import_module(f"imbtk.testing.{_subject}_checks")

ROOT = "hooks-declared"
"""The check without which no other can be made."""

EXCEPTIONS = "exceptions-declared"
"""The name of the check that every exception is declared rightly; it cannot be excepted itself."""


class ConformanceError(AssertionError):
    """One or more checks do not hold; one line for each."""


@dataclass(frozen=True)
class CheckResult:
    """How one check went.

    Attributes
    ----------
    check : str
        Its name.
    outcome : "held", "failed" or "excepted"
    reason : str
        What was found and how to mend it, or why the strategy is excepted; empty if it held.
    """

    check: str
    outcome: Literal["held", "failed", "excepted"]
    reason: str = ""


def check_strategy(
    strategy: type[Strategy] | Strategy,
    class_names: tuple[str, ...] | None = None,
    on_fail: Literal["raise", "return"] = "raise",
) -> list[CheckResult]:
    """Make every check that is about a strategy.

    Parameters
    ----------
    strategy : Strategy class or Strategy
        A class is tried with its defaults.
    class_names : tuple of str, optional
        Names that the classes shall have in ordinary runs, for options that speak of classes.
    on_fail : "raise" or "return"
        With ``"return"``, failures stand in the list only.

    Returns
    -------
    list of CheckResult
        In the order of :data:`imbtk.testing.CHECKS`.

    Raises
    ------
    ConformanceError
        If a check does not hold: strategy, check, what was found, how to mend it.

    Examples
    --------
    >>> import torch
    >>> from imbtk import Strategy, hookimpl
    >>> class Alike(Strategy):
    ...     '''Weigh all classes alike.'''
    ...     @hookimpl
    ...     def imbtk_class_weights(self, context):
    ...         return torch.ones(context.num_classes)
    >>> {result.outcome for result in check_strategy(Alike) if result.check != "pickles"}
    {'held'}
    """
    try:
        subject = _subject_of(strategy, class_names)
    except CheckFailure as failure:
        results = [CheckResult("options-refused", "failed", _message(strategy.name, "options-refused", failure))]
    else:
        results = []
        for name in applicable(subject):
            results.append(_run(name, subject))
            if name == ROOT and results[-1].outcome == "failed":
                break
    failed = [result.reason for result in results if result.outcome == "failed"]
    if failed and on_fail == "raise":
        raise ConformanceError("\n".join(failed))
    return results


def applicable(subject: Subject) -> Iterator[str]:
    """Yield the names of the checks that are about a strategy."""
    yield EXCEPTIONS
    yield from (name for name, check in CHECKS.items() if check.applies_to(subject))


def parametrize_checks(*strategies: type[Strategy] | Strategy, class_names: tuple[str, ...] | None = None) -> Any:
    """Return a pytest mark that calls a test with every strategy and every check that is about it.

    A check that the strategy is excepted from is skipped, with its reason.

    Parameters
    ----------
    *strategies : Strategy class or Strategy
    class_names : tuple of str, optional
        As in :func:`check_strategy`.

    Examples
    --------
    ::

        @parametrize_checks(SqrtWeights, SqrtWeights(power=1.0))
        def test_conformance(strategy, check):
            check(strategy)
    """
    import pytest

    cases = []
    for strategy in strategies:
        subject = _subject_of(strategy, class_names)
        for name in applicable(subject):
            reason = subject.strategy.unchecked.get(name)
            marks = [pytest.mark.skip(reason=f"excepted: {reason}")] if reason else []
            check = functools.partial(_check_one, name, class_names)
            cases.append(pytest.param(subject.strategy, check, id=f"{subject.strategy!r}-{name}", marks=marks))
    return pytest.mark.parametrize(("strategy", "check"), cases)


def _check_one(name: str, class_names: tuple[str, ...] | None, strategy: type[Strategy] | Strategy) -> None:
    result = _run(name, _subject_of(strategy, class_names))
    if result.outcome == "failed":
        raise ConformanceError(result.reason)


def _subject_of(strategy: type[Strategy] | Strategy, class_names: tuple[str, ...] | None) -> Subject:
    if isinstance(strategy, Strategy):
        return Subject(strategy, class_names)
    try:
        return Subject(strategy(), class_names)
    except (ImbtkError, TypeError) as error:
        raise CheckFailure(
            f"{strategy.__name__}() ends in: {error}",
            f"Give every option a default, or check an instance: check_strategy({strategy.__name__}(...)).",
        ) from error


def _run(name: str, subject: Subject) -> CheckResult:
    strategy = subject.strategy
    reason = strategy.unchecked.get(name) if isinstance(strategy.unchecked, dict) else None
    if reason and name != EXCEPTIONS:
        return CheckResult(name, "excepted", reason)
    function: Callable[[Subject], None] = _exceptions_declared if name == EXCEPTIONS else CHECKS[name].function
    try:
        function(subject)
    except CheckFailure as failure:
        return CheckResult(name, "failed", _message(strategy.name, name, failure))
    except ImbtkError as error:
        told = CheckFailure(str(error).rstrip("."), "See the hook's page for what it is given and returns.")
        return CheckResult(name, "failed", _message(strategy.name, name, told))
    except Exception as error:  # what a strategy returns may break a check that is not about it
        told = CheckFailure(
            f"the check ended in {type(error).__name__}: {error}", "Mend what the other checks say first."
        )
        return CheckResult(name, "failed", _message(strategy.name, name, told))
    return CheckResult(name, "held")


def _exceptions_declared(subject: Subject) -> None:
    """Every exception names a check and says why."""
    unchecked, mend = subject.strategy.unchecked, "Write unchecked = {'name of a check': 'why it cannot hold'}."
    if not isinstance(unchecked, dict):
        raise CheckFailure(f"'unchecked' is a {type(unchecked).__name__}", mend)
    for name, reason in unchecked.items():
        if name not in CHECKS:
            raise CheckFailure(
                f"'unchecked' names the check '{name}', which there is not", f"There is: {', '.join(CHECKS)}."
            )
        if not isinstance(reason, str) or not reason.strip():
            raise CheckFailure(f"'unchecked' gives no reason for '{name}'", mend)


def _message(strategy: str, check: str, failure: CheckFailure) -> str:
    return f"strategy '{strategy}' fails the check '{check}': {failure}"
