"""What images show, guessed from names where the user does not say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from imbtk.data.options import DataOptions

__all__ = ["Domain", "domain_of"]

Domain = Literal["digits", "photo", "histology"]

_HISTOLOGY = re.compile(r"histo|biops|patholog|breakhis|(?<![a-z])idc(?![a-z])", re.IGNORECASE)


def domain_of(
    options: DataOptions, name: str, class_names: Sequence[str], channels: int, breakhis: bool = False
) -> Domain:
    """Return what images show: what the user says, else histology, digits or photo by their names.

    Parameters
    ----------
    options : DataOptions
    name : str
        Path or name of the data.
    class_names : sequence of str
    channels : int
    breakhis : bool
        Whether the files have BreakHis names.

    Notes
    -----
    Data are taken for digits only if they say so (the name holds ``mnist`` or ``digit``, but not ``fashion``), are grey
    and have the classes 0 to 9: a wrong guess would take flips away from photos, or give them to digits.
    """
    if options.domain != "auto":
        return options.domain
    if breakhis or _HISTOLOGY.search(name):
        return "histology"
    said = name.casefold()
    named = ("mnist" in said or "digit" in said) and "fashion" not in said
    if named and channels == 1 and set(class_names) == {str(digit) for digit in range(10)}:
        return "digits"
    return "photo"
