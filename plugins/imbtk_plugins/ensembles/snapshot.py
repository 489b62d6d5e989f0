"""A snapshot ensemble."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction, TakeStep
from imbtk.errors import PlanError

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Snapshot"]


class Snapshot(Strategy):
    """Let the learning rate fall and jump up again several times, and predict the mean of what each fall led to.

    Notes
    -----
    The steps of the window are cut into M cycles. In step s of the S of a cycle the rate is the peak times

        ½·(1 + cos(π·s / S))

    and the network at the end of each cycle is kept, batch norm's statistics with it. When the window ends these M
    networks stand side by side, and logits are their mean; Huang et al. take the mean of probabilities. Where the best
    epoch is kept, or time is over, cycles that have not ended count with the network as it is.

    When to use
    -----------
    A prediction may take M times as long, and there is time for one training alone. The window should be long enough
    for each cycle to be a training of its own: the paper has cycles of 40 epochs and more.

    Cost
    ----
    Training costs what it does without, but for M copies of the weights in memory. The saved model is M times as
    large, and a prediction takes M times as long.

    Not with
    --------
    `swa`, which chooses the learning rate as well; `ride`, `bbn` and others that branch the network; `ema`, `tau-norm`
    and whatever else changes the network at the same end before it, which would be lost; heads of another form in the
    later cycles (`lws`, `disalign`). All are refused.

    Evidence
    --------
    Published on balanced sets only: nothing is known of what it does for rare classes beyond what ensembles do.

    References
    ----------
    Huang et al. 2017, "Snapshot ensembles: train 1, get M for free", eq. 2 (learning rate) and section 3 (the
    ensemble). The paper cuts T steps into cycles of ⌈T/M⌉, so that the last one may be short; here they are of the same
    length, within one step.
    """

    replaces_weights = True

    cycles: int = option(4, "Number M of cycles, and of networks that predict together.", ge=2, le=100)

    _done: int = 0
    _total: int = 0

    def check_run(self, context: RunContext) -> None:
        """Refuse a window with fewer epochs than cycles.

        Raises
        ------
        PlanError
            If there are fewer.
        """
        if context.window.epochs < self.cycles:
            raise PlanError(
                f"'snapshot' has {self.cycles} cycles in a window of {context.window.epochs} epochs, and each needs "
                "one at least: train longer, widen its window, or write fewer cycles, snapshot:cycles=2."
            )

    @hookimpl
    def imbtk_schedule(self, context: RunContext) -> ScheduleFunction:
        """Return the cosine of each cycle."""

        def cyclic(step: int, steps: int) -> float:
            self._done, self._total = step, steps
            cycle = ((step + 1) * self.cycles - 1) // steps
            start, stop = (steps * end // self.cycles for end in (cycle, cycle + 1))
            return 0.5 * (1 + math.cos(math.pi * (step - start) / (stop - start)))

        return cyclic

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the step; after the last one of a cycle the network is kept."""
        kept: Snapshots = self.keep("snapshots", Snapshots)

        def watched(
            optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor], *, network: Network
        ) -> torch.Tensor:
            loss = step(optimizer, closure)
            ended = len(kept.states)
            if self._total and self._done + 1 == self._total * (ended + 1) // self.cycles:
                kept.states.append({name: value.clone() for name, value in network.state_dict().items()})
            return loss

        return watched

    @hookimpl
    def imbtk_finish(self, network: Network) -> None:
        """Let the networks that were kept stand side by side."""
        kept: Snapshots = self.keep("snapshots", Snapshots)
        now = {name: value.clone() for name, value in network.state_dict().items()}
        states = [*kept.states, *[now] * (self.cycles - len(kept.states))]
        network.branch(self.cycles, whole=True)
        for number, state in enumerate(states):
            for part, stands in (("backbone.", f"backbone.copies.{number}"), ("head.", f"head.heads.{number}")):
                own = {name.removeprefix(part): value for name, value in state.items() if name.startswith(part)}
                try:
                    network.get_submodule(stands).load_state_dict(own)
                except RuntimeError as error:
                    raise PlanError(
                        "'snapshot' cannot put the networks of its cycles side by side, since the network has got "
                        f"another {part[:-1]} meanwhile{network.head_origin.text}: leave out what gives it that, or "
                        "let it end before snapshot's window begins."
                    ) from error


class Snapshots(nn.Module):
    """Weights and statistics of networks, on their way into a checkpoint and back."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[dict[str, torch.Tensor]] = []

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {"states": self.states}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`get_extra_state` gave."""
        self.states = list(state["states"])
