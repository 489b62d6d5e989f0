"""The rows that scikit-learn gives an estimator, prepared as a run is, without a folder and without test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.data.dataset import Dataset
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import DataError, PlanError
from imbtk.integrations.fold_rows import split_rows
from imbtk.integrations.row_weights import with_row_weights
from imbtk.models.registry import default_model, find_model
from imbtk.pipeline.prepare import prepare_split, prepare_undecided
from imbtk.planning.config import RunConfig
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.plan import Plan
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import BUILT_IN_PLUGINS, offered_models
from imbtk.training.fitting import needs_rows

__all__ = ["on_all_rows", "prepare_fold"]


def prepare_fold(
    config: RunConfig,
    strategies: Any,
    dataset: Dataset,
    weights: np.ndarray | None,
    validation_fraction: float | None,
) -> PreparedRun:
    """Return a run over all rows of a data set, ready to train.

    Parameters
    ----------
    config : RunConfig
    strategies : sequence of str or Strategy
        Instances are copied: fitting changes no parameter of an estimator.
    dataset : Dataset
    weights : ndarray of float64, shape (N,), optional
        Of the rows; those of weight 0 are left out.
    validation_fraction : float, optional

    Raises
    ------
    DataError
        If the weights leave fewer than two classes.
    PlanError
        If a strategy has nothing to work on, and whatever a run refuses.
    """
    kept = np.arange(len(dataset)) if weights is None else np.flatnonzero(weights)
    if len(torch.unique(dataset.labels[kept])) < 2:
        raise DataError("sample_weight leaves rows of fewer than two classes, which a classifier needs.")
    catalogue = Catalogue(config.plugins, BUILT_IN_PLUGINS)
    plan = Plan.build(strategies, catalogue)
    split = split_rows(dataset, kept, validation_fraction, config.seed)
    _check_plan(plan, config, len(split.validation))
    offered = offered_models(config, catalogue)
    model = find_model(
        config.model or default_model(dataset.kind, len(dataset)), dataset.kind, dataset.sample_shape, offered
    )
    nothing = torch.empty(0, dtype=torch.int64)
    prepared = prepare_split(config, catalogue, dataset, plan=plan, model=model, split=split, dropped=nothing)
    return prepared if weights is None else with_row_weights(prepared, torch.from_numpy(weights))


def on_all_rows(prepared: PreparedRun, strategies: Any, weights: np.ndarray | None, epochs: int) -> PreparedRun:
    """Return the same run with its validation rows among the training rows, and nothing left to choose.

    Parameters
    ----------
    prepared : PreparedRun
        From :func:`prepare_fold`.
    strategies, weights
        As there.
    epochs : int
        How long to train. Where strategies have windows the schedule stays what the windows were meant for.
    """
    cut, nothing = prepared.data.split, torch.empty(0, dtype=torch.int64)
    rows = torch.cat([cut.train, cut.validation]).sort().values
    if any(item.window for item in prepared.plan.strategies.items):
        epochs = prepared.plan.context.epochs
    config = prepared.model.config.model_copy(
        update={"epochs": epochs, "early_stop": "none", "patience": None, "allow_overcorrection": True}
    )
    plan = Plan.build(strategies, prepared.catalogue)
    split = Split(rows, nothing, nothing)
    data, spec = prepared.data.dataset, prepared.model.spec
    whole = prepare_undecided(
        config, prepared.catalogue, data, plan, spec, split=split, decision=prepared.plan.decision, members=True
    )
    return whole if weights is None else with_row_weights(whole, torch.from_numpy(weights))


def _check_plan(plan: Plan, config: RunConfig, validation_rows: int) -> None:
    """Refuse strategies that have nothing to work on.

    Raises
    ------
    PlanError
        If a strategy splits, or needs validation rows and there are none.
    """
    dispatcher = Dispatcher(plan.items)
    for item in dispatcher.answering("imbtk_split"):
        raise PlanError(
            f"'{item}' splits the data, which in scikit-learn cross-validation does: use cv=StratifiedGroupKFold(), "
            "say, and leave it out of the strategies."
        )
    if validation_rows:
        return
    needy = [
        f"'{item}'"
        for hook in ("imbtk_calibrate", "imbtk_decide")
        for item in dispatcher.answering(hook)
        if needs_rows(item, hook)
    ]
    needy += ["early_stop"] if config.early_stop and config.stops_early else []
    if needy:
        raise PlanError(
            f"{' and '.join(needy)}: fitted on rows that nothing is trained on: set validation_fraction=0.2, say."
        )
