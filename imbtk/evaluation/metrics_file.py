"""``metrics.json`` as it is read: files of older schemas in today's form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbtk.documents import read_versioned
from imbtk.errors import RunFolderError

__all__ = ["SCHEMA_VERSION", "read_metrics"]

SCHEMA_VERSION = 2

_SIDES = ("validation", "test")


def read_metrics(path: Path) -> dict[str, Any]:
    """Return what a ``metrics.json`` holds, as schema 2 has it whatever schema the file has.

    Parameters
    ----------
    path : Path

    Raises
    ------
    RunFolderError
        If it cannot be read, or a newer imbtk wrote it.
    """
    document = read_versioned(path, SCHEMA_VERSION)
    if "class_names" not in document:
        raise RunFolderError(f"{path} lacks class_names. Repeat the run from its config.toml.")
    return document if document["schema_version"] == SCHEMA_VERSION else _from_first(document)


def _from_first(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of schema 1 as schema 2 has it: rows and groups were called images and patients."""
    found = {**document, "schema_version": SCHEMA_VERSION}
    for side in _SIDES:
        if side in found:
            found[side] = {"per_row": found[side]["per_image"], "per_group": found[side]["per_patient"]}
    return found
