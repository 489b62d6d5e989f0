"""The model, after a comparison: one of its rows trained on all rows of the data, with the comparison's estimate."""

from __future__ import annotations

import csv
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.authoring.options import split_specs
from imbtk.comparison.analysis import DECISION
from imbtk.comparison.cells import cell_folder
from imbtk.comparison.columns import metric_name
from imbtk.comparison.comparison import Comparison
from imbtk.comparison.config import ComparisonConfig
from imbtk.comparison.folder import ComparisonFolder
from imbtk.comparison.grid import BASELINE, GridCell, PlanRow
from imbtk.comparison.protocol import differences, protocol_document
from imbtk.comparison.speed import kept_speed
from imbtk.comparison.words import unit_noun
from imbtk.errors import OptionError, PlanError, RunFolderError, did_you_mean
from imbtk.pipeline.prepare import hear, prepare_split
from imbtk.planning.config import RunConfig
from imbtk.planning.plan import Plan, StrategyLike
from imbtk.planning.prepared import PreparedRun, Unseen
from imbtk.planning.reading import Progress, choose_model, make_catalogue, read_data
from imbtk.planning.splitting import induced
from imbtk.runs.format import HISTORY, LOGITS
from imbtk.runs.log import PluginLog

__all__ = ["OWN_OPTIONS", "prepare_row"]

OWN_OPTIONS = (
    "from_comparison", "row", "data", "plugins", "without", "out", "discard_unfinished", "cache_dir", "device",
    "threads",
)  # fmt: skip
"""Options that stay the run's own; all others are the comparison's."""

_ALSO_CALLED = {"nothing, decision moved": DECISION, "baseline": BASELINE}


def prepare_row(
    config: RunConfig,
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    progress: Progress | None = None,
    log: PluginLog | None = None,
) -> PreparedRun:
    """Return a run of a comparison's row on all rows of the data, ready to train.

    Parameters
    ----------
    config : RunConfig
        With ``from_comparison`` and ``row``; what else it says must be as in the comparison.
    data : object, optional
        Where the comparison was given arrays and not a path: the same arrays.
    strategies : sequence, optional
        Those of the row, where no plugin offers them.
    progress : callable, optional
    log : PluginLog, optional

    Raises
    ------
    RunFolderError
        If the folder is no finished comparison, has no such row, or data or plugins are not those that it saw.
    OptionError
        If an option says otherwise than the comparison.
    ImbtkError
        Whatever is wrong with the data.
    """
    path = Path(config.from_comparison or "")
    folder, document = ComparisonFolder(path), Comparison(path).document
    name = _row_name(config.row, document, path)
    entry = next(row for row in document["rows"] if row["name"] == name)
    plan_name = BASELINE if name == DECISION else name
    row = next(plan for plan in folder.plans if plan.name == plan_name)
    if (lack := folder.lacks(row)) is not None or not entry["complete"]:
        raise RunFolderError(f"the row '{name}' of '{path}' is not complete: {lack or entry['reason']}.")
    resolved = _merged(config, folder, name)
    catalogue = make_catalogue(resolved)
    plan = _plan(plan_name, strategies, catalogue)
    hear(log, plan, catalogue)
    resolved, dataset = read_data(resolved, _source(resolved, data, path), catalogue, progress)
    now = protocol_document(
        folder.config, dataset, [dataclasses.replace(row, plan=plan)], {}, folder.protocol["device"], catalogue.files()
    )
    if found := differences({**folder.protocol, "torch": now["torch"]}, now, ("data name", "splits")):
        raise RunFolderError(
            f"'{path}' compared something else, and its metrics would not speak of this model: {'; '.join(found)}. "
            "Give the data and plugins that were compared, or compare anew."
        )
    everything, none = torch.arange(len(dataset)), torch.empty(0, dtype=torch.int64)
    split, dropped = induced(dataset, Split(everything, none, none))
    unseen = _unseen(folder, row, _estimate(path, name, document, entry))
    model = choose_model(resolved, dataset, catalogue)
    return prepare_split(
        resolved, catalogue, dataset, plan=plan, model=model, split=split, dropped=dropped, unseen=unseen
    )


def _row_name(wanted: str | None, document: dict[str, Any], path: Path) -> str:
    names = [row["name"] for row in document["rows"]]
    if wanted is None:
        best = next(row["name"] for row in document["rows"] if row["complete"])
        raise OptionError(f"say which row of '{path}' to train: --row '{best}', the best one, or one of the others.")
    name = _ALSO_CALLED.get(wanted, wanted)
    if name not in names:
        raise RunFolderError(
            f"'{path}' has no row '{wanted}'.{did_you_mean(wanted, names)} It has: {', '.join(map(repr, names))}."
        )
    return name


def _merged(config: RunConfig, folder: ComparisonFolder, name: str) -> RunConfig:
    """Return the comparison's options with the run's own; refuse what says otherwise."""
    of: ComparisonConfig = folder.config
    values = {key: getattr(of, key) for key in RunConfig.model_fields if key not in OWN_OPTIONS}
    values |= {
        "decide": "balanced" if name == DECISION else of.decide,
        "strategies": (),
        "plan": (),
        **kept_speed(folder.folder),
    }
    # Nothing is left to stop by: training ends after the epochs that the comparison's cells kept.
    stop = {"early_stop": "none", "patience": None}
    plan = () if name in (DECISION, BASELINE) else tuple(split_specs(name))
    given = config.model_dump(exclude_unset=True)
    other = [key for key in values if key in given and given[key] not in (values[key], stop.get(key, values[key]))]
    other = [key for key in other if key != "strategies"]
    if "strategies" in given and tuple(given["strategies"]) not in ((), plan):
        other.append("strategies")
    if other:
        said = "; ".join(
            f"'{key}' was {plan if key == 'strategies' else values[key]}, is {given[key]} here" for key in other
        )
        raise OptionError(
            f"the row '{name}' is trained as '{folder.folder}' trained it, or its metrics would not speak of this "
            f"model: {said}. Leave out what differs, or compare anew with it."
        )
    own = {key: given[key] for key in OWN_OPTIONS if key in given}
    own.setdefault("plugins", of.plugins)
    own.setdefault("without", of.without)
    own.setdefault("data", folder.protocol.get("source"))
    return RunConfig(**{**values, **stop, **own})


def _plan(name: str, strategies: Sequence[StrategyLike] | None, catalogue: Any) -> Plan:
    if name == BASELINE:
        return Plan(())
    try:
        plan = Plan.build(strategies or split_specs(name), catalogue)
    except PlanError as error:
        error.args = (f"{error} Where a strategy was made in Python, give the row's: strategies=[…].",)
        raise
    if str(plan) != name:
        raise PlanError(f"the row is '{name}', the strategies given are '{plan}': give the row's, or leave them out.")
    return plan


def _source(config: RunConfig, data: Any, path: Path) -> Any:
    if data is None and config.data is None:
        raise OptionError(f"'{path}' was given arrays, which it does not keep: give the same data again.")
    return data


def _unseen(folder: ComparisonFolder, row: PlanRow, estimate: dict[str, Any]) -> Unseen:
    """Return what the models of the first repeat say of their test rows, and after how many epochs they were kept."""
    parts = [_logits(folder.folder, cell) for cell in folder.cells(row) if cell.repeat == 0]
    rows = np.concatenate([part[0] for part in parts])
    order = np.argsort(rows)
    logits = np.concatenate([part[1] for part in parts])[order]
    epochs = statistics.median_low([_kept_epochs(folder.folder, cell) for cell in folder.cells(row)])
    return Unseen(torch.from_numpy(rows[order]), logits, len(parts), epochs, estimate)


def _logits(folder: Path, cell: GridCell) -> tuple[np.ndarray, np.ndarray]:
    place = cell_folder(folder, cell) / LOGITS
    try:
        with np.load(place) as file:
            return file["rows"], file["logits"]
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            f"the logits of {cell.words}, on which probabilities and decisions are fitted, cannot be read from "
            f"'{place}': {error}. Delete '{place.parent}' and give the 'imbtk compare' command again."
        ) from None


def _kept_epochs(folder: Path, cell: GridCell) -> int:
    """Return after how many epochs the weights of a cell are: all, or the best one's where it was stopped early."""
    with (cell_folder(folder, cell) / HISTORY).open(encoding="utf-8", newline="") as file:
        history = list(csv.DictReader(file))
    done = [int(float(record["epoch"])) + 1 for record in history]
    kept = [epochs for epochs, record in zip(done, history, strict=True) if float(record.get("kept") or 0)]
    return int(statistics.median(kept)) if kept else max(done)


def _estimate(path: Path, name: str, document: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the comparison found of the row, for ``metrics.json``."""
    options = document["protocol"]
    return {
        "comparison": str(path),
        "row": name,
        "folds": options["folds"],
        "repeats": options["repeats"],
        "unit": unit_noun(document),
        "primary": document["primary"],
        "verdict": entry.get("verdict"),
        "models": options["folds"],
        "figures": [
            {"metric": key, "name": metric_name(document, key), **figure} for key, figure in entry["figures"].items()
        ],
        "per_class": entry["per_class"],
        "conditional_on": (
            "that of models of the same plan, each trained on part of the rows and tested on the others; of this "
            "model, trained on all rows, no row is left to test it on"
        ),
    }
