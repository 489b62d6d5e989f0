"""A few steps of a training, as core takes them, with a strategy in a situation."""

from __future__ import annotations

import copy
import dataclasses
import io
import itertools
from typing import Any

import torch

from imbtk.authoring.records import Batch
from imbtk.models.network import parameter_groups
from imbtk.planning.phases import build_phase
from imbtk.planning.plan import PlannedPhase
from imbtk.testing.bench import Bench
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner
from imbtk.training.setup import make_optimizer
from imbtk.training.step import take_step, trained_parameters
from imbtk.training.windows import Windows

__all__ = ["Trial"]

LR, DECAY = 0.01, 0.01


class Trial:
    """A training of a small network, whose windows have begun.

    Parameters
    ----------
    bench : Bench
        Its strategy is trained with.
    """

    def __init__(self, bench: Bench) -> None:
        self.strategy = bench.strategy
        bench.check_run()
        base = dataclasses.replace(bench.context, groups=bench.dataset.groups)
        self.phase = build_phase(PlannedPhase(base.phase, (bench.item,)), bench.rows, base)
        self.phase_batches = bench.batches.phase(self.phase, bench.draw.seed)
        self.network = bench.plain_network().train()
        outside = torch.arange(1, len(bench.dataset), 2)
        self.windows = Windows(self.network, bench.batches, (outside, bench.dataset.labels[outside]))
        self.windows.begin(self.phase, self.phase_batches)
        self.learner = Learner(self.network, self.phase)
        self.learner.train()
        groups = parameter_groups(self.network, DECAY, LR, strategies=self.learner.strategies)
        self.optimizer = make_optimizer("adamw", groups, torch.device("cpu"))

    def steps(self, epoch: int, count: int) -> list[torch.Tensor]:
        """Take the first steps of an epoch, counted in the window; return their losses."""
        epoch += self.phase.planned.phase.start
        batches = self.phase_batches.epoch(epoch, epoch * self.phase.steps)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(epoch)
            return [self._step(batch) for batch in itertools.islice(batches, count)]

    def _step(self, batch: Batch) -> torch.Tensor:
        parameters = trained_parameters(self.optimizer)
        config = TrainingConfig(seed=0)
        return take_step(self.learner, self.learner, self.optimizer, batch, parameters, config)[0].detach()

    def finished(self) -> list[torch.Tensor]:
        """Return all that the network holds once the window has ended."""
        self.windows.finish(self.phase, self.phase_batches)
        return list(self.network.state_dict().values())

    def saved(self) -> dict[str, Any]:
        """Return network, optimiser and strategy as they come back from a file."""
        file = io.BytesIO()
        parts = (self.network, self.optimizer, self.strategy)
        torch.save([copy.deepcopy(part.state_dict()) for part in parts], file)
        file.seek(0)
        names = ("network", "optimizer", "strategy")
        return dict(zip(names, torch.load(file, weights_only=True), strict=True))

    def load(self, saved: dict[str, Any]) -> None:
        """Go on where another training was saved."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.strategy.load_state_dict(saved["strategy"])
