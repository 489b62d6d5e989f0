"""Everything before the first batch: data, plan, split, phases, ledger. What a dry run shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imbtk.catalogue import Catalogue
from imbtk.config import RunConfig
from imbtk.context import Rows, RunContext, Split
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.data.hold_out import hold_out
from imbtk.data.imbalance import induce
from imbtk.data.leaks import check_split
from imbtk.data.normalise import Normalisation, feature_scale, features_of
from imbtk.decisions import rehearse_decision
from imbtk.deployment import parse_deployment
from imbtk.dispatch import Dispatcher, wrong_result
from imbtk.draw import Draw
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.models.registry import default_model, find_model
from imbtk.models.spec import ModelSpec
from imbtk.plan import Plan, StrategyLike
from imbtk.training.build import build_phases
from imbtk.training.phases import BuiltPhase
from imbtk.training.setup import choose_device, choose_epochs, choose_precision

__all__ = [
    "BUILT_IN_PLUGINS",
    "PreparedRun",
    "make_catalogue",
    "offered_models",
    "prepare",
    "prepare_split",
    "read_data",
    "training_context",
    "training_rows",
]

BUILT_IN_PLUGINS = ("imbtk.models.builtin",)
"""Core's own modules that offer models through the hooks that strangers use."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PreparedRun:
    """A run that is checked and ready to train.

    Attributes
    ----------
    config : RunConfig
        Resolved: model, epochs, learning rate, precision are filled in.
    dataset : Dataset
    plan : Plan
    split : Split
        Training rows are those that are left after an imbalance was induced.
    dropped : Tensor of int64
        Training rows that an induced imbalance took away.
    folds : int
        How many folds the split has.
    normalisation : Normalisation
    phases : tuple of BuiltPhase
    context : RunContext
        Of all training rows: no phase, no resampling.
    model : ModelSpec
    device : torch.device
    positive : int, optional
    warnings : tuple of str
    rows : Rows
        Training rows, as the resampling chain gets them.
    deployment : ndarray of float64, shape (K,)
        Class frequencies where the model will be used.
    decision : str
        How a class is going to be picked, for people.
    """

    config: RunConfig
    catalogue: Catalogue
    dataset: Dataset
    plan: Plan
    split: Split
    dropped: torch.Tensor
    folds: int
    normalisation: Normalisation
    phases: tuple[BuiltPhase, ...]
    context: RunContext
    model: ModelSpec
    device: torch.device
    positive: int | None
    warnings: tuple[str, ...]
    rows: Rows
    deployment: np.ndarray
    decision: str = "as trained"


def make_catalogue(config: RunConfig) -> Catalogue:
    """Return the catalogue of what is installed, what core offers, and the files that the configuration names."""
    return Catalogue(config.plugins, BUILT_IN_PLUGINS, without=config.without)


def read_data(
    config: RunConfig, data: Any = None, catalogue: Catalogue | None = None, progress: Progress | None = None
) -> tuple[RunConfig, Dataset]:
    """Read the data as the configuration says; return it, and the configuration with the image size that was meant.

    Parameters
    ----------
    config : RunConfig
    data : object, optional
        Instead of ``config.data``.
    catalogue : Catalogue, optional
    progress : callable, optional
        ``(description, done, total)``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with the data.
    """
    catalogue = catalogue or make_catalogue(config)
    config = _with_image_size(config, offered_models(config, catalogue))
    return config, _read(config, data, catalogue, progress)


def prepare(
    config: RunConfig,
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    progress: Progress | None = None,
    catalogue: Catalogue | None = None,
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

    Raises
    ------
    ImbtkError
        Whatever is wrong with the data, the plan or the options.
    """
    catalogue = catalogue or make_catalogue(config)
    plan = Plan.build(config.strategies if strategies is None else strategies, catalogue)
    _check_together(config)
    offered = offered_models(config, catalogue)
    config = _with_image_size(config, offered)
    dataset = _read(config, data, catalogue, progress)
    model = find_model(
        config.model or default_model(dataset.kind),
        dataset.kind,
        dataset.sample_shape,
        offered,
        pretrained=config.pretrained,
        weights_file=config.weights,
    )
    split, folds = _split(config, dataset, plan, _whole_context(config, dataset))
    split, dropped = _induce(dataset, split)
    return prepare_split(config, catalogue, dataset, plan, model, split, dropped, folds)


def prepare_split(
    config: RunConfig,
    catalogue: Catalogue,
    dataset: Dataset,
    plan: Plan,
    model: ModelSpec,
    split: Split,
    dropped: torch.Tensor,
    folds: int = 1,
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

    Raises
    ------
    ImbtkError
        Whatever is wrong with the plan or the options.
    """
    context = training_context(config, dataset, split)
    positive, epochs, device = context.positive, context.epochs, context.device
    deployment = parse_deployment(config.deploy, dataset.class_names, context.natural_counts.double().numpy())
    normalisation = _normalisation(dataset, split, model)
    rows = training_rows(dataset, split.train, normalisation)
    phases, warnings = build_phases(plan, rows, context, config.allow_overcorrection)
    warnings = (*_absent_classes(dataset, split), *warnings)
    groups = dataset.known_groups(split.validation)
    decision = rehearse_decision(
        plan.items,
        config.decide,
        dataset.labels[split.validation].numpy(),
        None if groups is None else groups.numpy(),
        phases[-1].context,
    )
    config = config.model_copy(
        update={
            "epochs": epochs,
            "model": model.name,
            "lr": config.lr or model.lr,
            "strategies": tuple(map(str, plan.items)),
            "positive": None if positive is None else dataset.class_names[positive],
            "precision": choose_precision(config.precision, device),
        }
    )
    return PreparedRun(
        config, catalogue, dataset, plan, split, dropped, folds, normalisation, phases, context, model, device,
        positive, warnings, rows, deployment, decision,
    )  # fmt: skip


def training_context(config: RunConfig, dataset: Dataset, split: Split) -> RunContext:
    """Return what hooks are told of the training rows before any phase."""
    natural = torch.bincount(dataset.labels[split.train], minlength=dataset.num_classes)
    return dataclasses.replace(
        _whole_context(config, dataset),
        class_counts=natural,
        natural_counts=natural,
        labels=dataset.labels[split.train],
        epochs=config.epochs or choose_epochs(len(split.train)),
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


def _read(config: RunConfig, data: Any, catalogue: Catalogue, progress: Progress | None) -> Dataset:
    if isinstance(data, Dataset):
        return data
    source = config.data if data is None else data
    if source is None:
        raise OptionError("no data are given. Give a path, or builtin:digits to try imbtk out.")
    sources = [source for answer, _ in catalogue.offered("imbtk_sources") for source in answer]
    return load(source, config, sources=sources, progress=progress)


def offered_models(config: RunConfig, catalogue: Catalogue) -> dict[str, ModelSpec]:
    """Return models by name; plugins are asked only if the user named a model."""
    offered: dict[str, ModelSpec] = {}
    for answer, _ in catalogue.offered("imbtk_models", built_in_only=config.model is None):
        offered.update(answer)
    return offered


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
    if config.patience is not None and not config.early_stop:
        raise OptionError("'patience' says when to stop early, and nothing is stopped early: add --early-stop METRIC.")
    if config.weights is not None and not Path(config.weights).is_file():
        raise DataError(
            f"the file of weights '{config.weights}' does not exist. Give --weights the path of a state dict."
        )


def _with_image_size(config: RunConfig, offered: dict[str, ModelSpec]) -> RunConfig:
    """Return the configuration with the image size of the pretrained weights, where the user gave none."""
    if not config.pretrained or config.image_size is not None or config.model is None:
        return config
    spec = find_model(config.model, "images", (3, 224, 224), offered, pretrained=True, weights_file=config.weights)
    return config.model_copy(update={"image_size": spec.image_size})


def _split(config: RunConfig, dataset: Dataset, plan: Plan, context: RunContext) -> tuple[Split, int]:
    """Return the split of the fold that the configuration names, checked, and the number of folds."""
    answer = Dispatcher(plan.items).choice("imbtk_split", dataset=dataset, context=context)
    folds: Sequence[Split] = [hold_out(dataset, config.seed)]
    if answer is not None:
        folds, item = answer
        if not isinstance(folds, Sequence) or not folds or not all(isinstance(fold, Split) for fold in folds):
            raise wrong_result(item, "imbtk_split", "something else than a sequence of Split")
    if config.fold >= len(folds):
        raise OptionError(f"there is no fold {config.fold}: the split has {len(folds)}, counted from 0.")
    for fold in folds:
        check_split(dataset, fold)
    return folds[config.fold], len(folds)


def _induce(dataset: Dataset, split: Split) -> tuple[Split, torch.Tensor]:
    """Return the split with an imbalance induced on its training rows, and the rows taken away."""
    if dataset.induced is None:
        return split, torch.empty(0, dtype=torch.int64)
    kept = induce(dataset.labels, split.train, dataset.induced, dataset.num_classes)
    return dataclasses.replace(split, train=kept), split.train[~torch.isin(split.train, kept)]


def _positive(config: RunConfig, dataset: Dataset, counts: torch.Tensor) -> int | None:
    """Return the positive class of binary data: the one named, else the rarer one in training."""
    if config.positive is not None:
        if config.positive not in dataset.class_names:
            raise OptionError(
                f"there is no class '{config.positive}'.{did_you_mean(config.positive, dataset.class_names)}"
            )
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
    )


def _absent_classes(dataset: Dataset, split: Split) -> tuple[str, ...]:
    """Return what must be said of sides of the split that lack a class; a side without any row was meant to be so."""
    said = []
    for side, where in (("validation", split.validation), ("test", split.test)):
        if not len(where):
            continue
        counts = torch.bincount(dataset.labels[where], minlength=dataset.num_classes)
        absent = [dataset.class_names[int(k)] for k in (counts == 0).nonzero()]
        if absent:
            names = ", ".join(f"'{name}'" for name in absent[:10])
            said.append(
                f"the split left no {side} row of class {names}: figures of such a class cannot be computed. A "
                "stratified split puts every class on every side."
            )
    return tuple(said)
