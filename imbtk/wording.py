"""Words that every room needs, and that need nothing."""

from __future__ import annotations

__all__ = ["several"]


def several(noun: str) -> str:
    """Return the plural of an English noun that forms it by rule.

    Examples
    --------
    >>> [several(noun) for noun in ("patient", "class", "study", "batch", "epoch")]
    ['patients', 'classes', 'studies', 'batches', 'epochs']
    """
    if noun.endswith(("s", "x", "tch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
