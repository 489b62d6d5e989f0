"""What plugins offer beside strategies: plans under a name, and published tables to train again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PublishedRow", "PublishedTable", "Recipe"]


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
    """

    plan: str
    summary: str
    when: str = ""
    evidence: str = ""
    source: str = ""


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
