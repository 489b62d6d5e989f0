"""What is wrong with data, written down instead of raised: for whoever wants to go on with what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imbtk.errors import DataError

__all__ = ["BrokenFilesError", "Faults"]


class BrokenFilesError(DataError):
    """Image files that cannot be read.

    Attributes
    ----------
    reasons : dict of int to str
        By row, in the order of rows.
    """

    def __init__(self, message: str, reasons: Mapping[int, str]) -> None:
        super().__init__(message)
        self.reasons = dict(reasons)


@dataclass
class Faults:
    """What a tolerant reading left out or let pass; see :meth:`imbtk.data.options.DataOptions.tolerating`.

    Attributes
    ----------
    broken : dict of str to str
        Files that cannot be read and were left out, with the reason.
    conflicts : list of tuple
        Sets of identical images with different labels, each a tuple of (row name, class name).
    """

    broken: dict[str, str] = field(default_factory=dict)
    conflicts: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
