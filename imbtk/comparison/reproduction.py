"""A published table, trained again: ours, best and last epoch, beside the figures that were published."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk.authoring.context import Split
from imbtk.authoring.options import parse_spec, split_specs
from imbtk.authoring.recipes import PublishedRow, PublishedTable
from imbtk.console.progress import RunProgress
from imbtk.data.dataset import Dataset
from imbtk.data.faults import Faults
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import read_recipes
from imbtk.errors import DataError, ImbtkError, OptionError, did_you_mean
from imbtk.files import read_document, write_json
from imbtk.inference.result import RunResult
from imbtk.pipeline.prepare import hear, prepare_split
from imbtk.planning.config import RunConfig, make_config
from imbtk.planning.plan import Plan
from imbtk.planning.reading import choose_model, make_catalogue, read_data
from imbtk.planning.splitting import induced
from imbtk.runs.log import PluginLog
from imbtk.training.memory import keep_memory
from imbtk.wording import listing

__all__ = ["FILE", "find_table", "reproduce"]

FILE = "reproduction.json"

_TEST_ROWS = (
    "The test rows that the data give stand in place of validation rows, so that the best epoch can be said as "
    "published code says it: chosen on the test rows, and too good for that. What is fitted on validation rows has "
    "seen them."
)
_SAME = 1e-3
"""Accuracies that differ by less are those of one model, rounded otherwise."""


class _RowProgress(RunProgress):
    """The progress of a run without test rows, of which there is nothing to print at its end."""

    def on_results(self, metrics: Mapping[str, Any], folder: Path) -> None:
        """Print nothing."""


def find_table(name: str, catalogue: Catalogue) -> PublishedTable:
    """Return a table that a plugin offers.

    Raises
    ------
    OptionError
        If none does.
    """
    tables = read_recipes(catalogue).tables
    if name not in tables:
        raise OptionError(f"no plugin offers a published table '{name}'.{did_you_mean(name, tables)}")
    return tables[name]


def reproduce(
    name: str,
    data: str | Path,
    *,
    rows: Sequence[str] = (),
    epochs: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    device: str = "auto",
    plugins: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Train the rows of a published table, and return ours beside the published figures.

    Parameters
    ----------
    name : str
        Of a table that a plugin offers in ``imbtk_plans``.
    data : path
        What the table is of, with the published test side.
    rows : sequence of str
        Which rows; all unless given.
    epochs : int, optional
        Another number than the published one: a shortened version, which the result says.
    seed : int
        Of the cut to a long tail and of training.
    out : path, optional
        A folder for ``reproduction.json`` and a run folder for each row; ``reproductions/NAME`` unless given. Rows that
        it holds already are not trained again.
    device : str
    plugins : sequence of str
        Python files that offer strategies or tables.
    quiet : bool
        Print nothing but errors.

    Returns
    -------
    dict
        What ``reproduction.json`` holds: accuracies in percent.

    Raises
    ------
    OptionError
        If there is no such table or row.
    DataError
        If the data have another number of classes, or give no training or no test side.
    ImbtkError
        Whatever else is wrong with the data or the folder.
    """
    config = make_config({"plugins": tuple(plugins), "device": device, "seed": seed})
    catalogue = make_catalogue(config)
    table = find_table(name, catalogue)
    chosen = _chosen(rows, table, name)
    published = table.options["epochs"]
    options = {**table.options, **config.model_dump(exclude_unset=True), "data": str(data)}
    config = make_config({**options, "epochs": epochs or published, "decide": "trained", "early_stop": "none"})
    folder = Path(out or Path("reproductions") / name)
    document = {
        "table": name,
        "summary": table.summary,
        "data": str(Path(data).resolve()),
        "epochs": config.epochs,
        "published_epochs": published,
        "seed": seed,
        "notes": [text for text in (table.note, _TEST_ROWS) if text],
        "rows": [],
    }
    before = _rows_before(folder, document)
    with RunProgress(quiet) as progress:
        config, dataset = _read(config, table, catalogue, progress)
    document["training_rows_per_class"] = torch.bincount(
        dataset.labels[_split(dataset)[0].train], minlength=dataset.num_classes
    ).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    keep_memory()
    for row_name, row in table.rows.items():
        done = before.get(row_name)
        if row_name in chosen and (done is None or done["last"] is None):
            run = config.model_copy(update={"out": str(folder / row_name)})
            done = _trained(run, dataset, catalogue, row_name, row, common=table.plan, quiet=quiet)
        if done is not None:
            document["rows"].append(done)
            write_json(folder / FILE, document)
    return document


def _chosen(rows: Sequence[str], table: PublishedTable, name: str) -> list[str]:
    for row in rows:
        if row not in table.rows:
            raise OptionError(f"the table '{name}' has no row '{row}'.{did_you_mean(row, table.rows)}")
    return list(rows or table.rows)


def _rows_before(folder: Path, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows that the folder holds, by name; none if there is no such folder.

    Raises
    ------
    ImbtkError
        If it holds something else.
    """
    if not folder.exists():
        return {}
    if not (folder / FILE).is_file():
        if not any(folder.iterdir()):
            return {}
        raise ImbtkError(f"the folder '{folder}' holds something else than a reproduction. Choose another --out.")
    found = read_document(folder / FILE)
    for key in ("table", "data", "epochs", "seed"):
        if found.get(key) != document[key]:
            raise ImbtkError(
                f"'{folder}' holds a reproduction with another {key} ({found.get(key)}, now {document[key]}). Choose "
                "another --out."
            )
    return {row["name"]: row for row in found["rows"]}


def _read(
    config: RunConfig, table: PublishedTable, catalogue: Catalogue, progress: RunProgress
) -> tuple[RunConfig, Dataset]:
    """Return the data as they were published: no row is left out, and copies may stand on both sides."""
    tolerant = config.tolerating(Faults())
    _, dataset = read_data(tolerant, None, catalogue, progress.on_data)
    if dataset.num_classes != table.classes:
        raise DataError(
            f"{dataset.name} has {dataset.num_classes} classes, and the table is of {table.classes}. It takes "
            f"{table.data}."
        )
    if dataset.given_split is None or not {0, 2} <= set(dataset.given_split.tolist()):
        raise DataError(f"{dataset.name} gives no split into training and test rows. The table takes {table.data}.")
    test = (dataset.given_split == 2).long()
    notes = (*dataset.notes, _TEST_ROWS)
    return config, dataclasses.replace(dataset, given_split=test, groups=None, group_names=(), notes=notes)


def _split(dataset: Dataset) -> tuple[Split, torch.Tensor]:
    """Return training rows cut to the long tail with the test rows in place of validation rows, and what is cut off."""
    is_test = torch.zeros(len(dataset)) if dataset.given_split is None else dataset.given_split
    train, test = (torch.nonzero(is_test == side)[:, 0] for side in (0, 1))
    return induced(dataset, Split(train, test, test[:0]))


def _trained(
    config: RunConfig,
    dataset: Dataset,
    catalogue: Catalogue,
    name: str,
    row: PublishedRow,
    common: str,
    quiet: bool,
) -> dict[str, Any]:
    """Train one row; return its entry, which says why where it could not be trained."""
    entry: dict[str, Any] = {
        "name": name,
        "plan": row.plan,
        "published": row.figure,
        "source": row.source,
        "note": row.note,
        "best": None,
        "best_epoch": None,
        "last": None,
        "reason": "",
    }
    specs = split_specs(" ".join(text for text in (common, row.plan) if text))
    known = {*catalogue.offers(), *read_recipes(catalogue).plans}
    missing = [repr(spec) for spec in dict.fromkeys(parse_spec(spec).name for spec in specs) if spec not in known]
    if missing:
        return {**entry, "reason": f"not installed: {listing(missing)}"}
    try:
        plan = Plan.build(specs, catalogue)
        result = _run(config.model_copy(update={"strategies": tuple(specs)}), dataset, catalogue, plan, quiet)
    except ImbtkError as error:
        return {**entry, "reason": str(error)}
    finishes = any(hook.name == "imbtk_finish" for item in plan.items for hook in item.strategy.hooks())
    return {**entry, **_figures(result, finishes)}


def _run(config: RunConfig, dataset: Dataset, catalogue: Catalogue, plan: Plan, quiet: bool) -> RunResult:
    from imbtk.pipeline.run import run_prepared

    with _RowProgress(quiet) as progress, contextlib.closing(PluginLog()) as log:
        hear(log, plan, catalogue)
        model = choose_model(config, dataset, catalogue)
        split, dropped = _split(dataset)
        prepared = prepare_split(config, catalogue, dataset, plan=plan, model=model, split=split, dropped=dropped)
        return run_prepared(prepared, progress, log)


def _figures(result: RunResult, finishes: bool) -> dict[str, Any]:
    """Return the accuracy of the finished model, and of the best epoch where that is of the same kind of prediction.

    The best one is of the last phase: before a second stage begins it is another model. What acts after training (a
    decision, what a strategy finishes) is in no epoch's record: then there is no best epoch.
    """
    last = float(result.metrics["validation"]["per_row"]["overall"]["accuracy"]["value"])
    history = result.history
    found: dict[str, Any] = {"last": round(100 * last, 2)}
    if finishes or abs(history[-1]["validation_accuracy"] - last) >= _SAME:
        return found
    in_last_phase = [record for record in history if record["phase"] == history[-1]["phase"]]
    best = max(in_last_phase, key=lambda record: record["validation_accuracy"])
    accuracy = max(last, best["validation_accuracy"])
    return {**found, "best": round(100 * accuracy, 2), "best_epoch": int(best["epoch"]) + 1}
