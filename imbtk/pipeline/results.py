"""What a run leaves in its folder, file by file."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk._version import __version__
from imbtk.audit.inspection import quick_audit
from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.data.dropping import write_left_out
from imbtk.data.naming import NAMES_OF_LABELS
from imbtk.models.ensemble import Ensemble
from imbtk.models.network import Network
from imbtk.models.saving import save_network
from imbtk.pipeline.documents import environment, groups_known, plan_document
from imbtk.pipeline.gallery import make_gallery
from imbtk.pipeline.prepare import hear
from imbtk.planning.config import check_paths, write_config
from imbtk.planning.prepared import PreparedRun
from imbtk.report.extra_sections import ExtraSection, write_additions
from imbtk.report.page import make_report
from imbtk.runs.format import (
    AUDIT,
    CALIBRATION,
    CONFIG,
    DECISION,
    ENVIRONMENT,
    GALLERY,
    HISTORY,
    LOG,
    METRICS,
    PLAN,
    PREDICTIONS,
    SPLIT,
)
from imbtk.runs.log import PluginLog
from imbtk.runs.seen import SeenRows
from imbtk.runs.writing import RunFolder, free_name
from imbtk.training.batches import Batches
from imbtk.training.fitting import Fitted
from imbtk.wording import ended_words, kept_words

__all__ = ["Results"]

_DIGESTED = 4096
"""Rows that are in memory together while their content is digested."""


class Results(RunFolder):
    """Writes what a prepared run made into its folder.

    Parameters
    ----------
    prepared : PreparedRun

    Raises
    ------
    ImbtkError
        If the folder that the user named exists already.
    """

    def __init__(self, prepared: PreparedRun) -> None:
        self._prepared = prepared
        check_paths(prepared.model.config)
        super().__init__(Path(prepared.model.config.out or free_name(Path("runs"), str(prepared.plan.strategies))))
        self.plan_document = plan_document(prepared)

    @property
    def run_description(self) -> dict[str, Any]:
        """What observers are told of the run."""
        config = self._prepared.model.config
        return {
            "plan": list(config.strategies),
            "data": self._prepared.data.dataset.name,
            "model": config.model,
            "seed": config.seed,
            "epochs": config.epochs,
            "out": str(self.final),
        }

    def write_settled(self, prepared: PreparedRun) -> None:
        """Write configuration and plan anew, with what was settled when the network was there."""
        self._prepared, self.plan_document = prepared, plan_document(prepared)
        write_config(prepared.model.config, self.path / CONFIG)
        self.write_json(PLAN, self.plan_document)

    def note_trained(self, fitted: Fitted) -> str | None:
        """Go on with the phases that were trained; return a sentence if the time was over before the last epoch."""
        self._prepared = fitted.prepared
        if fitted.network.experts:
            self.plan_document["defaults"].append(["experts", fitted.network.experts])
            self.write_json(PLAN, self.plan_document)
            self.log(f"experts: {fitted.network.experts}")
        ended = ended_words(fitted.history, self.plan_document, self._prepared.model.config.max_minutes)
        if ended:
            self.log(f"warning: {ended}")
        if kept := kept_words(fitted.history, self._prepared.model.config.model_dump()):
            self.log(kept)
        return ended

    def write_audit(self) -> None:
        """Write what the data themselves have to say, for the page."""
        found = quick_audit(self._prepared.data.dataset, self._prepared.data.split)
        if self._prepared.unseen is not None:
            found = [finding for finding in found if finding["name"] not in ("split", "leak", "prospects")]
        self.write_json(AUDIT, found)

    def evaluated_rows(self) -> dict[str, torch.Tensor]:
        """Return validation and test rows, by side; none where all rows are for training."""
        return self._prepared.sides if self._prepared.unseen is None else {}

    def known_groups(self, rows: torch.Tensor) -> np.ndarray | None:
        """Return the groups of rows, None where groups are not known."""
        groups = self._prepared.data.dataset.known_groups(rows)
        return None if groups is None else groups.numpy()

    @contextlib.contextmanager
    def writing(self, log: PluginLog, observers: Sequence[object] = ()) -> Iterator[None]:
        """Make the folder, write what is known before training, and give the folder its name at the end.

        Meanwhile what plugins log, or have logged before, goes to ``log.txt``; `observers` are heard beside the plan's
        strategies.
        """
        with self.made(self._prepared.model.config.discard_unfinished):
            self._write_what_is_known()
            hear(log, self._prepared.plan.strategies, self._prepared.catalogue, observers)
            with log.written_to(self.path / LOG):
                yield

    def _write_what_is_known(self) -> None:
        prepared = self._prepared
        write_config(prepared.model.config, self.path / CONFIG)
        self.write_json(PLAN, self.plan_document)
        self.write_json(ENVIRONMENT, environment(prepared))
        self._write_split()
        self._write_seen()
        write_left_out(prepared.data.dataset, self.path)
        self.log(f"imbtk {__version__}: {prepared.plan.strategies}")
        for line in self.plan_document["warnings"]:
            self.log(f"warning: {line}")

    def _write_split(self) -> None:
        dataset, split = self._prepared.data.dataset, self._prepared.data.split
        side = np.full(len(dataset), "unused", dtype=object)
        for name, rows in zip(SPLIT_NAMES, (split.train, split.validation, split.test), strict=True):
            side[rows.numpy()] = name
        side[self._prepared.data.dropped.numpy()] = "dropped"
        names = dataset.row_names or tuple(map(str, range(len(dataset))))
        labels = np.array(dataset.class_names, dtype=object)[dataset.labels.numpy()]
        lines = zip(range(len(dataset)), names, labels, self._group_names, side, strict=True)
        self.write_csv(SPLIT, ("row", "file", "label", "group", "split"), lines)

    def _write_seen(self) -> None:
        """Write digests of what training and validation see, and of the groups that these rows are of."""
        dataset, split = self._prepared.data.dataset, self._prepared.data.split
        rows = torch.unique(torch.cat([split.train, split.validation]))
        known, names = dataset.known_groups(rows), dataset.group_names
        groups = [] if known is None else torch.unique(known).tolist()
        samples = (dataset.x[part].numpy() for part in torch.split(rows, _DIGESTED))
        SeenRows.of(samples, (names[group] if names else str(group) for group in groups)).write(self.path)

    @functools.cached_property
    def _group_names(self) -> np.ndarray:
        """Group of each row of the data set, (N,) of str; empty where groups are not known."""
        dataset = self._prepared.data.dataset
        if dataset.groups is None or not groups_known(self._prepared.data):
            return np.full(len(dataset), "", dtype=object)
        names = dataset.group_names or tuple(map(str, range(int(dataset.groups.max()) + 1)))
        by_row: np.ndarray = np.array(names, dtype=object)[dataset.groups.numpy()]
        return by_row

    def write_calibration(self, document: Mapping[str, Any]) -> None:
        """Write ``calibration.json``: how logits became probabilities, with metrics before and after."""
        self.write_json(CALIBRATION, document)

    def write_decision(self, document: Mapping[str, Any]) -> None:
        """Write ``decision.json``: how a class is picked, and what that was fitted on."""
        self.write_json(DECISION, document)

    def write_results(
        self,
        network: Network | Ensemble,
        history: Sequence[Mapping[str, float]],
        logits: Mapping[str, np.ndarray],
        calibration: CalibrationMap,
        decision: DecisionRule,
        metrics: Mapping[str, Any],
    ) -> None:
        """Write history, predictions, metrics and model."""
        columns = list(dict.fromkeys(key for record in history for key in record))
        self.write_csv(HISTORY, columns, ([repr(record[c]) for c in columns] for record in history))
        self._write_predictions(logits, calibration, decision)
        self.write_json(METRICS, metrics)
        save_network(self.path / "model", network, self._model_description(calibration, decision))

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
        test = logits.get("test", np.empty((0, self._prepared.data.dataset.num_classes)))
        probabilities = calibration.probabilities(test)
        decided = decision.decide(test, probabilities)
        make_gallery(self.path / GALLERY, self._prepared, batches, decided, probabilities)
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
        dataset = prepared.data.dataset
        return {
            "imbtk_version": __version__,
            "model": prepared.model.spec.name,
            "kind": dataset.kind,
            "sample_shape": list(dataset.sample_shape),
            "class_names": list(dataset.class_names),
            NAMES_OF_LABELS: dataset.description.get(NAMES_OF_LABELS, {}),
            "feature_names": list(dataset.feature_names),
            "positive_class": prepared.model.config.positive,
            "group_name": dataset.group_name,
            "group_label": dataset.group_label,
            "preprocessing": dataset.preprocessing,
            "normalisation": prepared.data.normalisation.to_json(),
            "precision": "fp32",  # of predictions, whatever was trained with: as the run's own were made
            "calibration": calibration.to_json(),
            "decision": decision.to_json(),
            "natural_prior": prepared.plan.phases[-1].ledger.table()["natural"],
            "deployment_prior": prepared.plan.deployment.tolist(),
            "effective_prior": prepared.plan.phases[-1].ledger.table()["effective"],
        }

    def _write_predictions(
        self, logits: Mapping[str, np.ndarray], calibration: CalibrationMap, decision: DecisionRule
    ) -> None:
        dataset = self._prepared.data.dataset
        truth = dataset.group_truth
        header = ("row", "split", "group", "truth", "predicted", *(f"p:{name}" for name in dataset.class_names))
        header += () if truth is None else ("group_truth",)
        header += () if decision.sets is None else ("set",)
        names = (*dataset.class_names, "")  # the last one stands for an abstention, class number -1

        def lines() -> Iterator[Sequence[Any]]:
            for side, rows in self.evaluated_rows().items():
                probabilities = calibration.probabilities(logits[side])
                decided = decision.decide(logits[side], probabilities)
                sets = () if decision.sets is None else decision.named_sets(logits[side], dataset.class_names)
                labels = dataset.labels[rows].tolist()
                groups = self._group_names[rows.numpy()]
                for i, row in enumerate(rows.tolist()):
                    shares = [repr(float(p)) for p in probabilities[i]]
                    group = () if truth is None else (names[int(truth[row])],)
                    last = (json.dumps(sets[i], ensure_ascii=False),) if sets else ()
                    yield (row, side, groups[i], names[labels[i]], names[decided[i]], *shares, *group, *last)

        self.write_csv(PREDICTIONS, header, lines())
