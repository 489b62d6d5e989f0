"""What plugins offer beside strategies: plans under a name, and published tables to train again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["PublishedRow", "PublishedTable", "Recipe", "Suits"]

Range = tuple[float | None, float | None]
"""Least and most, both included; None leaves a side open."""


@dataclass(frozen=True)
class Suits:
    """For which data a plan is recommended by ``imbtk recommend``: all that is not None has to be true of them.

    Attributes
    ----------
    why : str
        Why the plan is worth a try on such data, in one sentence.
    kind : "images" or "table", optional
    classes : (least, most), optional
        Number of classes; ``(2, 2)`` for two, ``(10, None)`` for ten or more.
    imbalance : (least, most), optional
        Rows of the most frequent class over rows of the rarest.
    rarest_rows : (least, most), optional
        Rows of the rarest class.
    rarest_groups : (least, most), optional
        Groups (patients) with a row of the class that has fewest of them; where groups are not known, its rows.
    pretrained : bool, optional
        Whether training starts from pretrained weights.
    priority : int
        Of plans that suit the data, those with the highest number come first.
    """

    why: str
    kind: Literal["images", "table"] | None = None
    classes: Range | None = None
    imbalance: Range | None = None
    rarest_rows: Range | None = None
    rarest_groups: Range | None = None
    pretrained: bool | None = None
    priority: int = 0


@dataclass(frozen=True)
class Recipe:
    """Several strategies under one name, as published or as proven: ``imbtk run DATA --plan NAME``.

    Attributes
    ----------
    plan : str
        As a user writes it, with spaces between: ``"class-weights:scheme=effective@80%-"``.
    summary : str
        What it does, in one sentence.
    when : str
        For which data it is worth a try.
    evidence : str
        Published figures, each with its data.
    source : str
        The paper, with section or equation.
    suits : Suits, optional
        For which data ``imbtk recommend`` names it; without, for none.
    """

    plan: str
    summary: str
    when: str = ""
    evidence: str = ""
    source: str = ""
    suits: Suits | None = None


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    Attributes
    ----------
    plan : str
        The strategies that stand for it, with spaces between; empty for the plain network. It may name strategies that
        are not installed: the row is then listed and not trained.
    figure : float, optional
        The published accuracy on the test rows, in percent; None where there is none to compare with.
    source : str
        Where the figure stands: paper or repository, and table.
    note : str
        In what the row differs from what was published.
    """

    plan: str
    figure: float | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """A published table as a recipe: ``imbtk reproduce NAME --data FOLDER`` trains its rows.

    Attributes
    ----------
    summary : str
        Data, network and setting, in one sentence.
    data : str
        Which files the folder must hold.
    classes : int
        Number of classes; other data are refused.
    options : mapping of str to object
        Options of each run (:class:`imbtk.planning.config.RunConfig`): ``epochs``, ``model``, ``induce_imbalance``, …
    rows : mapping of str to PublishedRow
        By name, in the order in which they are trained.
    plan : str
        Strategies that all rows have: the augmentation.
    note : str
        In what the whole differs from what was published.
    """

    summary: str
    data: str
    classes: int
    options: Mapping[str, Any]
    rows: Mapping[str, PublishedRow]
    plan: str = ""
    note: str = ""
