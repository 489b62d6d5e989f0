"""One run, start to finish."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk.config import RunConfig, make_config
from imbtk.decisions import decide, decision_document
from imbtk.evaluation.bootstrap import RESAMPLES
from imbtk.evaluation.evaluate import evaluate, metrics_document
from imbtk.fitting import fit, make_network, own_random_state
from imbtk.models.saving import check_saveable
from imbtk.observers import Observers
from imbtk.out_of_fold import out_of_fold_logits
from imbtk.plan import StrategyLike
from imbtk.prediction import CalibrationMap, DecisionRule
from imbtk.preparation import PreparedRun, prepare
from imbtk.probabilities import calibrate, calibration_document, fit_ledger
from imbtk.report.progress import RunProgress
from imbtk.result import RunResult
from imbtk.run_folder import RunFolder
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.memory import keep_memory

__all__ = ["RunResult", "run", "run_prepared"]


def run(
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    *,
    quiet: bool = False,
    config: RunConfig | None = None,
    **options: Any,
) -> RunResult:
    """Train one plan of strategies on one split of the data, and say what came of it.

    Parameters
    ----------
    data : path, str, tuple, DataFrame or Dataset
        A folder, a manifest, an ``.npz``, a table, ``"builtin:digits"``, ``(x, y)`` or ``(x, y, groups)``.
    strategies : sequence of str or Strategy
        ``["class-weights", FocalLoss(gamma=2.0), "augment@10%-"]``; nothing for a plain model.
    quiet : bool
        Print nothing.
    config : RunConfig, optional
        Options made before; `options` go on top.
    **options
        Any field of :class:`imbtk.config.RunConfig`: ``model="resnet32"``, ``epochs=20``, ``out="runs/first"``.

    Returns
    -------
    RunResult
        With ``.metrics``, ``.history``, ``.predict(x)``, ``.predict_proba(x)``, ``.folder``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with data, plan or options: before anything is trained or written.

    Examples
    --------
    >>> import imbtk
    >>> result = imbtk.run("builtin:breast-cancer", ["class-weights"], epochs=5, quiet=True)  # doctest: +SKIP
    >>> sensitivity = result.metrics["test"]["per_image"]["per_class"][0]["sensitivity"]  # doctest: +SKIP
    """
    if isinstance(data, (str, Path)):
        options["data"], data = str(data), None
    base = config.model_dump(exclude_unset=True) if config is not None else {}
    resolved = make_config({**base, **options})
    keep_memory()
    with RunProgress(quiet) as progress, _threads(resolved.threads):
        prepared = prepare(resolved, data, strategies, progress.on_data)
        return run_prepared(prepared, progress)


def run_prepared(prepared: PreparedRun, progress: RunProgress, *, cell: bool = False) -> RunResult:
    """Train what :func:`imbtk.preparation.prepare` checked; the story of a run from top to bottom.

    Parameters
    ----------
    prepared : PreparedRun
    progress : RunProgress
    cell : bool
        One of many runs of a comparison, which makes intervals and a page over all of them: leave out this run's own.
    """
    folder = RunFolder(prepared)
    progress.on_plan(folder.plan_document)
    observers = Observers(prepared)

    # The network starts where a model without features would: at the log of the effective prior.
    with folder.writing(), own_random_state():
        observers.run_start(folder.run_description)
        network = make_network(prepared)
        check_saveable(network)

        def on_epoch(epoch: int, record: dict[str, float]) -> None:
            observers.epoch_end(epoch, record)
            progress.on_epoch(epoch, record)

        fitted = fit(prepared, network, Checkpoint(folder.path / "checkpoint"), on_epoch, progress.on_step)

        # Probabilities are fitted on validation rows, decisions there or on rows that inner models had not seen; test
        # rows are only read, once.
        logits = {side: fitted.logits(rows) for side, rows in folder.evaluated_rows().items()}
        ledger_fit = fit_ledger(prepared, logits["validation"])
        calibration = calibrate(prepared, ledger_fit, logits["validation"])
        unseen = logits["validation"]
        if prepared.inner:
            unseen = out_of_fold_logits(prepared, progress.on_inner_model, progress.on_step)
        decided = decide(prepared, unseen, calibration)
        decision = decided.rule
        folder.write_decision(decision_document(prepared, decided, calibration, logits, unseen))
        folder.write_calibration(calibration_document(prepared, ledger_fit, calibration, logits))
        metrics = _evaluate(prepared, folder, logits, calibration, decision, 0 if cell else RESAMPLES)
        observers.run_end(folder.run_description, metrics)
        folder.write_results(network, fitted.history, logits, calibration, decision, metrics)
        if not cell:
            sections = observers.report(folder.run_description, metrics)
            folder.write_page(fitted.batches, logits, calibration, sections)
    progress.on_results(metrics, folder.path)
    return RunResult(folder.path)


@contextlib.contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Set the number of CPU threads for a run, and put it back."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _evaluate(
    prepared: PreparedRun,
    folder: RunFolder,
    logits: dict[str, np.ndarray],
    calibration: CalibrationMap,
    decision: DecisionRule,
    resamples: int,
) -> dict[str, Any]:
    """Return what ``metrics.json`` holds."""
    dataset = prepared.dataset
    extra = prepared.catalogue.extra_metrics()
    sides = {}
    for side, rows in folder.evaluated_rows().items():
        sides[side] = evaluate(
            dataset.labels[rows].numpy(),
            logits[side],
            calibration,
            decision,
            dataset.class_names,
            groups=folder.known_groups(rows),
            train_counts=prepared.context.natural_counts.numpy(),
            positive=prepared.positive,
            seed=prepared.config.seed,
            resamples=resamples,
            extra_metrics=extra,
        )
    return metrics_document(
        sides,
        class_names=dataset.class_names,
        positive=prepared.positive,
        train_counts=prepared.context.natural_counts.numpy(),
        seed=prepared.config.seed,
        resamples=resamples,
    )
