"""Names for classes whose labels say nothing: ``0=malignant,1=benign``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from imbtk.data.dataset import Dataset
from imbtk.data.options import parse_class_names
from imbtk.errors import OptionError, did_you_mean
from imbtk.wording import listing

__all__ = ["NAMES_OF_LABELS", "named_labels", "with_class_names"]

NAMES_OF_LABELS = "names_of_labels"
"""Where the description of a data set, and of a model, keeps the names that were given."""


def with_class_names(dataset: Dataset, text: str) -> Dataset:
    """Return the data set with the names that ``--class-names`` gives to its labels; other classes keep theirs.

    Raises
    ------
    OptionError
        If there is no such label, or two classes would have one name.
    """
    given = parse_class_names(text)
    unknown = [label for label in given if label not in dataset.class_names]
    if unknown:
        raise OptionError(
            f"--class-names names the label {listing([repr(label) for label in unknown])}, which {dataset.name} does "
            f"not have: its labels are {listing([repr(name) for name in dataset.class_names])}."
            + (did_you_mean(unknown[0], dataset.class_names) if len(dataset.class_names) > 20 else "")
        )
    names = tuple(given.get(label, label) for label in dataset.class_names)
    seen: dict[str, str] = {}
    for label, name in zip(dataset.class_names, names, strict=True):
        other = seen.setdefault(" ".join(name.casefold().split()), label)
        if other != label:
            raise OptionError(
                f"--class-names would call both the labels {other!r} and {label!r} '{name}': every class needs a name "
                "of its own. If they are one class, give them one label in the data."
            )
    description = {**dataset.description, NAMES_OF_LABELS: given}
    return dataclasses.replace(dataset, class_names=names, description=description)


def named_labels(
    labels: Sequence[str], text: str | None, trained: Mapping[str, str], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Return the labels of new rows under the names of the model's classes.

    Parameters
    ----------
    labels : sequence of str
    text : str, optional
        What ``--class-names`` says of the new rows.
    trained : mapping of str to str
        The names that the labels of the training data were given: used where a label is known by them alone.
    class_names : sequence of str
        Of the model.

    Raises
    ------
    OptionError
        If the new rows have no such label.
    """
    if text is not None:
        given: Mapping[str, str] = parse_class_names(text)
        unknown = [label for label in given if label not in set(labels)]
        # A cohort need not have every class; a name that no class of the model has is a slip.
        strange = [label for label in unknown if given[label] not in class_names]
        if strange or len(unknown) == len(given):
            found = listing([repr(label) for label in sorted(set(labels))])
            raise OptionError(f"--class-names names the label '{(strange or unknown)[0]}', and the data have {found}.")
    else:
        known = set(class_names)
        given = {} if set(labels) <= known else {label: name for label, name in trained.items() if label not in known}
    return tuple(given.get(label, label) for label in labels)
