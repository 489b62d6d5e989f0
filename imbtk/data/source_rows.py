"""New rows by the data formats of plugins: what a run reads, ``imbtk predict`` and ``imbtk evaluate`` read as well."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbtk.data.dataset import Dataset
from imbtk.data.new_rows import NewRows, check_kind, new_rows, with_names
from imbtk.data.options import DataOptions
from imbtk.data.sources import Source, check_dataset, completed
from imbtk.data.table import unseen_values
from imbtk.errors import DataError

__all__ = ["open_new_rows"]


def open_new_rows(
    inputs: Sequence[str | Path],
    options: DataOptions,
    description: Mapping[str, Any],
    *,
    sources: Sequence[Source] = (),
    labelled: bool = False,
) -> NewRows:
    """Return new rows for a trained model, the sources of plugins asked first, as for a run.

    Parameters
    ----------
    inputs : sequence of path
        What a user gave; sources are asked about a single one.
    options : DataOptions
    description : mapping
        What ``model.json`` of the run holds.
    sources : sequence of Source
        Of plugins.
    labelled : bool
        Look for labels.

    Raises
    ------
    DataError
        If there is nothing to read, or it is not of the kind that the model was trained on.
    PluginError
        If a source returns what is no data set.
    """
    rows = _read(inputs, options, description, sources, labelled)
    frame = rows.values if isinstance(rows.values, pd.DataFrame) else None
    said = () if frame is None else unseen_values(frame, description["preprocessing"])
    return dataclasses.replace(rows, notes=(*rows.notes, *said))


def _read(
    inputs: Sequence[str | Path],
    options: DataOptions,
    description: Mapping[str, Any],
    sources: Sequence[Source],
    labelled: bool,
) -> NewRows:
    """Return new rows as the first source that accepts them, or core, reads them."""
    source = next((source for source in sources if len(inputs) == 1 and source.accepts(inputs[0], options)), None)
    if source is None:
        return new_rows(inputs, options, description, labelled=labelled)
    how = description["preprocessing"]
    if description["kind"] == "images" and options.image_size is None:
        # Read as in training: a source that resizes does so once, and to the right size.
        options = options.model_copy(update={"image_size": how.get("size"), "resize": how.get("resize", "pad")})
    try:
        dataset = source.load(inputs[0], options, None)
    except DataError as error:
        if labelled:
            raise
        raise DataError(
            f"{error} The source '{source.name}' of a plugin reads data as for training, labels and all: rows without "
            "labels that it refuses can be predicted from a form that imbtk reads by itself (folder, CSV, .npz, image "
            "files), or from Python with result.predict_proba."
        ) from error
    dataset = completed(dataset, options)
    check_dataset(dataset, source, trained_on=False)
    rows = _rows(dataset, str(inputs[0]), labelled)
    check_kind(rows, description, str(inputs[0]))
    return with_names(rows, options, description)


def _rows(dataset: Dataset, where: str, labelled: bool) -> NewRows:
    """Return the samples of a data set as new rows, with the names of their classes and groups."""
    everyone = range(len(dataset))
    groups = labels = None
    known = dataset.known_groups(dataset.labels.new_tensor(list(everyone)))
    if known is not None:
        names = dataset.group_names
        groups = tuple(names[g] if g < len(names) else str(g) for g in known.tolist())
    if labelled:
        labels = tuple(dataset.class_names[k] for k in dataset.labels.tolist())
    return NewRows(
        dataset.row_names or tuple(map(str, everyone)),
        None,
        _frame(dataset) if dataset.kind == "table" else dataset.x.numpy(),
        groups,
        labels,
        f"labels of {where}" if labelled else "",
    )


def _frame(dataset: Dataset) -> Any:
    """Return the table as it was before encoding: a column of texts for columns of 0 and 1, dates for days."""
    values, start = dataset.x.numpy(), 0
    columns: dict[str, Any] = {}
    for column in dataset.preprocessing.get("columns", ()):
        if column["type"] != "text":
            numbers = pd.Series(values[:, start])
            date = column["type"] == "date"
            columns[column["name"]] = pd.Timestamp(column["since"]) + pd.to_timedelta(numbers, "D") if date else numbers
            start += 1
            continue
        texts = [*column["values"], None]
        part = values[:, start : start + len(texts) - 1]
        found = np.where(part.max(axis=1) > 0, part.argmax(axis=1), -1)
        columns[column["name"]] = pd.Series([texts[place] for place in found], dtype=object)
        start += len(texts) - 1
    # What a source wrote down of its own making tells nothing: its columns are taken in their order.
    return pd.DataFrame(columns) if start == values.shape[1] else values
