"""What a check is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imbtk.authoring.strategy import Strategy

__all__ = ["CHECKS", "Check", "CheckFailure", "Subject", "check"]


class CheckFailure(Exception):
    """A check that does not hold: what was found, and how to mend it.

    Parameters
    ----------
    found : str
        A sentence without its full stop.
    mend : str
        What to do, as a whole sentence.
    """

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(f"{found}. {mend}")
        self.found, self.mend = found, mend


@dataclass(frozen=True)
class Subject:
    """The strategy under test.

    Attributes
    ----------
    strategy : Strategy
        Never used itself: checks work on copies.
    class_names : tuple of str, optional
        Names of the classes, for a strategy whose options speak of them.
    """

    strategy: Strategy
    class_names: tuple[str, ...] | None = None

    def answers(self, *hooks: str) -> bool:
        """Return whether the strategy has any of these hooks."""
        return any(hasattr(type(self.strategy), hook) for hook in hooks)


@dataclass(frozen=True)
class Check:
    """One law.

    Attributes
    ----------
    name : str
        What ``Strategy.unchecked`` calls it.
    summary : str
        One line.
    hooks : tuple of str
        It applies to strategies that answer one of these; to all where there is none.
    function : callable
        Raises :class:`CheckFailure`.
    """

    name: str
    summary: str
    hooks: tuple[str, ...]
    function: Callable[[Subject], None]

    def applies_to(self, subject: Subject) -> bool:
        """Return whether the check is about this strategy."""
        return not self.hooks or subject.answers(*self.hooks)


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they are made."""


def check(name: str, hooks: Sequence[str] = ()) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Put a function into :data:`CHECKS`; the first line of its docstring says what it looks at."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CHECKS[name] = Check(name, (function.__doc__ or "").strip().split("\n")[0], tuple(hooks), function)
        return function

    return register
