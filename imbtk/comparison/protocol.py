"""Whose folder it is: what a comparison is made of, kept in its folder, and what differs from a command."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk._version import __version__
from imbtk.authoring.plugin_files import PluginFile
from imbtk.comparison.config import ComparisonConfig
from imbtk.comparison.grid import PlanRow
from imbtk.comparison.splits import compared_rows
from imbtk.data.dataset import Dataset
from imbtk.errors import RunFolderError
from imbtk.files import write_json
from imbtk.runs.format import PROTOCOL

__all__ = ["check_folder", "default_folder", "differences", "protocol_document", "read_protocol"]

_SPLITS = 2
"""Of the way in which rows are dealt into folds: cells of two ways have other test rows and are no one comparison."""

_ELSEWHERE = (
    "out",
    "cache_dir",
    "plan",
    "each",
    "pairs",
    "plan_set",
    "strategies",
    "fold",
    "data",
    "from_comparison",
    "row",
    "discard_unfinished",
)
"""Options that change no number of a cell, or stand in the protocol in another form."""


def protocol_document(
    config: ComparisonConfig,
    dataset: Dataset,
    rows: Sequence[PlanRow],
    left_out: Mapping[str, str],
    device: str,
    files: Sequence[PluginFile] = (),
) -> dict[str, Any]:
    """Return what ``protocol.json`` holds: everything that the numbers of the comparison depend on.

    Parameters
    ----------
    config : ComparisonConfig
        Resolved: epochs, model and learning rate are filled in.
    dataset : Dataset
    rows : sequence of PlanRow
        The baseline first.
    left_out : mapping of str to str
        Plans that make no sense for the data, with the reason.
    device : str
    files : sequence of PluginFile
        Plugins in files of their own: what they hold counts, and not where they lie.
    """
    known = dataset.groups is not None and bool(dataset.description.get("groups_known", True))
    options = {key: value for key, value in config.model_dump(mode="json").items() if key not in _ELSEWHERE}
    return {
        "schema_version": PROTOCOL.schema,
        "imbtk": __version__,
        "splits": _SPLITS,
        "torch": torch.__version__,
        "device": device,
        "data": {
            "name": dataset.name,
            "rows": len(dataset),
            "digest": _digest(dataset),
            "kind": dataset.kind,
            "sample_shape": list(dataset.sample_shape),
            "class_names": list(dataset.class_names),
            "groups_known": known,
        },
        "options": dict(sorted(options.items())),
        "plans": [{"name": row.name, "parts": list(row.parts)} for row in rows],
        **_plugins(rows, files),
        "left_out": [{"plan": plan, "reason": reason} for plan, reason in left_out.items()],
        "source": _source(config.data),
        "notes": list(dataset.notes),
    }


def _source(data: str | None) -> str | None:
    """Return where the data lie, so that it is found from elsewhere too; None for arrays."""
    return str(Path(data).absolute()) if data is not None and Path(data).exists() else data


def _plugins(rows: Sequence[PlanRow], files: Sequence[PluginFile]) -> dict[str, Any]:
    """Return which files of strategies there are, and who ships the strategies that are neither of these nor ours."""
    found: dict[str, Any] = {}
    if files:
        found["plugin_files"] = [f"{Path(file.path).name} sha256:{file.digest}" for file in files]
    paths = tuple(f"{file.path} " for file in files)
    strangers = {
        item.strategy.name: item.provider
        for row in rows
        for item in row.plan.items
        if not item.provider.startswith(("imbtk ", "defined in ", *paths))
    }
    return {**found, "providers": strangers} if strangers else found


def _digest(dataset: Dataset) -> str:
    """Return 16 hex digits that stand for labels, groups and samples."""
    digest = hashlib.blake2b(repr((dataset.class_names, tuple(dataset.x.shape))).encode(), digest_size=8)
    digest.update(dataset.labels.numpy().tobytes())
    if dataset.groups is not None:
        digest.update(dataset.groups.numpy().tobytes())
    judged = compared_rows(dataset)
    if len(judged) < len(dataset):
        digest.update(judged.tobytes())
    # Some thousand samples, evenly spread: enough to tell data apart, quick for many gigabytes.
    rows = torch.linspace(0, len(dataset) - 1, min(len(dataset), 2048)).long()
    digest.update(dataset.x[rows].contiguous().numpy().tobytes())
    return digest.hexdigest()


def default_folder(protocol: Mapping[str, Any]) -> Path:
    """Return ``comparisons/<data>-<digest>``: the same command finds the same folder, and goes on in it."""
    counted = {key: value for key, value in protocol.items() if key not in ("notes", "source")}
    counted["data"] = {key: value for key, value in protocol["data"].items() if key != "rows"}
    text = json.dumps(counted, sort_keys=True)
    letters = re.sub(r"[^A-Za-z0-9.-]+", "-", str(protocol["data"]["name"]))[:40].strip("-.") or "data"
    return Path("comparisons") / f"{letters}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def check_folder(folder: Path, protocol: Mapping[str, Any]) -> None:
    """Make the folder of a comparison, or see that it is of this one; plans may be added, never left out.

    Raises
    ------
    RunFolderError
        If the folder holds another comparison (the difference is shown), or something else.
    """
    path = folder / PROTOCOL
    if path.is_file():
        before = read_protocol(folder)
        found = differences(before, protocol)
        here = {plan["name"] for plan in protocol["plans"]}
        missing = [plan["name"] for plan in before["plans"] if plan["name"] not in here]
        if missing:
            listed = ", ".join(f"'{plan}'" for plan in missing)
            found.append(f"plans: it has {listed}, this command has not (plans may be added, never left out)")
        if found:
            raise RunFolderError(
                f"'{folder}' holds another comparison, and metrics of the two cannot stand in one table: "
                + "; ".join(found)
                + ". Give the same options to go on with it, or another --out."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise RunFolderError(
            f"'{folder}' exists already and holds no comparison (no {PROTOCOL}). Choose another --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"the folder '{folder}' cannot be made: {(error.strerror or str(error)).lower()}. Choose another --out."
        ) from error
    write_json(path, protocol)


def read_protocol(folder: Path) -> dict[str, Any]:
    """Return what ``protocol.json`` holds.

    Raises
    ------
    RunFolderError
        If there is none, it cannot be read, or a newer imbtk wrote it.
    """
    path = folder / PROTOCOL
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"'{folder}' is no comparison: it has no {PROTOCOL}.") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"'{path}' cannot be read as JSON: {error}.") from None
    if document.get("schema_version", 0) > PROTOCOL.schema:
        raise RunFolderError(f"'{path}' was written by a newer imbtk. Upgrade imbtk.")
    return document


def differences(before: Mapping[str, Any], now: Mapping[str, Any], but: Sequence[str] = ()) -> list[str]:
    """Return in words what differs between two protocols: data, options, plugins, versions.

    Parameters
    ----------
    before, now : mapping
        As :func:`protocol_document` makes them.
    but : sequence of str
        What may differ.
    """
    both = before.get("providers", {}).keys() & now.get("providers", {}).keys()
    flat = [
        {
            **{key: document.get(key) for key in ("imbtk", "splits", "torch", "device")},
            # A folder of before the number of rows was noted has it in its digest.
            **{f"data {key}": value for key, value in document["data"].items() if key in before["data"]},
            **{key: value for key, value in document["options"].items() if key != "plugins"},
            "plugin files": document.get("plugin_files"),
            **{f"strategy '{name}'": document.get("providers", {})[name] for name in both},
        }
        for document in (before, now)
    ]
    names = list(dict.fromkeys([*flat[0], *flat[1]]))
    return [
        f"{name} was {_shown(flat[0].get(name))}, is now {_shown(flat[1].get(name))}"
        for name in names
        if flat[0].get(name) != flat[1].get(name) and name not in but
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
