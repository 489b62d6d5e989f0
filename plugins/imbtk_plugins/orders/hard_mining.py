"""Hard example mining, from epoch to epoch."""

from __future__ import annotations

import torch
from torch import nn

from imbtk import Draw, EpochOrder, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs
from imbtk.errors import PlanError

__all__ = ["HardMining"]


class HardMining(Strategy):
    """Show in each epoch the rows that the network did worst on when it saw them last, and leave out the others.

    Notes
    -----
    With the last loss l_i of row i, an epoch shows, in random order, the

        M = max(1, round(fraction · n))

    rows of n with the largest l_i; where they are alike, chance decides. A row that was never trained on comes before
    all others, so that every row is shown once before any is chosen by its loss. A loss is remembered until its row is
    shown again: a row that was easy comes back when the losses of the others have fallen below its own.

    l_i is the loss as the plan makes it, class weights and what strategies before this one put around it included; of
    rows that were mixed, the loss of the mixture. Published is the choice within a batch, of proposals for boxes, after
    a forward pass over all of them; here it is between epochs, by losses that cost nothing and are older.

    Which classes an epoch shows is found out by training alone: the ledger says that what the network believes of class
    frequencies is not known beforehand, and its guess is that classes are shown as they are. Class weights are scaled
    by that guess.

    When to use
    -----------
    With many easy rows, of which the network has nothing more to learn, and labels that can be trusted.

    Cost
    ----
    Epochs of `fraction` times the rows, so that as many epochs take half as long at ½; one number per row of memory.

    Not with
    --------
    Wrong labels, which have the largest losses of all and are then shown again and again; mixing, after which the loss
    is no longer one of the row; made-up rows, which have no number to be remembered by and are refused; several
    processes or batches cut into parts, which are refused. Another epoch order is refused by core. What judges a row
    more than once (`ride`, `sade`, `balpoe`, `bbn`) is written before it: written after, the last expert's loss alone
    would be remembered.

    Evidence
    --------
    Published for object detection, where it raised mean average precision on PASCAL VOC. For rare classes in
    classification no figure is known here, and none decides about `fraction`: ½ is a choice.

    References
    ----------
    Shrivastava, Gupta & Girshick 2016, "Training region-based object detectors with online hard example mining",
    section 4 (choosing by the current loss).
    """

    # Losses are remembered where they were found: another process would choose other rows.
    whole_batch = True

    fraction: float = option(0.5, "Share of the rows that an epoch shows, those with the largest losses.", gt=0, le=1)

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the order of an epoch: the rows with the largest losses so far.

        Raises
        ------
        PlanError
            If there are made-up rows.
        """
        numbers = numbers_of(context)
        if made := int((numbers < 0).sum()):
            raise PlanError(
                f"'hard-mining' remembers the loss of each row of the data, and {made} rows are made up: resample with "
                "a method that selects rows, or leave hard-mining out."
            )
        memory, n = self._memory(numbers, context.device), len(numbers)
        size = max(1, round(self.fraction * n))

        def draw_epoch(epoch: int, draw: Draw) -> torch.Tensor:
            generator = draw.generator()
            shuffled = torch.randperm(n, generator=generator)
            losses = memory.last.cpu()[numbers[shuffled]]
            hardest = shuffled[losses.argsort(descending=True, stable=True)[:size]]
            return hardest[torch.randperm(size, generator=generator)]

        natural = torch.bincount(context.labels, minlength=context.num_classes).double() / n
        return EpochOrder(draw_epoch, natural, steady=False)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Objective:
        """Return the objective itself, which notes the loss of each row."""
        memory = self._memory(numbers_of(context), context.device)

        def noted(outputs: Outputs, batch: Batch) -> torch.Tensor:
            losses = objective(outputs, batch)
            memory.note(batch.rows, losses)
            return losses

        return noted

    def _memory(self, numbers: torch.Tensor, device: torch.device) -> LastLosses:
        """Return what is remembered of the rows, with room for those of these numbers."""
        memory: LastLosses = self.keep("memory", lambda: LastLosses().to(device))
        memory.reach(int(numbers.max()) + 1)
        return memory


def numbers_of(context: RunContext) -> torch.Tensor:
    """Return by which number a batch knows each of the phase's rows, (n,) int64."""
    return torch.arange(len(context.labels)) if context.rows is None else context.rows


class LastLosses(nn.Module):
    """The last loss of each row of the data, by its number, in a buffer: infinite for one that was never seen."""

    last: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.empty(0))

    def reach(self, size: int) -> None:
        """Make room for rows below `size`."""
        missing = max(0, size - len(self.last))
        self.last = torch.cat([self.last, self.last.new_full((missing,), torch.inf)])

    @torch.no_grad()
    def note(self, rows: torch.Tensor, losses: torch.Tensor) -> None:
        """Remember the losses (B,) of rows (B,), of a row that stands there twice the larger one."""
        rows = rows.to(self.last.device)
        self.last.index_fill_(0, rows, -torch.inf)
        self.last.scatter_reduce_(0, rows, losses.detach().to(self.last), "amax")
