"""The pieces of a plan: what a training loop of one's own calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import RunContext
from imbtk.authoring.draw import Draw
from imbtk.authoring.records import Batch, Outputs
from imbtk.data.dataset import Dataset
from imbtk.data.normalise import Normalisation, in_unit
from imbtk.data.pixels import channels_first
from imbtk.errors import DataError, PlanError
from imbtk.integrations.sampler import EpochSampler
from imbtk.integrations.steps import Steps
from imbtk.models.network import Network, build_network
from imbtk.models.spec import ModelSpec
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.ledger import PhaseLedger
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import Plan
from imbtk.training.batches import Batches
from imbtk.training.config import TrainingConfig
from imbtk.training.heads import head_maker, start_at_prior
from imbtk.training.iterator import Share, batch_rows
from imbtk.training.learner import Learner, weighted_criterion
from imbtk.training.loop import Training, network_seed
from imbtk.training.plan_dry_run import dry_run_plan
from imbtk.wording import listing

__all__ = ["Composition"]

_MORE_THAN_A_LOSS = (
    "imbtk_partner",
    "imbtk_objective",
    "imbtk_step",
    "imbtk_schedule",
    "imbtk_network",
    "imbtk_finish",
)
"""Hooks that a loss alone does not carry out."""

Encode = Callable[[Any], torch.Tensor]
"""Labels of any type (n,) to class numbers (n,) int64."""


class Composition:
    """The pieces of a plan, for a training loop of one's own; made by :func:`imbtk.compose`.

    Attributes
    ----------
    plan : Plan
    phases : tuple of BuiltPhase
    labels : Tensor of int64, shape (n,)
        Class numbers of the training rows, places in ``context.class_names``.
    epochs : int
    epoch : int
        The current one.
    sampler : EpochSampler
        For ``DataLoader(dataset, batch_size=composition.local_batch_size, sampler=composition.sampler)``.
    local_batch_size : int
        Samples in a batch of this process.
    """

    def __init__(
        self,
        plan: Plan,
        phases: tuple[BuiltPhase, ...],
        dataset: Dataset,
        has_x: bool,
        share: Share,
        encode: Encode,
    ) -> None:
        self.plan, self.phases, self.labels = plan, phases, dataset.labels
        self._dataset, self._has_x = dataset, has_x
        reaching = [item for hook in _MORE_THAN_A_LOSS for item in Dispatcher(plan.items).answering(hook)]
        self._more = listing([f"'{item}'" for item in dict.fromkeys(reaching)], 5)
        self.epochs = phases[-1].planned.phase.stop
        self.local_batch_size = share.batch_size
        self.sampler = EpochSampler(share, self.on_epoch)
        self._share, self._encode = share, encode
        self._checked: Any = None
        self._seed = phases[0].context.draw.seed
        self._device = phases[0].context.device
        self._one_hot = torch.eye(phases[0].context.num_classes, device=self._device)
        self._rows: torch.Tensor | None = None
        self.on_epoch(0)

    def on_epoch(self, epoch: int) -> None:
        """Go to an epoch: its phase, its order, its random numbers. Call it before each epoch.

        Raises
        ------
        PlanError
            If there is no such epoch.
        """
        if not 0 <= epoch < self.epochs:
            raise PlanError(f"there is no epoch {epoch}: the composition was made for {self.epochs}, counted from 0.")
        self.epoch, self._rows = epoch, None
        self._share.begin(self.phase, epoch)

    @property
    def phase(self) -> BuiltPhase:
        """The phase that the current epoch is in."""
        return next(phase for phase in self.phases if self.epoch < phase.planned.phase.stop)

    @property
    def context(self) -> RunContext:
        """What the hooks of the current phase were told."""
        return self.phase.context

    @property
    def ledger(self) -> PhaseLedger:
        """The class prior as each stage of the current phase leaves it."""
        return self.phase.ledger

    @property
    def class_weights(self) -> torch.Tensor:
        """Weight of each class in the current phase, (K,) float32, mean 1 over the rows as drawn; ones without any."""
        weights = self.phase.weights
        return torch.ones(len(self._one_hot)) if weights is None else weights.clone()

    def criterion(
        self,
        logits: torch.Tensor,
        target: torch.Tensor,
        *,
        features: torch.Tensor | None = None,
        rows: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch, weighted and reduced: the mean over the batch of weight times loss.

        Parameters
        ----------
        logits : Tensor, shape (B, K)
            Half precision is brought to float32, as in a run.
        target : Tensor, shape (B,) int64 or (B, K)
            Class numbers, or shares of each class.
        features : Tensor, shape (B, D), optional
            For criteria that ask for them.
        rows : Tensor of int64, shape (B,), optional
            Rows of the data, for criteria that ask for them; :meth:`batches` knows them.

        Raises
        ------
        PlanError
            If the criterion asks for features or rows, and there are none; if the plan does more than weigh a loss.
        """
        if self._more:
            raise PlanError(
                f"{self._more} do more than weigh a loss (branches, second rows, another step ...): train with "
                "composition.steps(network, make_optimizer), which yields batches and takes steps."
            )
        phase = self.phase
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        target, rows = self._soft(target).to(logits.device), self._rows if rows is None else rows
        given = {"features": features, "rows": rows, "epoch": self.epoch}
        for name in sorted(getattr(phase.criterion, "wanted", frozenset())):
            if given.get(name) is None:
                known = f"call criterion(logits, target, {name}=...)" if name in given else "train with steps(...)"
                raise PlanError(f"a criterion of the plan asks for {name}: {known}.")
        batch = Batch(logits, target, torch.empty(0) if rows is None else rows, target.argmax(1), self.epoch)
        return weighted_criterion(phase, logits.device)(Outputs(logits, features), batch).mean()

    def augment(self, images: torch.Tensor, target: torch.Tensor, positions: np.ndarray | None = None) -> torch.Tensor:
        """Return changed training images, (B, C, H, W) floats in [0, 1].

        Parameters
        ----------
        images : Tensor, shape (B, C, H, W)
            uint8, or floats in [0, 1]: before normalisation.
        target : Tensor, shape (B,) int64 or (B, K)
        positions : ndarray of int64, shape (B,), optional
            Places of the samples in the global order of the epoch, which their random numbers hang on. Unless given,
            the batch is taken for the next one since the epoch began, as a DataLoader with :attr:`sampler` gives them:
            call this once for each training batch.

        Raises
        ------
        PlanError
            If there are more samples than the epoch has: ``on_epoch`` was forgotten, or this was called twice a batch.
        """
        positions = self._share.take("augment", len(images)) if positions is None else positions
        images = images.to(self._device)
        images = in_unit(images) if images.dtype == torch.uint8 else images
        if self.phase.augment is None:
            return images
        return self.phase.augment(images, self._soft(target), self._draw(positions))

    def mix(
        self, images: torch.Tensor, target: torch.Tensor, positions: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixed samples and their targets (B, K); call it after normalisation, once for each training batch.

        Parameters
        ----------
        images, target, positions
            As for :meth:`augment`; samples of any shape (B, ...).
        """
        positions = self._share.take("mix", len(images)) if positions is None else positions
        soft = self._soft(target)
        if self.phase.mix is None:
            return images, soft
        return self.phase.mix(images.to(self._device), soft, self._draw(positions))

    def head(self, in_features: int) -> torch.nn.Module:
        """Return the classifier head, (B, D) -> (B, K): the plan's or a linear one, its weights a function of the seed.

        Its bias starts at the log of the first phase's effective prior. torch's global random state is not touched.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed + 1)
            head = head_maker(self.plan.items, self.phases[0].context)(in_features)
        start_at_prior(head, self.phases[0])
        return head.to(self._device)

    def network(self, backbone: torch.nn.Module) -> Network:
        """Return a network of a backbone, (B, ...) -> (B, D), and the plan's head, on the device; see :meth:`head`."""
        context = self.phases[0].context
        make_head = head_maker(self.plan.items, context)
        spec = ModelSpec(type(backbone).__name__, lambda shape: backbone, "any", "")
        network = build_network(spec, context.sample_shape, make_head, self._seed, context.num_classes)
        network.make_head, network.head_origin = make_head, make_head.origin
        start_at_prior(network.head, self.phases[0])
        return network.to(self._device)

    def steps(
        self,
        network: Network,
        make_optimizer: Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer],
        normalise: bool = True,
    ) -> Steps:
        """Return the plan's steps: for strategies that use the network more than once, change it, or step otherwise.

        Parameters
        ----------
        network : Network
            From :meth:`network`; trained in place.
        make_optimizer : callable
            ``parameters -> Optimizer``: ``lambda p: torch.optim.SGD(p, lr=0.1)``. Asked again where a window changes
            what is trained.
        normalise : bool
            Bring inputs to mean 0 and deviation 1 of the training rows, as a run does.

        Raises
        ------
        ImbtkError
            If ``compose`` was not given the training rows, or a dry run of the plan fails.

        Examples
        --------
        >>> steps = composition.steps(network, lambda p: torch.optim.SGD(p, lr=0.1))  # doctest: +SKIP
        >>> for epoch in range(composition.epochs):  # doctest: +SKIP
        ...     for batch in steps.epoch(epoch):
        ...         loss = steps.take(batch)
        """
        if not self._has_x:
            raise PlanError("compose was given no training rows: give it x=, which steps are taken on.")
        rows = torch.arange(len(self._dataset))
        normalisation = Normalisation.fit(self._dataset, rows) if normalise else Normalisation.none(self._dataset)
        batches = Batches(self._dataset, normalisation, self._device)
        share = self._share
        config = TrainingConfig(
            self._seed, schedule="constant", warmup=0.0, rank=share.rank, world_size=share.world_size
        )

        def optimizer(learner: Learner) -> torch.optim.Optimizer:
            return make_optimizer([p for p in learner.parameters() if p.requires_grad])

        nothing = torch.empty(0, dtype=torch.int64)
        validation = nothing, nothing
        dry_run_plan(network, self.phases, batches, optimizer, config, validation)
        return Steps(Training(network, optimizer, self.phases, batches, validation, config))

    def network_seed(self, epoch: int) -> int:
        """Return what a run gives ``torch.manual_seed`` before an epoch, for networks with randomness (dropout)."""
        return network_seed(self._seed, epoch)

    def batches(
        self,
        x: Any,
        y: Any,
        epoch: int,
        normalise: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (inputs, target (B, K)) of an epoch: in order, augmented, normalised and mixed.

        Parameters
        ----------
        x : array or Tensor, shape (n, ...)
            The training rows: images as uint8 or floats in [0, 1], table rows as numbers. Images are brought into the
            order of axes that ``compose`` read, channels first.
        y : array or sequence, shape (n,)
            Their labels, as they were given to ``compose``.
        epoch : int
            As for :meth:`on_epoch`, which this calls.
        normalise : callable, optional
            Applied to a batch after augmentation and before mixing.

        Raises
        ------
        DataError
            If `x` or `y` are not the rows that ``compose`` saw.
        """
        samples = torch.as_tensor(x)
        self._check_rows(samples, y)
        images = self.context.kind == "images" and samples.ndim in (3, 4)
        if images and self.context.sample_shape not in ((), tuple(samples.shape[1:])):
            samples = channels_first(samples, "x", any_channels=True)
        self.on_epoch(epoch)
        return self._batches(samples, normalise)

    def _batches(
        self, samples: torch.Tensor, normalise: Callable[[torch.Tensor], torch.Tensor] | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        phase, share, images = self.phase, self._share, self.context.kind == "images"
        if len(phase.synthetic):
            samples = torch.cat([samples.to(torch.float32), phase.synthetic])
        found = batch_rows(phase, share.order, share.batch_size, len(samples), samples.device, self._device)
        for rows, labels, places in found:
            target = torch.index_select(self._one_hot, 0, labels)
            inputs = torch.index_select(samples, 0, places).to(self._device)
            inputs = self.augment(inputs, target) if images else inputs.to(torch.float32)
            if normalise is not None:
                inputs = normalise(inputs)
            inputs, target = self.mix(inputs, target)
            self._rows = rows
            yield inputs, target

    def _check_rows(self, samples: torch.Tensor, y: Any) -> None:
        n = len(self.labels)
        if len(samples) != n or len(y) != n:
            raise DataError(f"x has {len(samples)} rows and y {len(y)}; compose was given labels of {n} training rows.")
        if y is self._checked:
            return
        different = (self._encode(y) != self.labels).nonzero()
        if len(different):
            raise DataError(
                f"y is not what compose was given as labels: {len(different)} of {n} rows differ, the first is row "
                f"{int(different[0])}."
            )
        self._checked = y

    def _soft(self, target: torch.Tensor) -> torch.Tensor:
        """Return targets as shares of each class, (B, K) on the device."""
        target = target.to(self._device)
        if target.ndim == 1:
            return torch.index_select(self._one_hot, 0, target.to(torch.int64))
        return target

    def _draw(self, positions: np.ndarray) -> Draw:
        return Draw(self._seed, "", self.epoch, np.asarray(positions), self._device)

    def __repr__(self) -> str:
        names = ", ".join(self.context.class_names)
        return (
            f"Composition({str(self.plan)!r}, epoch {self.epoch} of {self.epochs}, {len(self.labels)} rows of {names})"
        )
