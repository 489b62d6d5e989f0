"""``metrics.json`` as it is read: files of older schemas in today's form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbtk.errors import RunFolderError
from imbtk.files import read_versioned
from imbtk.runs.format import METRICS

__all__ = ["read_metrics"]

_BY_TRUTH = (
    "rows of one group have several classes, and this run of an older imbtk told its parts apart by their true class, "
    "which nobody knows of new data. Repeat the run, or evaluate its model with --group-label"
)
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
    document = read_versioned(path, METRICS.schema)
    if "class_names" not in document:
        raise RunFolderError(f"{path} lacks class_names. Repeat the run from its config.toml.")
    return document if document["schema_version"] == METRICS.schema else _from_first(document)


def _from_first(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of schema 1 as schema 2 has it.

    There rows and groups were called images and patients; the plain names of ranking metrics were those of means over
    classes; and where rows of a group had several classes, they were told apart by the truth: such metrics are left
    out.
    """
    found = {"group_name": "group", "group_label": None, **document, "schema_version": METRICS.schema}
    positive = document.get("positive_class")
    k = document["class_names"].index(positive) if positive is not None else None
    for side in _SIDES:
        if side in found:
            rows, groups = (_level(found[side][key], k) for key in ("per_image", "per_patient"))
            if any(warning["code"] == "mixed-groups" for warning in groups.get("warnings", ())):
                groups = {"value": None, "reason": _BY_TRUTH}
            found[side] = {"per_row": rows, "per_group": groups}
    return found


def _level(level: Mapping[str, Any], positive: int | None) -> dict[str, Any]:
    """Return a level with the metrics of the positive class under the plain names, and means over classes as such."""
    if "overall" not in level:
        return dict(level)
    overall = dict(level["overall"])
    for key in ("auroc", "auprc"):
        overall[f"macro_{key}"] = overall.pop(key)
        if f"{key}_positive" in overall:
            overall[key] = overall.pop(f"{key}_positive")
    if "brier_positive" in overall:
        overall["brier"] = overall.pop("brier_positive")
    if positive is not None and level["n"]:
        share = level["per_class"][positive]["support"] / level["n"]
        overall["auprc_floor"] = {"value": share, "interval": None, "n": level["n"], "groups": None, "method": None}
    return {**level, "overall": overall}
