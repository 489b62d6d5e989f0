"""The run folder: written under another name, and given its own only when everything is in it."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import logging
import re
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk._version import __version__
from imbtk.audit import quick_audit
from imbtk.config import check_paths, write_config
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.data.dropping import write_left_out
from imbtk.data.naming import NAMES_OF_LABELS
from imbtk.errors import ImbtkError
from imbtk.fitting import Fitted
from imbtk.gallery import make_gallery
from imbtk.models.network import Network
from imbtk.models.saving import save_network
from imbtk.plugin_log import PluginLog, places_of, said_in, text_of
from imbtk.prediction import CalibrationMap, DecisionRule
from imbtk.preparation import PreparedRun
from imbtk.report.extra_sections import ExtraSection, write_additions
from imbtk.report.page import make_report
from imbtk.report.wording import ended_words, kept_words
from imbtk.run_documents import environment, groups_known, plan_document
from imbtk.seen import SeenRows
from imbtk.training.batches import Batches
from imbtk.unfinished import begin, finish, unfinished_path

__all__ = ["LOGITS_FILE", "RunFolder"]

LOGITS_FILE = "logits.npz"
"""In a cell of a comparison: which rows of the data are the test side, and what the network says of them."""

_DIGESTED = 4096
"""Rows that are in memory together while their content is digested."""


class RunFolder:
    """Where a run leaves what it made.

    Parameters
    ----------
    prepared : PreparedRun
    said : sequence of LogRecord
        What was logged while the run was prepared.

    Raises
    ------
    ImbtkError
        If the folder that the user named exists already.
    """

    def __init__(self, prepared: PreparedRun, said: Sequence[logging.LogRecord] = ()) -> None:
        self._prepared = prepared
        self._said = said
        self._places: tuple[str, ...] = ()
        check_paths(prepared.config)
        self.final = Path(prepared.config.out or _free_name(Path("runs"), str(prepared.plan)))
        self.path = unfinished_path(self.final)
        self.plan_document = plan_document(prepared)

    @property
    def run_description(self) -> dict[str, Any]:
        """What observers are told of the run."""
        config = self._prepared.config
        return {
            "plan": list(config.strategies),
            "data": self._prepared.dataset.name,
            "model": config.model,
            "seed": config.seed,
            "epochs": config.epochs,
            "out": str(self.final),
        }

    def write_settled(self, prepared: PreparedRun) -> None:
        """Write configuration and plan anew, with what was settled when the network was there."""
        self._prepared, self.plan_document = prepared, plan_document(prepared)
        write_config(prepared.config, self.path / "config.toml")
        _write_json(self.path / "plan.json", self.plan_document)

    def note_trained(self, fitted: Fitted) -> str | None:
        """Go on with the phases that were trained; return a sentence if the time was over before the last epoch."""
        self._prepared = fitted.prepared
        ended = ended_words(fitted.history, self.plan_document, self._prepared.config.max_minutes)
        if ended:
            self.log(f"warning: {ended}")
        if kept := kept_words(fitted.history, self._prepared.config.model_dump()):
            self.log(kept)
        return ended

    def write_audit(self) -> None:
        """Write what the data themselves have to say, for the page."""
        found = quick_audit(self._prepared.dataset, self._prepared.split)
        if self._prepared.unseen is not None:
            found = [finding for finding in found if finding["name"] not in ("split", "leak", "prospects")]
        _write_json(self.path / "audit.json", found)

    def evaluated_rows(self) -> dict[str, torch.Tensor]:
        """Return validation and test rows, by side; none where all rows are for training."""
        return self._prepared.sides if self._prepared.unseen is None else {}

    def known_groups(self, rows: torch.Tensor) -> np.ndarray | None:
        """Return the groups of rows, None where groups are not known."""
        groups = self._prepared.dataset.known_groups(rows)
        return None if groups is None else groups.numpy()

    @contextlib.contextmanager
    def writing(self, observers: Sequence[object] = ()) -> Iterator[None]:
        """Make the folder; give it its name at the end, or leave it as ``….unfinished`` with what went wrong.

        Meanwhile what plugins log goes to ``log.txt``; `observers` are those beside the plan's strategies.
        """
        prepared = self._prepared
        begin(self.final, prepared.config.discard_unfinished)
        write_config(prepared.config, self.path / "config.toml")
        _write_json(self.path / "plan.json", self.plan_document)
        _write_json(self.path / "environment.json", environment(prepared))
        self._write_split()
        self._write_seen()
        write_left_out(prepared.dataset, self.path)
        began = time.time()
        self.log(f"imbtk {__version__}: {prepared.plan}")
        for line in self.plan_document["warnings"]:
            self.log(f"warning: {line}")
        strategies = [item.strategy for item in prepared.plan.items]
        self._places = places_of([*strategies, *observers], prepared.catalogue.loaded_modules())
        self._log_what_was_said()
        try:
            with PluginLog(self._log_record):
                yield
        except BaseException as error:
            self.log("".join(traceback.format_exception(error)))
            if isinstance(error, KeyboardInterrupt):
                error.add_note(f"What the run had so far is in '{self.path}'.")
            if isinstance(error, ImbtkError) and not (self.path / "checkpoint").exists():
                # A user's mistake before anything was learnt leaves nothing behind.
                shutil.rmtree(self.path, ignore_errors=True)
            raise
        self.log(f"done in {time.time() - began:.1f} s")
        finish(self.final)
        self.path = self.final

    def log(self, line: str, when: float | None = None) -> None:
        """Add a line with the time, now or `when`, to ``log.txt``."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when))}  {line}\n")

    def _log_record(self, record: logging.LogRecord) -> None:
        if said_in(record, self._places):
            self.log(text_of(record), record.created)

    def _log_what_was_said(self) -> None:
        """Write what plugins logged before there was a folder: once, though hooks are tried on copies as well."""
        lines: dict[str, float] = {}
        for record in self._said:
            if said_in(record, self._places):
                lines.setdefault(text_of(record), record.created)
        for line, when in lines.items():
            self.log(line, when)

    def _write_split(self) -> None:
        dataset, split = self._prepared.dataset, self._prepared.split
        side = np.full(len(dataset), "unused", dtype=object)
        for name, rows in zip(SPLIT_NAMES, (split.train, split.validation, split.test), strict=True):
            side[rows.numpy()] = name
        side[self._prepared.dropped.numpy()] = "dropped"
        names = dataset.row_names or tuple(map(str, range(len(dataset))))
        labels = np.array(dataset.class_names, dtype=object)[dataset.labels.numpy()]
        lines = zip(range(len(dataset)), names, labels, self._group_names, side, strict=True)
        _write_csv(self.path / "split.csv", ("row", "file", "label", "group", "split"), lines)

    def _write_seen(self) -> None:
        """Write digests of what training and validation see, and of the groups that these rows are of."""
        dataset, split = self._prepared.dataset, self._prepared.split
        rows = torch.unique(torch.cat([split.train, split.validation]))
        known, names = dataset.known_groups(rows), dataset.group_names
        groups = [] if known is None else torch.unique(known).tolist()
        samples = (dataset.x[part].numpy() for part in torch.split(rows, _DIGESTED))
        SeenRows.of(samples, (names[group] if names else str(group) for group in groups)).write(self.path)

    @functools.cached_property
    def _group_names(self) -> np.ndarray:
        """Group of each row of the data set, (N,) of str; empty where groups are not known."""
        dataset = self._prepared.dataset
        if dataset.groups is None or not groups_known(self._prepared):
            return np.full(len(dataset), "", dtype=object)
        names = dataset.group_names or tuple(map(str, range(int(dataset.groups.max()) + 1)))
        by_row: np.ndarray = np.array(names, dtype=object)[dataset.groups.numpy()]
        return by_row

    def write_calibration(self, document: Mapping[str, Any]) -> None:
        """Write ``calibration.json``: how logits became probabilities, with figures before and after."""
        _write_json(self.path / "calibration.json", document)

    def write_decision(self, document: Mapping[str, Any]) -> None:
        """Write ``decision.json``: how a class is picked, and what that was fitted on."""
        _write_json(self.path / "decision.json", document)

    def write_results(
        self,
        network: Network,
        history: Sequence[Mapping[str, float]],
        logits: Mapping[str, np.ndarray],
        calibration: CalibrationMap,
        decision: DecisionRule,
        metrics: Mapping[str, Any],
    ) -> None:
        """Write history, predictions, metrics and model."""
        columns = list(dict.fromkeys(key for record in history for key in record))
        _write_csv(self.path / "history.csv", columns, ([repr(record[c]) for c in columns] for record in history))
        self._write_predictions(logits, calibration, decision)
        _write_json(self.path / "metrics.json", metrics)
        save_network(self.path / "model", network, self._model_description(calibration, decision))

    def write_logits(self, logits: np.ndarray) -> None:
        """Write the logits (n, K) of the test rows, as trained, for what a comparison fits on rows unseen."""
        np.savez(self.path / LOGITS_FILE, rows=self._prepared.split.test.numpy(), logits=logits)

    def write_page(
        self,
        batches: Batches,
        logits: Mapping[str, np.ndarray],
        calibration: CalibrationMap,
        decision: DecisionRule,
        sections: Sequence[ExtraSection] = (),
        failures: Sequence[str] = (),
    ) -> list[str]:
        """Write gallery and page, with the sections that plugins add, once the results are there.

        Returns
        -------
        list of str
            `failures`, what plugins failed to do after training, and what of `sections` cannot be shown.
        """
        test = logits.get("test", np.empty((0, self._prepared.dataset.num_classes)))
        probabilities = calibration.probabilities(test)
        decided = decision.decide(test, probabilities)
        make_gallery(self.path / "gallery.npz", self._prepared, batches, decided, probabilities)
        failed = self.write_additions(sections, failures)
        make_report(self.path)
        return failed

    def write_additions(self, sections: Sequence[ExtraSection], failures: Sequence[str]) -> list[str]:
        """Write what plugins add, and what of them failed, to ``sections.json`` and ``log.txt``; return what failed."""
        failed = write_additions(self.path, sections, failures)
        for line in failed:
            self.log(f"warning: {line}")
        return failed

    def _model_description(self, calibration: CalibrationMap, decision: DecisionRule) -> dict[str, Any]:
        """Return what prediction needs beside the weights: data, never code, and nothing of the test rows."""
        prepared = self._prepared
        dataset = prepared.dataset
        return {
            "imbtk_version": __version__,
            "model": prepared.model.name,
            "kind": dataset.kind,
            "sample_shape": list(dataset.sample_shape),
            "class_names": list(dataset.class_names),
            NAMES_OF_LABELS: dataset.description.get(NAMES_OF_LABELS, {}),
            "feature_names": list(dataset.feature_names),
            "positive_class": prepared.config.positive,
            "group_name": dataset.group_name,
            "group_label": dataset.group_label,
            "preprocessing": dataset.preprocessing,
            "normalisation": prepared.normalisation.to_json(),
            "precision": "fp32",  # of predictions, whatever was trained with: as the run's own were made
            "calibration": calibration.to_json(),
            "decision": decision.to_json(),
            "natural_prior": prepared.phases[-1].ledger.table()["natural"],
            "deployment_prior": prepared.deployment.tolist(),
            "effective_prior": prepared.phases[-1].ledger.table()["effective"],
        }

    def _write_predictions(
        self, logits: Mapping[str, np.ndarray], calibration: CalibrationMap, decision: DecisionRule
    ) -> None:
        dataset = self._prepared.dataset
        truth = dataset.group_truth
        header = ("row", "split", "group", "truth", "predicted", *(f"p:{name}" for name in dataset.class_names))
        header += () if truth is None else ("group_truth",)
        names = (*dataset.class_names, "")  # the last one stands for an abstention, class number -1

        def lines() -> Iterator[Sequence[Any]]:
            for side, rows in self.evaluated_rows().items():
                probabilities = calibration.probabilities(logits[side])
                decided = decision.decide(logits[side], probabilities)
                labels = dataset.labels[rows].tolist()
                groups = self._group_names[rows.numpy()]
                for i, row in enumerate(rows.tolist()):
                    shares = [repr(float(p)) for p in probabilities[i]]
                    group = () if truth is None else (names[int(truth[row])],)
                    yield (row, side, groups[i], names[labels[i]], names[decided[i]], *shares, *group)

        _write_csv(self.path / "predictions.csv", header, lines())


def _free_name(parent: Path, plan: str) -> Path:
    """Return a folder name that is not taken: time, then the plan in letters that every file system has."""
    slug = re.sub(r"[^A-Za-z0-9.=@%+-]+", "_", plan)[:60].strip("_.") or "nothing"
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}"
    path, number = parent / stem, 2
    while path.exists() or unfinished_path(path).exists():
        path, number = parent / f"{stem}-{number}", number + 1
    return path


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
