"""The conformance kit: what every strategy must hold, ours and a stranger's alike.

In a test of one's own::

    from imbtk.testing import parametrize_checks

    @parametrize_checks(SqrtWeights, SqrtWeights(power=1.0))
    def test_conformance(strategy, check):
        check(strategy)

or all at once, with a list of what held: ``check_strategy(SqrtWeights)``. On the command line it is
``imbtk plugins check NAME``.

A technique that cannot hold a check says so itself, with the reason::

    class MyLoss(Strategy):
        unchecked = {"loss-gradient": "the loss is a count, trained by evolution"}
"""

from __future__ import annotations

from imbtk.testing.kit import CheckResult, ConformanceError, check_strategy, parametrize_checks
from imbtk.testing.registry import CHECKS, Check, CheckFailure

__all__ = [
    "CHECKS",
    "Check",
    "CheckFailure",
    "CheckResult",
    "ConformanceError",
    "check_strategy",
    "parametrize_checks",
]
