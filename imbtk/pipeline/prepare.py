"""Everything before the first batch: data, plan, split, phases, ledger. What a dry run shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk.authoring.context import Rows, RunContext, Split
from imbtk.authoring.contracts import views_fault
from imbtk.authoring.draw import Draw
from imbtk.authoring.prediction import View
from imbtk.calibration.chain import dry_run_calibration
from imbtk.calibration.decisions import OUT_OF_FOLD, VALIDATION, DecisionDryRun, dry_run_decision
from imbtk.data.dataset import Dataset
from imbtk.data.leaks import check_split
from imbtk.data.normalise import Normalisation, feature_scale, features_of
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import DataError, ImbtkError, OptionError, did_you_mean
from imbtk.models.spec import ModelSpec
from imbtk.pipeline.members import ask_members, natural_counts, with_members
from imbtk.planning.config import RunConfig
from imbtk.planning.defaults import (
    choose_device,
    choose_epochs,
    choose_learning_rate,
    choose_stopping,
    choose_weight_decay,
)
from imbtk.planning.deployment import parse_deployment
from imbtk.planning.dispatch import Dispatcher, faultless
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import Plan, StrategyLike
from imbtk.planning.prepared import PreparedRun, RunData, RunModel, RunPlan, Unseen
from imbtk.planning.reading import Progress, choose_model, make_catalogue, read_data
from imbtk.planning.splitting import FEWEST_FOLDS, absent_classes, induced, inner_splits, make_folds
from imbtk.runs.log import PluginLog
from imbtk.training.build import build_phases

__all__ = [
    "hear",
    "prepare",
    "prepare_split",
    "prepare_undecided",
    "training_context",
    "training_rows",
]


def prepare(
    config: RunConfig,
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    progress: Progress | None = None,
    catalogue: Catalogue | None = None,
    log: PluginLog | None = None,
) -> PreparedRun:
    """Read the data, make the plan, split, and build every phase; nothing is written or trained.

    Parameters
    ----------
    config : RunConfig
    data : object, optional
        Instead of ``config.data``: arrays, a DataFrame, or a Dataset that is read already.
    strategies : sequence, optional
        Instead of ``config.strategies``: may hold instances.
    progress : callable, optional
        ``(description, done, total)``.
    catalogue : Catalogue, optional
    log : PluginLog, optional
        Hears the plan's plugins from here on.

    Raises
    ------
    ImbtkError
        Whatever is wrong with the data, the plan or the options.
    """
    catalogue = catalogue or make_catalogue(config)
    plan = Plan.build(config.strategies if strategies is None else strategies, catalogue)
    hear(log, plan, catalogue)
    _check_together(config)
    config, dataset = read_data(config, data, catalogue, progress)
    model = choose_model(config, dataset, catalogue)
    folds = make_folds(plan.items, dataset, _whole_context(config, dataset), config.seed, config.fold)
    split, dropped = induced(dataset, folds[config.fold])
    inner = [induced(dataset, cut)[0] for cut in inner_splits(dataset, folds, config.fold, config.seed)]
    return prepare_split(
        config, catalogue, dataset, plan=plan, model=model, split=split, dropped=dropped, folds=len(folds), inner=inner
    )


def hear(log: PluginLog | None, plan: Plan, catalogue: Catalogue, observers: Sequence[object] = ()) -> None:
    """Let a log hear what is said by a plan's strategies, observers and whatever plugins there are."""
    if log is not None:
        log.listen([*(item.strategy for item in plan.items), *observers], catalogue.module_names())


def prepare_split(
    config: RunConfig,
    catalogue: Catalogue,
    dataset: Dataset,
    plan: Plan,
    model: ModelSpec,
    split: Split,
    dropped: torch.Tensor,
    folds: int = 1,
    inner: Sequence[Split] = (),
    unseen: Unseen | None = None,
) -> PreparedRun:
    """Build every phase for a data set that is split: what is left of :func:`prepare` once that is done.

    Parameters
    ----------
    config : RunConfig
    catalogue : Catalogue
    dataset : Dataset
    plan : Plan
    model : ModelSpec
    split : Split
        Validation and test may be without a row.
    dropped : Tensor of int64
    folds : int
    inner : sequence of Split
        From :func:`imbtk.planning.splitting.inner_splits`: used if the plan has a decision that is fitted on rows.
    unseen : Unseen, optional
        Where all rows are for training.

    Raises
    ------
    ImbtkError
        Whatever is wrong with the split, the plan or the options.
    """
    known = split.validation if unseen is None else unseen.rows
    prepared = _built(config, catalogue, dataset, plan, model, split=split, dropped=dropped, folds=folds, known=known)
    prepared = dataclasses.replace(_of_members(prepared, config), unseen=unseen)
    inner = () if prepared.members else inner
    context = prepared.plan.phases[-1].context
    dry_run_calibration(plan.items, dataset.labels[known].numpy(), context)
    why = () if prepared.covered else _not_out_of_fold(folds, inner)
    try:
        models = len(inner) or prepared.decision_models
        unseen_rows = torch.cat([cut.test for cut in inner]) if inner else prepared.calibration_rows
        tried = _decision_dry_run(plan, config, dataset, unseen_rows, models, context=context, members=prepared.covered)
    except ImbtkError as error:
        # Whoever fails on few rows may advise folds, which there are already.
        error.args = (" ".join([str(error), *(f"Beware: {said}" for said in why)]),)
        raise
    warnings = (*prepared.plan.warnings, *(why if tried.fitted else ()))
    decided = dataclasses.replace(prepared.plan, decision=tried.words, warnings=warnings)
    prepared = dataclasses.replace(prepared, plan=decided)
    if not (inner and tried.fitted):
        return prepared
    return dataclasses.replace(prepared, inner=_inner_runs(prepared, inner))


def prepare_undecided(
    config: RunConfig,
    catalogue: Catalogue,
    dataset: Dataset,
    plan: Plan,
    model: ModelSpec,
    split: Split,
    decision: str,
    members: bool = False,
) -> PreparedRun:
    """Build every phase for a run that decides nothing: another of the same plan does, in the words of `decision`.

    Parameters and errors as those of :func:`prepare_split`; it is one model unless `members` says that it may be
    several.
    """
    nothing = torch.empty(0, dtype=torch.int64)
    prepared = _built(
        config, catalogue, dataset, plan, model, split=split, dropped=nothing, folds=1, known=split.validation
    )
    prepared = _of_members(prepared, config) if members else prepared
    return dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, decision=decision))


def _of_members(prepared: PreparedRun, config: RunConfig) -> PreparedRun:
    """Return the run as the several models that its plan makes of it, if it does; `config` is what the user gave."""
    data, catalogue = prepared.data, prepared.catalogue
    members = ask_members(prepared.plan.strategies, data.dataset, data.split, prepared.plan.context, config.seed)
    if not members:
        return prepared
    prepared = _of_frequencies(prepared, natural_counts(prepared, members))
    nothing = torch.empty(0, dtype=torch.int64)

    def make(own: RunConfig, plan: Plan, split: Split) -> PreparedRun:
        model = prepared.model.spec if own.model == config.model else choose_model(own, data.dataset, catalogue)
        return _built(
            own,
            catalogue,
            data.dataset,
            plan,
            model,
            split=split,
            dropped=nothing,
            folds=1,
            known=data.split.validation,
            whole=prepared,
        )

    return with_members(prepared, members, config, make)


def _of_frequencies(prepared: PreparedRun, natural: torch.Tensor) -> PreparedRun:
    """Return a run whose natural class frequencies are those of `natural` (K,)."""
    plan, names = prepared.plan, prepared.data.dataset.class_names
    phases = tuple(
        dataclasses.replace(phase, context=dataclasses.replace(phase.context, natural_counts=natural))
        for phase in plan.phases
    )
    told = dataclasses.replace(
        plan,
        context=dataclasses.replace(plan.context, natural_counts=natural),
        deployment=parse_deployment(prepared.model.config.deploy, names, natural.double().numpy()),
        phases=phases,
    )
    return dataclasses.replace(prepared, plan=told)


def _built(
    config: RunConfig,
    catalogue: Catalogue,
    dataset: Dataset,
    plan: Plan,
    model: ModelSpec,
    *,
    split: Split,
    dropped: torch.Tensor,
    folds: int,
    known: torch.Tensor,
    whole: PreparedRun | None = None,
) -> PreparedRun:
    """Return a run with its phases; `known` are the rows that probabilities will be fitted on.

    A member of the run `whole` shares its normalisation, and what is natural: its own rows may be a selection.
    """
    # Whoever trains comes through here, with a split from wherever: a strategy, the data, scikit-learn's rows.
    check_split(dataset, dataclasses.replace(split, train=torch.unique(split.train)) if whole else split)
    normalisation = _normalisation(dataset, split, model) if whole is None else whole.data.normalisation
    context = dataclasses.replace(
        training_context(config, dataset, split),
        validation_counts=torch.bincount(dataset.labels[known], minlength=dataset.num_classes),
        preprocessing=dataset.preprocessing,
        normalisation=(normalisation.mean, normalisation.std),
    )
    if whole is not None:
        shared = whole.plan.context
        context = dataclasses.replace(context, natural_counts=shared.natural_counts, positive=shared.positive)
    deployment = parse_deployment(config.deploy, dataset.class_names, context.natural_counts.double().numpy())
    rows = training_rows(dataset, split.train, normalisation)
    phases, warnings = build_phases(plan, rows, context, config.allow_overcorrection)
    config = _resolved(config, dataset, split, plan, model=model, phases=phases, context=context)
    return PreparedRun(
        RunData(dataset, split, normalisation, rows, dropped, folds),
        RunPlan(
            plan,
            phases,
            context,
            deployment,
            views=_views(plan, context),
            warnings=(*absent_classes(dataset, split), *warnings),
        ),
        RunModel(model, context.device, config),
        catalogue,
    )


def _views(plan: Plan, context: RunContext) -> tuple[View, ...]:
    """Return the looks at an image that the plan's predictions are the mean of; none for one look."""
    answer = Dispatcher(plan.items).choice("imbtk_views", context=context)
    if answer is None:
        return ()
    views, item = answer
    return tuple(faultless(views, item, "imbtk_views", views_fault(views, context)))


def _resolved(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    plan: Plan,
    model: ModelSpec,
    phases: Sequence[BuiltPhase],
    context: RunContext,
) -> RunConfig:
    """Return the configuration with what the user left open filled in."""
    lr, decay = config.lr or choose_learning_rate(model, config.optimizer), config.weight_decay
    if decay is None:
        steps = sum(phase.steps * phase.planned.phase.epochs for phase in phases)
        rarest = min(float(phase.ledger.ordered[phase.ledger.ordered > 0].min()) for phase in phases)
        decay = choose_weight_decay(model, config.optimizer, lr, steps, config.batch_size * rarest)
    early_stop, patience = config.early_stop, config.patience
    if config.stops_early and early_stop is None:
        early_stop, patience = choose_stopping(context.epochs, dataset.kind, len(split.validation), patience)
    return config.model_copy(
        update={
            "epochs": context.epochs,
            "model": model.name,
            "lr": lr,
            "early_stop": early_stop or "none",
            "patience": patience,
            "weight_decay": decay,
            "strategies": tuple(map(str, plan.items)),
            "positive": None if context.positive is None else dataset.class_names[context.positive],
        }
    )


def _decision_dry_run(
    plan: Plan,
    config: RunConfig,
    dataset: Dataset,
    rows: torch.Tensor,
    models: int,
    context: RunContext,
    members: bool,
) -> DecisionDryRun:
    """Return how a class is going to be picked, tried with the rows that this will be fitted on."""
    groups = dataset.known_groups(rows)
    kind = OUT_OF_FOLD if models else VALIDATION
    tried = dry_run_decision(
        plan.items,
        config.decide,
        dataset.labels[rows].numpy(),
        None if groups is None else groups.numpy(),
        dataclasses.replace(context, decision_rows=kind),
    )
    if not tried.fitted:
        return tried
    of = f"{len(rows)} {kind} of {models} {'members' if members else 'inner models'}" if models else kind
    return dataclasses.replace(tried, words=f"{tried.words}, fitted on {of}")


def _not_out_of_fold(folds: int, inner: Sequence[Split]) -> tuple[str, ...]:
    """Return what must be said where a decision could be fitted on out-of-fold rows but for the folds."""
    if inner or folds < FEWEST_FOLDS:
        return ()
    return (
        f"the decision is fitted on validation rows, although the split has {folds} folds: out-of-fold rows need folds "
        "that do not overlap, and a training row of each class when two of them are left out.",
    )


def _inner_runs(prepared: PreparedRun, inner: Sequence[Split]) -> tuple[PreparedRun, ...]:
    """Return the inner models of a run, checked as the run itself was, on copies of its strategies."""
    # That the plan corrects too far was said of the run itself.
    config, plan, runs = prepared.model.config.model_copy(update={"allow_overcorrection": True}), prepared.plan, []
    for number, cut in enumerate(inner, 1):
        copied = Plan(tuple(item.copy() for item in plan.strategies.items))
        dataset, spec = prepared.data.dataset, prepared.model.spec
        try:
            run = prepare_undecided(
                config, prepared.catalogue, dataset, copied, spec, split=cut, decision=plan.decision
            )
        except ImbtkError as error:
            error.args = (
                f"inner model {number} of {len(inner)}, which the decision needs to be fitted on out-of-fold rows: "
                f"{error}",
            )
            raise
        runs.append(run)
    return tuple(runs)


def training_context(config: RunConfig, dataset: Dataset, split: Split) -> RunContext:
    """Return what hooks are told of the training rows before any phase."""
    natural = torch.bincount(dataset.labels[split.train], minlength=dataset.num_classes)
    return dataclasses.replace(
        _whole_context(config, dataset),
        class_counts=natural,
        natural_counts=natural,
        labels=dataset.labels[split.train],
        rows=split.train,
        epochs=config.epochs or choose_epochs(len(split.train), dataset.kind),
        positive=_positive(config, dataset, natural),
        validation_counts=torch.bincount(dataset.labels[split.validation], minlength=dataset.num_classes),
    )


def _whole_context(config: RunConfig, dataset: Dataset) -> RunContext:
    """Return what hooks are told of all rows, before any split."""
    return RunContext(
        class_names=dataset.class_names,
        class_counts=dataset.class_counts,
        natural_counts=dataset.class_counts,
        labels=dataset.labels,
        kind=dataset.kind,
        sample_shape=dataset.sample_shape,
        domain=dataset.domain,
        groups=dataset.groups,
        batch_size=config.batch_size,
        device=choose_device(config.device),
        draw=Draw(config.seed, ""),
    )


def _check_together(config: RunConfig) -> None:
    """Refuse options that say nothing without another one, before data are read."""
    if config.freeze and not (config.pretrained or config.weights):
        raise OptionError(
            "'freeze' keeps the backbone as it is, which makes sense only with weights: add --pretrained or --weights "
            "FILE."
        )
    if config.freeze and config.lr_backbone is not None:
        raise OptionError(
            "'lr_backbone' is the rate of a backbone that 'freeze' keeps as it is: leave one of them out."
        )
    if config.patience is not None and not config.stops_early:
        raise OptionError("'patience' says when to stop early, and nothing is stopped early: add --early-stop METRIC.")
    if config.weights is not None and not Path(config.weights).is_file():
        raise DataError(
            f"the file of weights '{config.weights}' does not exist. Give --weights the path of a state dict."
        )


def _positive(config: RunConfig, dataset: Dataset, counts: torch.Tensor) -> int | None:
    """Return the positive class of binary data: the one named, else the rarer one in training."""
    if config.positive is not None:
        if config.positive not in dataset.class_names:
            raise OptionError(f"unknown class '{config.positive}'.{did_you_mean(config.positive, dataset.class_names)}")
        if dataset.num_classes != 2:
            raise OptionError(f"'positive' is for two classes; '{dataset.name}' has {dataset.num_classes}.")
        return dataset.class_names.index(config.positive)
    if dataset.num_classes != 2:
        return None
    return 0 if counts[0] < counts[1] else 1


def _normalisation(dataset: Dataset, split: Split, model: ModelSpec) -> Normalisation:
    if model.mean is not None and model.std is not None and dataset.kind == "images":
        channels = dataset.sample_shape[0]
        # One grey channel under RGB weights: the mean over the channels.
        mean, std = (torch.tensor(v, dtype=torch.float32) for v in (model.mean, model.std))
        if channels != len(mean):
            mean, std = mean.mean().expand(channels).clone(), std.mean().expand(channels).clone()
        return Normalisation(mean, std)
    return Normalisation.fit(dataset, split.train)


def training_rows(dataset: Dataset, train: torch.Tensor, normalisation: Normalisation) -> Rows:
    """Return the training rows (n,) of a data set as the resampling chain gets them."""
    width = dataset.sample_shape[0] if dataset.kind == "table" else 0
    return Rows(
        indices=train,
        labels=dataset.labels[train],
        features_of=lambda indices: features_of(dataset, normalisation, indices),
        synthetic=torch.empty((0, width)),
        synthetic_labels=torch.empty(0, dtype=torch.int64),
        scale=feature_scale(dataset, normalisation),
        categories=dataset.categories,
    )
