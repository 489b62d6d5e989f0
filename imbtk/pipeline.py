"""One run, start to finish."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk.config import RunConfig, make_config
from imbtk.dispatch import Dispatcher, wrong_result
from imbtk.evaluation.bootstrap import RESAMPLES
from imbtk.evaluation.evaluate import evaluate, metrics_document
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network, build_network, parameter_groups, prefers_channels_last, set_prior_bias
from imbtk.models.saving import check_saveable
from imbtk.observers import Observers
from imbtk.plan import StrategyLike
from imbtk.prediction import CalibrationMap, DecisionRule
from imbtk.preparation import PreparedRun, prepare
from imbtk.probabilities import calibrate, calibration_document, fit_ledger
from imbtk.report.progress import RunProgress
from imbtk.result import RunResult
from imbtk.run_folder import RunFolder
from imbtk.training.batches import Batches
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.loop import TrainingSettings, predict, train
from imbtk.training.memory import keep_memory
from imbtk.training.setup import make_optimizer

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
    >>> result.metrics["test"]["per_image"]["overall"]["balanced_accuracy"]["value"]  # doctest: +SKIP
    0.97
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
    config, dataset, split = prepared.config, prepared.dataset, prepared.split
    folder = RunFolder(prepared)
    progress.on_plan(folder.plan_document)
    observers = Observers(prepared)

    # The network starts where a model without features would: at the log of the effective prior.
    with folder.writing(), _own_random_state():
        observers.run_start(folder.run_description)
        network = _network(prepared)
        check_saveable(network)
        settings = _settings(prepared, network)
        batches = Batches(dataset, prepared.normalisation, prepared.device)
        groups = parameter_groups(
            network, config.weight_decay, config.lr or prepared.model.lr, config.lr_backbone, config.freeze
        )

        def on_epoch(epoch: int, record: dict[str, float]) -> None:
            observers.epoch_end(epoch, record)
            progress.on_epoch(epoch, record)

        history = train(
            network,
            make_optimizer(config.optimizer, groups, prepared.device),
            prepared.phases,
            batches,
            (split.validation, dataset.labels[split.validation]),
            settings,
            Checkpoint(folder.path / "checkpoint"),
            on_epoch=on_epoch,
            on_step=progress.on_step,
        )
        _refit(prepared, network, batches, settings)

        # Probabilities and decisions are fitted on validation rows; test rows are only read, once.
        logits = {side: _logits(network, batches, rows, settings) for side, rows in folder.evaluated_rows().items()}
        fit = fit_ledger(prepared, logits["validation"])
        calibration = calibrate(prepared, fit, logits["validation"])
        decision = _decide(prepared, logits["validation"], calibration)
        folder.write_calibration(calibration_document(prepared, fit, calibration, logits))
        metrics = _evaluate(prepared, folder, logits, calibration, decision, 0 if cell else RESAMPLES)
        observers.run_end(folder.run_description, metrics)
        folder.write_results(network, history, logits, calibration, decision, metrics)
        if not cell:
            folder.write_page(batches, logits, calibration)
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


@contextlib.contextmanager
def _own_random_state() -> Iterator[None]:
    """Leave the caller's global random state as it was."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield


def _network(prepared: PreparedRun) -> Network:
    """Build the network with the plan's head, its bias at the log of the effective prior."""
    context = prepared.phases[0].context
    dispatcher = Dispatcher(prepared.plan.items)

    def make_head(in_features: int) -> torch.nn.Module:
        found = dispatcher.choice("imbtk_head", in_features=in_features, context=context)
        if found is None:
            return LinearHead(in_features, context.num_classes)
        head, item = found
        if not isinstance(head, torch.nn.Module):
            raise wrong_result(item, "imbtk_head", f"{type(head).__name__}, not a torch Module,")
        return head

    network = build_network(
        prepared.model, prepared.dataset.sample_shape, make_head, prepared.config.seed, context.num_classes
    )
    ledger = prepared.phases[0].ledger
    prior = ledger.weighted if ledger.effective is None else ledger.effective
    # A class without mass gets the logit of a single row, so that it is unlikely and not impossible.
    floor = 1.0 / max(1, int(context.natural_counts.sum()))
    set_prior_bias(network.head, prior.clamp_min(floor).log().float())
    network.to(prepared.device)
    if prefers_channels_last(network):
        network.to(memory_format=torch.channels_last)
    return network


def _settings(prepared: PreparedRun, network: Network) -> TrainingSettings:
    config = prepared.config
    return TrainingSettings(
        seed=config.seed,
        schedule=config.schedule,
        warmup=config.warmup,
        clip_norm=config.clip_norm,
        precision="bf16" if config.precision == "bf16" else "fp32",
        channels_last=prefers_channels_last(network),
        early_stop=config.early_stop,
        patience=config.patience,
    )


def _logits(network: Network, batches: Batches, rows: torch.Tensor, settings: TrainingSettings) -> np.ndarray:
    return predict(network, batches, rows, settings).double().numpy()


def _refit(prepared: PreparedRun, network: Network, batches: Batches, settings: TrainingSettings) -> None:
    """Let strategies refit the head on the frozen features of the training rows."""
    dispatcher = Dispatcher(prepared.plan.items)
    if not dispatcher.answering("imbtk_refit"):
        return
    rows = prepared.split.train
    features = predict(network, batches, rows, settings, features=True).to(prepared.device)
    labels = prepared.dataset.labels[rows].to(prepared.device)

    def check(head: Any, item: Any) -> torch.nn.Module:
        if not isinstance(head, torch.nn.Module):
            raise wrong_result(item, "imbtk_refit", f"{type(head).__name__}, not a torch Module,")
        return head

    network.head = dispatcher.chain(
        "imbtk_refit",
        "head",
        network.head,
        check,
        features=features,
        labels=labels,
        context=prepared.phases[-1].context,
    )


def _decide(prepared: PreparedRun, logits: np.ndarray, calibration: CalibrationMap) -> DecisionRule:
    """Return how a class is picked, fitted on validation rows: as trained, unless a strategy says otherwise."""
    answer = Dispatcher(prepared.plan.items).choice(
        "imbtk_decide",
        logits=logits,
        probabilities=calibration.probabilities(logits),
        labels=prepared.dataset.labels[prepared.split.validation].numpy(),
        context=prepared.phases[-1].context,
    )
    if answer is None:
        return DecisionRule()
    rule, item = answer
    if not isinstance(rule, DecisionRule):
        raise wrong_result(item, "imbtk_decide", f"{type(rule).__name__}, not a DecisionRule,")
    return rule


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
    extra = {}
    for answer, _ in prepared.catalogue.offered("imbtk_metrics"):
        extra.update(answer)
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
