"""What plugins offer beside strategies: plans under a name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recipe"]


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
