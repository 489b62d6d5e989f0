"""The training loop: hooks were called when the phases were built, here plain callables run."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from imbtk.authoring.draw import Draw
from imbtk.authoring.records import Batch
from imbtk.errors import TrainingError
from imbtk.models.network import Network
from imbtk.planning.phases import BuiltPhase
from imbtk.training.batches import Batches
from imbtk.training.checkpoint import Checkpoint, load_strategies, restore, strategies_state, training_state
from imbtk.training.config import EpochRecord, Progress, TrainingConfig
from imbtk.training.iterator import Share
from imbtk.training.learner import Learner, check_whole_batches
from imbtk.training.losses import EpochLosses
from imbtk.training.schedule import schedule_of
from imbtk.training.setup import MakeOptimizer, carried_over, lay_out
from imbtk.training.step import take_step, trained_parameters
from imbtk.training.validation import validate
from imbtk.training.windows import Windows, finishing

__all__ = ["Training", "network_seed", "train"]


SECONDS_BETWEEN_LOOKS = 0.1

Wrap = Callable[[Learner], Callable[[Batch], torch.Tensor]]
OnStep = Callable[[int, int, float], None]


def network_seed(seed: int, epoch: int) -> int:
    """Return the seed of the network's own randomness (dropout) in an epoch, which hangs on nothing else."""
    return Draw(seed, "network", epoch).key & 0x7FFFFFFF


def train(
    network: Network,
    make_optimizer: MakeOptimizer,
    phases: Sequence[BuiltPhase],
    batches: Batches,
    validation: tuple[torch.Tensor, torch.Tensor],
    config: TrainingConfig,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[int, EpochRecord], None] = lambda epoch, record: None,
    on_step: OnStep | None = None,
    clock: Callable[[], float] = time.perf_counter,
    resume: Mapping[str, Any] | None = None,
    wrap: Wrap = lambda learner: learner,
) -> list[EpochRecord]:
    """Train a network through all phases, in place.

    Parameters
    ----------
    network : Network
        On the device.
    make_optimizer : callable
        ``learner -> Optimizer`` over what of it is trained; its groups' learning rates are the peaks.
    phases : sequence of BuiltPhase
    batches : Batches
    validation : tuple of Tensor
        Rows (n,) of the data set and their labels (n,); n may be 0.
    config : TrainingConfig
    checkpoint : Checkpoint, optional
        Where the state goes.
    on_epoch : callable
        Called with (epoch, record) after each epoch.
    on_step : callable, optional
        Called with (step within the run, total steps, loss) at most ten times a second.
    clock : callable
        Seconds.
    resume : mapping, optional
        The state of the same training after some epochs, from :func:`~imbtk.training.checkpoint.load_checkpoint`: what
        comes is the same to the bit as if it had not been interrupted.
    wrap : callable
        ``learner -> callable`` with the learner's ``forward``: ``DistributedDataParallel``, or what compiles it in
        place. Called in each phase.

    Returns
    -------
    list of dict
        One record for each epoch. If the time was over before the last one, ``out_of_time`` is 1 in the one it ended
        with.

    Raises
    ------
    TrainingError
        If a loss is not finite: names epoch, step and rows; the last good state is kept in the checkpoint.
    """
    training = Training(
        network,
        make_optimizer,
        phases,
        batches=batches,
        validation=validation,
        config=config,
        checkpoint=checkpoint,
        on_step=on_step,
        clock=clock,
        wrap=wrap,
    )
    return training.run(on_epoch, resume)


class Training:
    """A training on its way; what its parts share. See :func:`train`."""

    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        network: Network,
        make_optimizer: MakeOptimizer,
        phases: Sequence[BuiltPhase],
        batches: Batches,
        validation: tuple[torch.Tensor, torch.Tensor],
        config: TrainingConfig,
        checkpoint: Checkpoint | None = None,
        on_step: OnStep | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wrap: Wrap = lambda learner: learner,
    ) -> None:
        self.network, self.make_optimizer, self.phases, self.batches = network, make_optimizer, phases, batches
        self.validation, self.config, self.checkpoint = validation, config, checkpoint
        self.on_step, self.clock, self.wrap = on_step, clock, wrap
        self.progress, self.windows = Progress(), Windows(network, batches, validation)
        total = sum(phase.steps * phase.planned.phase.epochs for phase in phases)
        self.schedule = schedule_of(config, total)
        self.finishes = any(finishing(phase.planned.items) for phase in phases)

    def run(self, on_epoch: Callable[[int, EpochRecord], None], resume: Mapping[str, Any] | None) -> list[EpochRecord]:
        """Go through all phases; return the history."""
        started, progress, windows = self.clock(), self.progress, self.windows
        lay_out(self.network, self.config)
        trained = 0 if resume is None else len(resume["history"])
        stop = self.phases[-1].planned.phase.stop
        stop = min(stop, self.config.most_epochs or stop)
        for phase in self.phases:
            stretch = phase.planned.phase
            if stretch.start >= stop:
                break
            self.begin(phase)
            # What had been is replayed for the parts that it made; then the state is put back, in the phase of the last
            # trained epoch, whose windows and modules it is of.
            if stretch.stop <= trained and not self.keeps_best:
                windows.finish_ending(phase, self.phase_batches)
            if resume is not None and stretch.start < trained <= stretch.stop:
                restore(resume, self.network, self.optimizer, self.phases, progress)
            for epoch in range(max(stretch.start, trained), min(stretch.stop, stop)):
                began = self.clock()
                record = self._epoch(phase, epoch)
                progress.history.append(record)
                on_epoch(epoch, record)
                gives_up = self.keeps_best and self._keep_best(epoch)
                if self.checkpoint is not None:
                    self.checkpoint.save_if_due(self.state)
                if gives_up or self._is_late(record, started, began):
                    stop = epoch + 1
                    break
            if stretch.stop < stop:
                windows.end(phase)
        if progress.best is not None:
            self._put_back(progress.best)
        # Whatever window is still open ends with the run.
        windows.finish(self.phase_batches.phase, self.phase_batches)
        windows.end(self.phase_batches.phase)
        if self.checkpoint is not None:
            self.checkpoint.save(self.state)
        return progress.history

    def begin(self, phase: BuiltPhase) -> None:
        """Change the network where windows begin, put objective and step around it, and see to what is trained."""
        config = self.config
        check_whole_batches(phase.planned.items, config.accumulate, config.world_size)
        share = Share(config.rank, config.world_size, phase.context.batch_size // config.world_size)
        self.phase_batches = self.batches.phase(phase, config.seed, share)
        renewed = self.windows.begin(phase, self.phase_batches)
        self.learner = Learner(self.network, phase)
        self.door = self.wrap(self.learner)
        anew = self.make_optimizer(self.learner)
        self.optimizer = anew if phase is self.phases[0] else carried_over(self.optimizer, anew, renewed)
        self.schedule.drive(self.optimizer, phase, self.phases)
        # The best epoch is looked for in the last phase: what a window does that ends with the run comes after it.
        self.keeps_best = bool(config.early_stop) and phase is self.phases[-1]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return training_state(self.network, self.optimizer, self.phases, self.progress)

    def _epoch(self, phase: BuiltPhase, epoch: int) -> EpochRecord:
        """Train for an epoch, and judge the network after it."""
        began, optimizer = self.clock(), self.optimizer
        # Global, since dropout knows nothing else; anew for each epoch, so that what an epoch draws hangs on the epoch
        # alone: a resumed run, or one with other strategies before, draws the same.
        torch.manual_seed(network_seed(self.config.seed, epoch))
        if self.checkpoint is not None:
            self.checkpoint.copy_if_due(self.state)
        try:
            loss = self._trained(epoch)
        except TrainingError as error:
            if self.checkpoint is None:
                raise
            raise TrainingError(f"{error} {self.checkpoint.save_copy()}") from None
        seconds = self.clock() - began
        judged, finished = self.network, False
        if self.keeps_best:
            judged = self.windows.as_finished(phase, self.phase_batches)
            finished = judged is not self.network
        elif epoch + 1 == phase.planned.phase.stop:
            finished = self.windows.finish_ending(phase, self.phase_batches)
        record: EpochRecord = {
            "epoch": epoch,
            "phase": phase.planned.phase.index,
            "lr": float(optimizer.param_groups[0]["lr"]),
            "seconds": seconds,
            "samples_per_second": phase.order_length / seconds,
            "train_loss": loss,
            **validate(judged, self.batches, self.validation, phase.ledger.believed),
        }
        if self.finishes:
            record["finished"] = float(finished)
        return record

    def _trained(self, epoch: int) -> float:
        """Take the steps of an epoch; return its mean training loss."""
        learner, optimizer, progress, clock = self.learner, self.optimizer, self.progress, self.clock
        learner.train()
        state, step, parameters = self.phase_batches.phase.state, progress.step, trained_parameters(optimizer)
        seen, told = EpochLosses(epoch, self.network, looking_is_free(self.batches.device)), clock()
        # Rows to a batch: gather, cast, augment, normalise, mix. Random numbers hang on a sample's place in the epoch's
        # order, and not on the batch it is in.
        for batch in self.phase_batches.epoch(epoch, step):
            self.schedule.set(step)
            loss, losses = take_step(learner, self.door, optimizer, batch, parameters, self.config)
            seen.add(loss, batch.rows, losses, state.outputs)  # type: ignore[arg-type]
            step += 1
            if clock() - told > SECONDS_BETWEEN_LOOKS:
                value, told = seen.look(), clock()
                if self.on_step is not None:
                    self.on_step(step, self.schedule.total, value)
        seen.look()
        progress.step = step
        return seen.mean()

    def _keep_best(self, epoch: int) -> bool:
        """Remember the best epoch of the last phase; return whether patience is at its end."""
        progress, metric = self.progress, self.config.early_stop or ""
        value = progress.history[-1][f"validation_{metric}"]
        score = -value if metric.endswith("loss") else value  # of losses the smallest is the best
        if score > progress.best_value:
            progress.best_value, progress.best_epoch = score, epoch
            progress.best = copy.deepcopy(self._weights())
        for record in progress.history:
            record["kept"] = float(record["epoch"] == progress.best_epoch)
        return self.config.patience is not None and epoch - (progress.best_epoch or 0) >= self.config.patience

    def _weights(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "strategies": strategies_state(self.phases)}

    def _put_back(self, weights: Mapping[str, Any]) -> None:
        self.network.load_state_dict(weights["network"])
        load_strategies(weights["strategies"], self.phases)

    def _is_late(self, record: EpochRecord, started: float, began: float) -> bool:
        """Note where time is over: what comes next takes as long as what came last, and must end in time."""
        now = self.clock()
        if now - started + (now - began) <= self.config.seconds:
            return False
        if record["epoch"] + 1 >= self.phases[-1].planned.phase.stop:
            return False
        for earlier in self.progress.history:
            earlier["out_of_time"] = float(earlier is record)
        return True


def looking_is_free(device: torch.device) -> bool:
    """Return whether a number can be looked at without waiting for it."""
    return device.type == "cpu"
