"""What a group is called and what class it is, once a data set is read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from imbtk.data.dataset import Dataset
from imbtk.data.group_labels import column_classes, group_classes
from imbtk.data.group_rule import column_of
from imbtk.data.options import DataOptions
from imbtk.errors import OptionError

__all__ = ["group_noun", "with_group_column", "with_group_facts"]

_PATIENTS = re.compile(r"breakhis|column '(?:\w+[ _-])?patients?(?:[ _-]?\w+)?'", re.IGNORECASE)


def group_noun(options: DataOptions, domain: str, groups_from: str = "") -> str:
    """Return what a group is called: as the user says, else a patient where domain or names say so, else a group.

    Parameters
    ----------
    options : DataOptions
    domain : str
        What images show; "table" for a table.
    groups_from : str
        Where groups are known from.
    """
    if options.group_name is not None:
        return options.group_name
    return "patient" if domain == "histology" or _PATIENTS.search(groups_from) else "group"


def with_group_facts(dataset: Dataset, options: DataOptions) -> Dataset:
    """Return the data set with the name of its groups and, where a rule is given, the class of each.

    Raises
    ------
    OptionError
        If a rule is given and groups are not known, it names no class, or a column that these data have not.
    """
    noun = group_noun(options, dataset.domain, str(dataset.description.get("groups_from", "")))
    dataset = dataclasses.replace(dataset, group_name=noun, group_label=options.group_label)
    rule, groups = options.group_label, dataset.known_groups(torch.arange(len(dataset)))
    if rule is None or dataset.group_truth is not None:
        return dataset
    if groups is None:
        raise OptionError(
            f"--group-label {rule}: which rows of {dataset.name} belong together is not known. Say so with "
            "--group-column, --group-pattern or --groups breakhis, or leave it out."
        )
    if column_of(rule) is not None:
        raise OptionError(
            f"--group-label {rule}: {dataset.name} has no columns, which only manifests and tables have. Use any:CLASS "
            "or majority."
        )
    truth = group_classes(
        rule, dataset.labels.numpy(), groups.numpy(), dataset.class_names, dataset.class_counts.numpy()
    )
    return dataclasses.replace(dataset, group_truth=torch.from_numpy(truth))


def with_group_column(
    dataset: Dataset, values: Mapping[str, Any] | Sequence[Any] | None, where: str, options: DataOptions
) -> Dataset:
    """Return the data set with the class of each group as a column says.

    Parameters
    ----------
    dataset : Dataset
    values : mapping of str, or sequence
        What the column holds, by the name of a row or in the rows' order; None where no column was asked for.
    where : str
        What the column is, for messages.
    options : DataOptions

    Raises
    ------
    DataError
        If a value is no class, or rows of a group have several.
    """
    if values is None:
        return dataset
    groups = dataset.known_groups(torch.arange(len(dataset)))
    if groups is None:
        return dataset
    rows = [values[name] for name in dataset.row_names] if isinstance(values, Mapping) else list(values)
    names = dataset.group_names
    keys = [names[g] if g < len(names) else str(g) for g in groups.tolist()]
    noun = group_noun(options, dataset.domain, str(dataset.description.get("groups_from", "")))
    truth = column_classes(rows, keys, dataset.class_names, where, noun)
    return dataclasses.replace(dataset, group_truth=torch.from_numpy(truth))
