"""What a user can say about data: one record of options for every format."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator

from imbtk.authoring.options import option
from imbtk.data.faults import Faults
from imbtk.data.group_rule import parse_group_label
from imbtk.errors import OptionError

__all__ = ["COLUMN_OPTIONS", "DataOptions", "parse_class_names", "parse_imbalance", "parse_where"]

COLUMN_OPTIONS = frozenset({"categorical", "numeric", "drop", "decimal", "dates"})
"""What can be said of the columns of a table of features."""

_PROFILES: dict[str, Literal["long-tail", "step"]] = {"long-tail": "long-tail", "step": "step"}

_NAMED = re.compile(r"""\s*(?P<label>"[^"]*"|[^=,"]+?)\s*=\s*(?P<name>"[^"]*"|[^,"]+?)\s*(?:,|$)""")


def parse_imbalance(text: str) -> tuple[float, Literal["long-tail", "step"]]:
    """Read ``IF`` or ``IF:step`` as (imbalance factor, profile).

    Raises
    ------
    OptionError
        If the factor is no finite number of at least 1, or the profile is unknown.
    """
    factor_text, colon, profile = text.partition(":")
    how = "Write a factor n_max / n_min of at least 1, such as 50 (long-tailed) or 50:step."
    try:
        factor = float(factor_text)
    except ValueError:
        raise OptionError(f"'{text}' is no imbalance factor. {how}") from None
    if not 1 <= factor < float("inf"):
        raise OptionError(f"the imbalance factor {factor_text} is not between 1 and infinity. {how}")
    chosen = _PROFILES.get(profile if colon else "long-tail")
    if chosen is None:
        raise OptionError(f"'{profile}' is no profile of imbalance: there is long-tail and step. {how}")
    return factor, chosen


def parse_where(text: str) -> tuple[str, str]:
    """Read ``column=value``.

    Raises
    ------
    OptionError
        If there is no column or no equals sign.
    """
    column, equals, value = text.partition("=")
    if not equals or not column.strip():
        raise OptionError(f"'{text}' is no filter. Write column=value, such as magnification=200.")
    return column.strip(), value.strip()


def parse_class_names(text: str) -> dict[str, str]:
    """Read ``0=malignant,1=benign`` as names by label; double quotes hold what has a comma or an equals sign in it.

    Raises
    ------
    OptionError
        If it cannot be read so, or names a label twice.

    Examples
    --------
    >>> parse_class_names('0=malignant, 1="benign, cystic"')
    {'0': 'malignant', '1': 'benign, cystic'}
    """
    names: dict[str, str] = {}
    place = 0
    while place < len(text) or not names:
        match = _NAMED.match(text, place)
        label, name = (match[part].strip('"').strip() for part in ("label", "name")) if match else ("", "")
        if match is None or not label or not name:
            raise OptionError(f"'{text}' gives no names of classes. Write LABEL=NAME,…, such as 0=malignant,1=benign.")
        if label in names:
            raise OptionError(f"'{text}' names the label '{label}' twice: give each label one name.")
        names[label], place = name, match.end()
    return names


class DataOptions(BaseModel):
    """How data are to be read.

    Attributes are documented by their fields; the command line, the configuration file and the JSON Schema take their
    text from there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    image_size: int | None = option(
        None, "Side of the stored images in pixels; the data's own up to 64, else 64.", ge=1
    )
    resize: Literal["pad", "stretch", "crop"] = option(
        "pad", "How an image gets square: black borders, both sides scaled by themselves, or the middle cut out."
    )
    label_level: int | None = option(
        None, "Which folder is the class: 1 the first below the data, 2 the next, -1 the innermost."
    )
    path_column: str | None = option(None, "Column of a manifest that holds the file.")
    label_column: str | None = option(None, "Column that holds the class.")
    group_column: str | None = option(None, "Column that holds the group of a row, such as its patient.")
    split_column: str | None = option(None, "Column that holds train, validation or test.")
    class_names: str | None = option(
        None, "Names for the labels that the data hold, as 0=malignant,1=benign; others keep theirs."
    )
    categorical: tuple[str, ...] = option((), "Columns of a table to take as categories, with commas between.")
    numeric: tuple[str, ...] = option((), "Columns of a table to take as numbers; words in them count as missing.")
    drop: tuple[str, ...] = option((), "Columns of a table to leave out.")
    decimal: Literal["auto", "point", "comma"] = option("auto", "Decimal mark of numbers in texts.")
    dates: Literal["auto", "day-first", "month-first"] = option("auto", "How dates such as 03/12/2024 are read.")
    where: tuple[str, ...] = option((), "Rows to keep, as column=value; values of one column are alternatives.")
    group_pattern: str | None = option(
        None, "Regular expression on the path within the data; its group `group`, or its first one, is the patient."
    )
    groups: Literal["auto", "breakhis", "none"] = option(
        "auto", "Where groups come from: found by name, read from BreakHis file names, or ignored."
    )
    group_name: str | None = option(
        None, "What a group is called on pages: patient for histology, BreakHis names and patient columns, else group."
    )
    group_label: str | None = option(
        None, "What class a group is whose rows have several: any:CLASS, majority, or column:NAME."
    )
    ignore_split: bool = option(False, "Take the rows of all sides of a split that the data give as one set.")
    drop_conflicts: bool = option(
        False, "Leave out every copy of an image whose copies have different labels, instead of stopping."
    )
    drop_leaks: bool = option(
        False,
        "Leave out of a given split what stands on a later side too, copies and whole groups: from training, then "
        "validation, never from test.",
    )
    induce_imbalance: str | None = option(
        None, "Impose an imbalance on the training rows: a factor (long-tailed), or FACTOR:step."
    )
    domain: Literal["auto", "digits", "photo", "histology"] = option("auto", "What the images show.")
    cache_dir: str | None = option(None, "Where decoded images are kept; IMBTK_CACHE, else the user's cache.")
    seed: int = option(0, "Seed of everything that is drawn.", ge=0)

    # No option of a user's: how `imbtk check` asks every source to go on with what is left.
    _faults: Faults | None = PrivateAttr(None)

    @property
    def faults(self) -> Faults | None:
        """Where broken files and conflicting labels are written down; None where they are errors."""
        return self._faults

    def tolerating(self, faults: Faults) -> Self:
        """Return the same options such that broken files and conflicting labels are written down, not raised."""
        tolerant = self.model_copy()
        tolerant._faults = faults
        return tolerant

    @field_validator("categorical", "numeric", "drop", mode="before")
    @classmethod
    def _columns(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("class_names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, Mapping):  # from Python, {0: "malignant", 1: "benign"}
            value = ",".join(f'"{label}"="{name}"' for label, name in value.items())
        if isinstance(value, str):
            parse_class_names(value)
        return value

    @field_validator("where")
    @classmethod
    def _filters(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_where(text)
        return value

    @field_validator("induce_imbalance")
    @classmethod
    def _imbalance(cls, value: str | None) -> str | None:
        if value is not None:
            parse_imbalance(value)
        return value

    @field_validator("label_level")
    @classmethod
    def _level(cls, value: int | None) -> int | None:
        if value == 0:
            raise OptionError("label_level 0 is no folder: 1 is the first below the data, -1 the innermost.")
        return value

    @field_validator("group_name")
    @classmethod
    def _noun(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[^\W\d_](?:[\w -]*\w)?", value.strip()):
            raise OptionError(
                f"group_name '{value}' is no name of a thing: write one in the singular, such as patient."
            )
        return None if value is None else value.strip()

    @field_validator("group_label")
    @classmethod
    def _rule(cls, value: str | None) -> str | None:
        if value is not None:
            parse_group_label(value)
        return value

    @field_validator("group_pattern")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            compiled = re.compile(value)
        except re.error as error:
            raise OptionError(f"group_pattern '{value}' is no regular expression: {error}.") from None
        if not compiled.groups:
            raise OptionError(f"group_pattern '{value}' has no group: put round brackets round what names the patient.")
        return value

    def refuse_unused(self, used: set[str], what: str) -> None:
        """Refuse options that were given but say nothing about this kind of data.

        Parameters
        ----------
        used : set of str
            The options that do.
        what : str
            The kind of data, for the message.

        Raises
        ------
        OptionError
            Naming the options.
        """
        always = {
            "cache_dir", "seed", "induce_imbalance", "group_name", "group_label", "class_names", "ignore_split",
            "drop_leaks",
        }  # fmt: skip
        # `groups="none"` ignores what groups there are, so it has its meaning everywhere.
        always |= {"groups"} if self.groups == "none" else set()
        self.refuse_given(set(DataOptions.model_fields) - used - always, what)

    def refuse_given(self, names: Collection[str], what: str) -> None:
        """Refuse those of `names` that were given, as they say nothing about `what`.

        Raises
        ------
        OptionError
            Naming the options.
        """
        fields = DataOptions.model_fields
        given = [name for name in fields if name in names and getattr(self, name) != fields[name].default]
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise OptionError(f"{flags} says nothing about {what}: leave it out.")
