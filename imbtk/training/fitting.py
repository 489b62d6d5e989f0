"""From a prepared run to a trained network, and what is fitted on top of it.

What a run with a folder, the scikit-learn estimator and a loop of one's own have in common.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from imbtk.authoring.draw import Draw
from imbtk.errors import TrainingError
from imbtk.models.batch_size import check_smallest_batch
from imbtk.models.ensemble import Ensemble
from imbtk.models.network import Network, build_network, feature_width
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.plan import PlanItem
from imbtk.planning.prepared import PreparedRun, RunPlan
from imbtk.training.batches import Batches
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.config import EpochRecord
from imbtk.training.dry_run import dry_run
from imbtk.training.heads import checked_origin, head_maker, start_at_prior
from imbtk.training.learner import Learner
from imbtk.training.loop import Wrap, train
from imbtk.training.plan_dry_run import dry_run_plan
from imbtk.training.settling import training_config
from imbtk.training.setup import optimizer_for
from imbtk.training.validation import predict

__all__ = ["Fitted", "fit", "make_network", "needs_rows", "own_random_state"]

_ROW_ARGUMENTS = {"logits", "probabilities", "labels"}
"""Arguments of hooks after training that hold validation rows."""


@dataclass(frozen=True)
class Fitted:
    """A network that went through all phases, with its refitted head and its views if the plan has them.

    Attributes
    ----------
    network : Network or Ensemble
    prepared : PreparedRun
        With the phases that were trained: all of them, unless the time was over before.
    history : list of dict
        One record for each epoch.
    batches : Batches
    members : tuple of Fitted
        Where the run is several models.
    """

    network: Network | Ensemble
    prepared: PreparedRun
    history: list[EpochRecord]
    batches: Batches
    members: tuple[Fitted, ...] = ()

    def logits(self, rows: torch.Tensor) -> np.ndarray:
        """Return the logits of rows of the data set, (n, K) float64.

        Of several models the mean; outside of the test side, over those that have not seen the row.

        Raises
        ------
        TrainingError
            If they are not finite: training went out of bounds, though its last losses were finite.
        """
        if isinstance(self.network, Ensemble):
            return self._of_members(rows)
        logits: np.ndarray = predict(self.network, self.batches, rows).double().numpy()
        bad = rows[~torch.from_numpy(logits).isfinite().all(1)].tolist()
        if bad:
            raise TrainingError(
                f"the trained network gives logits that are not finite for {len(bad)} of {len(rows)} rows that it was "
                f"not trained on, row {bad[0]} among them. Lower --lr, or set --clip-norm."
            )
        return logits

    def _of_members(self, rows: torch.Tensor) -> np.ndarray:
        total, count = np.zeros((len(rows), self.batches.num_classes)), np.zeros(len(rows))
        foreign = ~torch.isin(rows, self.prepared.known)
        for fitted, member in zip(self.members, self.prepared.members, strict=True):
            may = foreign | torch.isin(rows, member.unseen)
            total[may.numpy()] += fitted.logits(rows[may])
            count += may.numpy()
        mean: np.ndarray = total / count[:, None]
        return mean


def fit(
    prepared: PreparedRun,
    network: Network,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[int, EpochRecord], None] = lambda epoch, record: None,
    on_step: Callable[[int, int, float], None] | None = None,
    most_epochs: int | None = None,
    resume: Mapping[str, Any] | None = None,
    wrap: Wrap = lambda learner: learner,
) -> Fitted:
    """Train a network through all phases, in place.

    Parameters
    ----------
    prepared : PreparedRun
    network : Network
        From :func:`make_network`.
    checkpoint : Checkpoint, optional
    on_epoch, on_step : callable
        As in :func:`imbtk.training.loop.train`.
    most_epochs : int, optional
        End after so many epochs, whatever the clock says.
    resume, wrap
        As in :func:`imbtk.training.loop.train`.
    """
    validation = prepared.data.split.validation
    training = training_config(prepared, network)
    if most_epochs is not None:
        training = dataclasses.replace(training, seconds=math.inf, most_epochs=most_epochs)
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, prepared.model.device)
    history = train(
        network,
        lambda learner: _optimizer(prepared, learner),
        prepared.plan.phases,
        batches=batches,
        validation=(validation, prepared.data.dataset.labels[validation]),
        config=training,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        on_step=on_step,
        resume=resume,
        wrap=wrap,
    )
    trained = tuple(phase for phase in prepared.plan.phases if phase.planned.phase.start <= history[-1]["epoch"])
    prepared = dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, phases=trained))
    _refit(prepared, network, batches)
    network.views = prepared.plan.views
    return Fitted(network, prepared, history, batches)


def needs_rows(item: PlanItem, hook: str) -> bool:
    """Return whether a strategy's hook after training asks for validation rows: a rule from stated costs does not."""
    return bool(_ROW_ARGUMENTS & set(inspect.signature(getattr(item.strategy, hook)).parameters))


@contextlib.contextmanager
def own_random_state() -> Iterator[None]:
    """Leave the caller's global random state as it was."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield


def make_network(prepared: PreparedRun) -> Network:
    """Build the network with the plan's head, its bias at the log of the effective prior.

    Raises
    ------
    ImbtkError
        If the plan's head is none, or the network cannot learn from batches as small as the run has them.
    """
    first = prepared.plan.phases[0]
    make_head = head_maker(prepared.plan.strategies.items, first.context)
    network = build_network(
        prepared.model.spec,
        prepared.data.dataset.sample_shape,
        make_head,
        prepared.model.config.seed,
        first.context.num_classes,
    )
    network.make_head, network.head_origin = make_head, make_head.origin
    if prepared.model.config.freeze:
        network.freeze("backbone")
    smallest = min(phase.smallest_batch for phase in prepared.plan.phases)
    check_smallest_batch(network, smallest, prepared.model.config.batch_size)
    _dry_run_with_features(prepared.plan, network)
    start_at_prior(network.head, first)
    network.to(prepared.model.device)
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, prepared.model.device)
    config = training_config(prepared, network)
    rows = prepared.data.split.validation
    validation = rows, prepared.data.dataset.labels[rows]
    dry_run_plan(
        network, prepared.plan.phases, batches, lambda learner: _optimizer(prepared, learner), config, validation
    )
    return network


def _optimizer(prepared: PreparedRun, learner: Learner) -> torch.optim.Optimizer:
    return optimizer_for(learner, prepared.model.config, prepared.model.device)


def _dry_run_with_features(plan: RunPlan, network: Network) -> None:
    """Try the criteria that ask for features, now that their width is known."""
    for phase in plan.phases:
        if "features" in getattr(phase.criterion, "wanted", ()):
            width = feature_width(network.backbone, network.sample_shape, network.model_name)
            dry_run(phase.planned, phase.context, width)


def _refit(prepared: PreparedRun, network: Network, batches: Batches) -> None:
    """Let strategies refit the head on the frozen features of the training rows."""
    dispatcher = Dispatcher(prepared.plan.strategies.items)
    if not dispatcher.answering("imbtk_refit"):
        return
    for item in dispatcher.answering("imbtk_refit"):
        warnings.warn(
            f"'{item.strategy.name}' answers imbtk_refit, which goes with the next release: write imbtk_finish(self, "
            "network, training, context), which is given training.features() and training.labels, and change "
            "network.head in place (docs/hooks/finish.md).",
            FutureWarning,
            stacklevel=2,
        )
    rows = prepared.data.split.train
    features = predict(network, batches, rows, features=True).to(prepared.model.device)
    labels = prepared.data.dataset.labels[rows].to(prepared.model.device)

    def check(head: Any, item: PlanItem) -> torch.nn.Module:
        origin = checked_origin(head, item, "imbtk_refit", features.shape[1], prepared.plan.context.num_classes)
        if head is not network.head:
            network.head_origin = origin
        return head  # type: ignore[no-any-return]

    # A new head may take its initial weights from torch's state: a function of the seed, not of what was drawn before.
    torch.manual_seed(Draw(prepared.model.config.seed, "refit").key & 0x7FFFFFFF)
    network.head = dispatcher.chain(
        "imbtk_refit",
        "head",
        network.head,
        check,
        features=features,
        labels=labels,
        context=prepared.plan.phases[-1].context,
    )
