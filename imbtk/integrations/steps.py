"""A plan's steps in a loop of one's own: what a run does between two epochs' ends, taken one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from imbtk.authoring.records import Batch
from imbtk.errors import PlanError
from imbtk.training.learner import Learner
from imbtk.training.loop import Training
from imbtk.training.step import take_step, trained_parameters

__all__ = ["Steps"]


class Steps:
    """The steps of a plan, windows that change the network among them; made by ``composition.steps(...)``.

    Attributes
    ----------
    learner : Learner
        Network, strategies' modules and objective: ``learner(batch)`` gives the loss of each sample (B,), class weights
        in it. Another one in each phase.
    optimizer : Optimizer
        Made anew where the set of trained parameters changes, what it remembers of the others kept.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._next, self._step = 0, 0

    @property
    def learner(self) -> Learner:
        """What is trained in the current phase."""
        return self._training.learner

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The current optimiser."""
        return self._training.optimizer

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, after windows that begin with it and before those that end.

        Parameters
        ----------
        epoch : int
            From 0, one after the other.

        Raises
        ------
        PlanError
            If it is not the next one.
        """
        training = self._training
        if epoch != self._next:
            raise PlanError(f"steps.epoch was called for epoch {epoch}, and the next is {self._next}: go in order.")
        phase = next(phase for phase in training.phases if epoch < phase.planned.phase.stop)
        if epoch == phase.planned.phase.start:
            training.begin(phase)
        training.learner.train()
        for batch in training.phase_batches.epoch(epoch, self._step):
            self._step += 1
            yield batch
        self._next += 1
        if epoch + 1 == phase.planned.phase.stop:
            training.windows.finish_ending(phase, training.phase_batches)
            training.windows.end(phase)

    def take(self, batch: Batch) -> torch.Tensor:
        """Take the plan's step on a batch: forward, objective, backward, update. Return the loss ().

        The learning rate is the optimiser's own, unless a strategy of the plan chooses it.
        """
        training = self._training
        if training.phase_batches.phase.schedule is not None:
            training.schedule.set(batch.step)
        parameters = trained_parameters(self.optimizer)
        loss, _ = take_step(training.learner, training.door, self.optimizer, batch, parameters, training.config)
        return loss.detach()
