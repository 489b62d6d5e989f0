"""How a user says what class a group is: ``any:CLASS``, ``majority`` or ``column:NAME``."""

from __future__ import annotations

from imbtk.errors import OptionError

__all__ = ["column_of", "parse_group_label", "rule_words"]


def parse_group_label(text: str) -> tuple[str, str]:
    """Read ``any:CLASS``, ``majority`` or ``column:NAME`` as (kind, class or column).

    Raises
    ------
    OptionError
        If it is none of these.

    Examples
    --------
    >>> parse_group_label("any:malignant"), parse_group_label("majority")
    (('any', 'malignant'), ('majority', ''))
    """
    kind, _, argument = text.strip().partition(":")
    if kind not in ("any", "majority", "column") or (kind == "majority") == bool(argument.strip()):
        raise OptionError(f"'{text}' does not say what class a group is. Write any:CLASS, majority, or column:NAME.")
    return kind, argument.strip()


def column_of(rule: str | None) -> str | None:
    """Return the column that says each group's class, None if the rule names none."""
    kind, argument = parse_group_label(rule) if rule else ("", "")
    return argument if kind == "column" else None


def rule_words(rule: str | None, noun: str) -> str:
    """Return in words what class a group is: ``"a patient with any row of 'malignant' is 'malignant'"``.

    Parameters
    ----------
    rule : str, optional
        None: all rows of a group have one class, and that is the group's.
    noun : str
        What a group is called.
    """
    kind, argument = parse_group_label(rule) if rule else ("", "")
    if kind == "any":
        return f"a {noun} with any row of '{argument}' is '{argument}', another what most of its rows are"
    if kind == "majority":
        return f"a {noun} is what most of its rows are, the rarer class where two have as many"
    if kind == "column":
        return f"what a {noun} is, the column '{argument}' says"
    return f"all rows of a {noun} have one class, which is its own"
