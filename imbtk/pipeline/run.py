"""One run, start to finish."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.calibration.decisions import decide, decision_document
from imbtk.calibration.probabilities import calibrate, calibration_document, fit_ledger
from imbtk.console.progress import RunProgress
from imbtk.errors import PluginError
from imbtk.evaluation.bootstrap import RESAMPLES
from imbtk.evaluation.evaluate import evaluate, metrics_document
from imbtk.inference.result import RunResult
from imbtk.models.saving import check_saveable
from imbtk.pipeline.observers import Observers
from imbtk.pipeline.out_of_fold import out_of_fold_logits
from imbtk.pipeline.results import Results
from imbtk.planning.prepared import PreparedRun
from imbtk.runs.format import METRICS
from imbtk.runs.log import PluginLog
from imbtk.training.fitting import Fitted, own_random_state
from imbtk.training.members import fit_all, make_networks
from imbtk.training.settling import expected_seconds, settled

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["run_for_comparison", "run_prepared"]


def run_prepared(prepared: PreparedRun, progress: RunProgress, log: PluginLog) -> RunResult:
    """Train what :func:`imbtk.pipeline.prepare.prepare` checked; the story of a run from top to bottom.

    Parameters
    ----------
    prepared : PreparedRun
    progress : RunProgress
    log : PluginLog
        With what was logged while the run was prepared.
    """
    folder, observers, offered = _begun(prepared)
    with folder.writing(log, observers.objects), own_random_state():
        folder.write_audit()
        done = _done(prepared, folder, observers, progress, offered, RESAMPLES)
        # All is trained and written: what a plugin fails to do from here on is said, and takes nothing away.
        sections = observers.report(folder.run_description, done.metrics)
        failed = folder.write_page(
            done.fitted.batches, done.logits, done.calibration, done.decision, sections, observers.failures
        )
    return _told(folder, done, failed, progress)


def run_for_comparison(prepared: PreparedRun, progress: RunProgress) -> RunResult:
    """Train one of many runs of a comparison, which makes intervals and a page over all of them.

    It has none of its own, and no audit of data that are the same for all; the logits of its test rows are kept.
    """
    folder, observers, offered = _begun(prepared)
    with contextlib.closing(PluginLog()) as log, folder.writing(log, observers.objects), own_random_state():
        done = _done(prepared, folder, observers, progress, offered, 0)
        folder.write_logits(prepared.data.split.test.numpy(), done.logits["test"])
        failed = folder.write_additions((), observers.failures)
    return _told(folder, done, failed, progress)


@dataclass(frozen=True)
class _Done:
    """What a run came to."""

    fitted: Fitted
    logits: dict[str, np.ndarray]
    calibration: CalibrationMap
    decision: DecisionRule
    metrics: dict[str, Any]


def _begun(prepared: PreparedRun) -> tuple[Results, Observers, dict[str, ExtraMetric]]:
    # Metrics are asked for before training: two plugins that offer one are a reason not to begin.
    return Results(prepared), Observers(prepared), prepared.catalogue.extra_metrics()


def _done(
    prepared: PreparedRun,
    folder: Results,
    observers: Observers,
    progress: RunProgress,
    offered: Mapping[str, ExtraMetric],
    resamples: int,
) -> _Done:
    """Train, calibrate, decide and evaluate, and write what comes of it."""
    observers.run_start(folder.run_description)
    with observers.telling_of_failure(folder.run_description):
        done = _trained(prepared, folder, observers, progress, offered, resamples)
    observers.run_end(folder.run_description, done.metrics)
    return done


def _trained(
    prepared: PreparedRun,
    folder: Results,
    observers: Observers,
    progress: RunProgress,
    offered: Mapping[str, ExtraMetric],
    resamples: int,
) -> _Done:
    """Do all that stands between the start and the end that observers are told of."""
    # The network starts where a model without features would: at the log of the effective prior.
    networks = make_networks(prepared)
    for network in networks:
        check_saveable(network)
    prepared = settled(prepared, networks[0])
    folder.write_settled(prepared)
    progress.on_plan(folder.plan_document, expected_seconds(prepared))

    # A member's strategies are copies: each hears of its own epochs.
    watching = {id(run): observers if run is prepared else Observers(run) for run in prepared.trainings}

    def on_epoch(epoch: int, record: dict[str, float], run: PreparedRun) -> None:
        watching[id(run)].epoch_end(epoch, record)
        progress.on_epoch(epoch, record)

    most = None if prepared.unseen is None else prepared.unseen.epochs
    fitted = fit_all(
        prepared,
        networks,
        folder.path / "checkpoint",
        on_epoch,
        progress.on_step,
        on_member=progress.on_member,
        most_epochs=most,
    )
    prepared = fitted.prepared
    if ended := folder.note_trained(fitted):
        progress.on_ended(ended)

    # Probabilities are fitted on validation rows, decisions there or on rows that inner models had not seen; test
    # rows are only read, once.
    if prepared.unseen is None:
        logits = {side: fitted.logits(rows) for side, rows in prepared.judged.items()}
        unseen = logits["out_of_fold" if prepared.covered else "validation"]
    else:
        unseen = prepared.unseen.logits
        logits = {"out_of_fold": unseen}
    ledger_fit = fit_ledger(prepared, unseen)
    calibration = calibrate(prepared, ledger_fit, unseen)
    if prepared.inner:
        epochs = len(fitted.history) if ended else prepared.model.config.epochs
        unseen = out_of_fold_logits(prepared, progress.on_inner_model, progress.on_step, epochs)
    decided = decide(prepared, unseen, calibration)
    folder.write_decision(decision_document(prepared, decided, calibration, logits, unseen))
    folder.write_calibration(calibration_document(prepared, ledger_fit, calibration, logits))
    extra = {name: _heard(metric, observers.failures) for name, metric in offered.items()}
    metrics = _evaluate(
        prepared, folder, logits, calibration=calibration, decision=decided.rule, resamples=resamples, extra=extra
    )
    folder.write_results(fitted.network, fitted.history, logits, calibration, decided.rule, metrics)
    return _Done(fitted, logits, calibration, decided.rule, metrics)


def _told(folder: Results, done: _Done, failed: Sequence[str], progress: RunProgress) -> RunResult:
    """Say what came of a run, and return it."""
    progress.on_results(done.metrics, folder.path)
    for text in failed:
        progress.on_failure(text)
    # This very process wrote it.
    return RunResult(folder.path, trust_model=True)


def _heard(metric: ExtraMetric, failures: list[str]) -> ExtraMetric:
    """Return a plugin's metric that notes in `failures`, once, what went wrong: then the metric is missing."""

    def heard(labels: np.ndarray, probabilities: np.ndarray) -> float:
        try:
            return metric(labels, probabilities)
        except PluginError as error:
            failures.extend({str(error)} - set(failures))
            raise

    return heard


def _evaluate(
    prepared: PreparedRun,
    folder: Results,
    logits: dict[str, np.ndarray],
    calibration: CalibrationMap,
    decision: DecisionRule,
    resamples: int,
    extra: Mapping[str, ExtraMetric],
) -> dict[str, Any]:
    """Return what ``metrics.json`` holds."""
    dataset = prepared.data.dataset
    sides: dict[str, Any] = {}
    for side, rows in folder.evaluated_rows().items():
        sides[side] = evaluate(
            dataset.labels[rows].numpy(),
            logits[side],
            calibration,
            decision,
            dataset.class_names,
            groups=folder.known_groups(rows),
            group_truth=None if dataset.group_truth is None else dataset.group_truth[rows].numpy(),
            group_name=dataset.group_name,
            train_counts=prepared.plan.context.natural_counts.numpy(),
            positive=prepared.plan.context.positive,
            seed=prepared.model.config.seed,
            resamples=resamples,
            extra_metrics=extra,
        )
    if prepared.unseen is not None:
        sides["estimate"] = prepared.unseen.estimate
    return METRICS.stamped(
        metrics_document(
            sides,
            class_names=dataset.class_names,
            group_name=dataset.group_name,
            group_label=dataset.group_label,
            positive=prepared.plan.context.positive,
            train_counts=prepared.plan.context.natural_counts.numpy(),
            seed=prepared.model.config.seed,
            resamples=resamples,
        )
    )
