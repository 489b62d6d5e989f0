"""Tests of one strategy's page on a terminal."""

from __future__ import annotations

import io
from typing import Literal

from rich.console import Console

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.context import Criterion, Split
from imbtk.cli.strategy_page import print_page
from imbtk.data.dataset import Dataset
from imbtk.discovery.describe import describe


class LongLoss(Strategy):
    """Make the loss of a sample longer, for no reason that anybody would ever care to write down in full.

    More about it.

    Notes
    -----
    With :class:`imbtk.Strategy` and ``marks`` that go away, the loss is

        -Σ_k t_k
          log p_k

    where

    - ``first`` is an item that is long enough to need a second line on a terminal of sixty columns
    - ``second`` is short

    ===== ======
    kind  means
    ===== ======
    big   large
          indeed
    ===== ======

    References
    ----------
    Nobody 2020, eq. 3.
    """

    needed: int = option(description="It has no default.")
    kind: Literal["one", "two"] | float = option("one", "A word or a number.")
    rows: list[str] | None = option(None, "Names.")

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion | None:
        """Return the ``long`` loss."""


class Bare(Strategy):
    @hookimpl
    def imbtk_split(self, dataset: Dataset) -> list[Split]:
        return []


def page(cls: type[Strategy], width: int = 60) -> str:
    file = io.StringIO()
    print_page(Console(file=file, width=width), describe(cls, "acme 1.0"))
    return file.getvalue()


def test_everything_is_said() -> None:
    text = page(LongLoss)
    flat = " ".join(text.split())
    assert flat.startswith("long-loss acme 1.0 Make the loss of a sample longer, for no reason")
    assert "More about it." in flat
    assert "needed (required) integer It has no default." in flat
    assert "kind=one one | two or number A word or a number." in flat
    assert "rows (not set) list of text Names." in flat
    assert "criterion Return the long loss." in flat
    assert "With imbtk.Strategy and marks that go away, the loss is" in flat
    assert "kind means big large indeed" in flat
    assert "Nobody 2020, eq. 3." in flat
    assert "imbtk run DATA -s long-loss@50%-" in flat
    assert flat.endswith(f"Written in {__file__}")


def test_layout() -> None:
    lines = page(LongLoss).split("\n")
    assert max(len(line) for line in lines if not line.startswith("Written in ")) <= 60
    assert "      -Σ_k t_k" in lines
    assert "        log p_k" in lines
    place = next(i for i, line in enumerate(lines) if line.startswith("  - first"))
    assert lines[place + 1].startswith("    ")
    assert lines[place + 2] == "  - second is short"


def test_a_strategy_that_says_nothing() -> None:
    flat = " ".join(page(Bare).split())
    assert "(its author wrote no description)" in flat
    assert "Options none" in flat
    assert "split (answers imbtk_split)" in flat
    assert "It acts once in a run and takes no window of epochs." in flat
    assert "@50%-" not in flat
