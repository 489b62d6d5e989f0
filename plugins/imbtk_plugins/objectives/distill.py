"""Distillation of a finished run (DiVE)."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F

import imbtk
from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs
from imbtk.errors import OptionError, PlanError, RunFolderError

if TYPE_CHECKING:
    from imbtk.inference.predictor import Predictor

__all__ = ["Distill"]


class Distill(Strategy):
    """Learn from what a finished run says of each row as well, made flatter, so that rare classes get a share.

    Notes
    -----
    With logits z of the network and t of the teacher on the same input (augmented and mixed as it is), the loss of a
    sample is

        (1 - α)·ℓ(z) + α·T²·KL( q ‖ softmax(z / T) ),    q ∝ softmax(t / T)^power

    where ℓ is what the plan makes of it: its criterion, adjustments and class weights, which the second term does not
    have. A teacher that says 0.9 of one class and 0.1 of others makes one row a "virtual example" of all of them: the
    flatter q, the more of these are of rare classes. T (`temperature`) flattens both sides, `power` below 1 the
    teacher's alone.

    The teacher is the saved network of a run, whatever trained it: no plugin of that run is needed. Its logits are
    taken as trained, without calibration, and it is given each input by its own normalisation. Classes and the way
    that samples are made must be those of this run. A teacher of the same data that was trained on rows that this run
    does not train on is refused: they are what this run is judged by, and its figures would be too good.

    He et al. train the teacher by balanced softmax, and the student too: ``balanced-softmax
    distill:teacher=runs/first``. The ledger cannot know what a teacher believes: it calls the effective prior unknown,
    and starts from what the plan would teach without it.

    When to use
    -----------
    A second training is affordable and classes are many and alike, so that a teacher's doubts say something. The
    teacher may be of another architecture, or have several experts.

    Cost
    ----
    A forward pass of the teacher for each batch, and its weights in memory; prediction costs nothing more. The teacher
    must be trained first.

    Not with
    --------
    A plan that divides its rows otherwise than the teacher's did: keep seed, split and data. Members that each leave
    out rows (`bagging`, ``ensemble:over=folds``) and decisions that are fitted on out-of-fold rows: the teacher has
    seen these rows. A teacher that is itself an ensemble over folds has seen validation rows, which no check finds:
    probabilities that are fitted on them are too sure. Before `ride`, `sade`,
    `balpoe` or `bbn` on the command line it teaches each of their experts, whose logits the last three have moved:
    write it behind them, where it teaches the mean.

    Evidence
    --------
    CIFAR-10-LT and CIFAR-100-LT, imbalance 100, ResNet-32: 78.9 and 45.5 in the gallery of BagofTricks-LT, with the
    defaults here and balanced softmax for teacher and student; its plain runs have 70.4 and 38.3, its balanced softmax
    77.5 and 43.0. They are of the best epoch on the test set, and nobody has repeated them here.

    References
    ----------
    He, Wu & Wei 2021, "Distilling virtual examples for long-tailed recognition": distillation with flattened
    predictions, by temperature and by power; the form of the loss and the defaults are those of BagofTricks-LT
    (``lib/loss/loss_impl/kld_loss.py``). Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2
    (the factor T²).
    """

    unchecked: ClassVar[dict[str, str]] = {"answers": "it refuses every run until it is given a teacher"}

    teacher: str = option("", "Run folder of the teacher; needed.")
    alpha: float = option(0.5, "Share α of the teacher in the loss; 0 leaves it out.", ge=0, lt=1)
    temperature: float = option(2.0, "Temperature T on both sides' logits: 1 leaves them, more makes them flat.", gt=0)
    power: float = option(0.5, "Power on the teacher's probabilities: below 1 they get flatter still.", gt=0, le=1)
    trust_model: bool = option(
        False, "Load a teacher that is not built from parts of imbtk alone, too: that may run any code of its folder."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a teacher that is missing or does not fit, before anything is trained.

        Raises
        ------
        OptionError
            If there is no such run, or its classes or its preprocessing are not those of this run.
        PlanError
            If it was trained on rows of the same data that this run does not train on.
        """
        if not self.teacher:
            raise OptionError(
                "strategy 'distill' needs a teacher: train one first, with --out FOLDER, and write "
                "distill:teacher=FOLDER."
            )
        told = self._loaded(context).description
        if tuple(told["class_names"]) != context.class_names:
            raise OptionError(
                f"{self._who} tells {', '.join(told['class_names'])} apart, and this run "
                f"{', '.join(context.class_names)}: take a teacher that was trained on these classes."
            )
        if context.normalisation is None:
            raise OptionError(f"{self._who} needs to know how inputs are normalised, which a loop of one's own hides.")
        ours = json.loads(json.dumps(dict(context.preprocessing)))
        if told["preprocessing"] != ours:
            raise OptionError(f"{self._who} was trained on samples made in another way: {_other(told, ours)}.")
        self._check_rows(context)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the plan's loss and the distance from the teacher, by α."""
        if self.alpha == 0 or context.normalisation is None:
            return objective
        teacher = self._loaded(context)
        mean, std = (part.to(context.device) for part in context.normalisation)
        own_mean, own_std = (
            part.to(context.device) for part in (teacher.normalisation.mean, teacher.normalisation.std)
        )
        shape = (-1, *[1] * (len(context.sample_shape) - 1))
        factor, offset = (std / own_std).view(shape), ((mean - own_mean) / own_std).view(shape)
        t = self.temperature

        def distilled(outputs: Outputs, batch: Batch) -> torch.Tensor:
            if batch.inputs is None:
                raise PlanError(
                    "'distill' shows its teacher what the network was shown, and a strategy after it in the plan has "
                    "mixed what comes later in the network (manifold mixup does): leave one of them out."
                )
            with torch.no_grad():
                said = teacher.network(batch.inputs * factor + offset).float()
            wanted = torch.log_softmax(self.power * said / t, dim=1)
            found = torch.log_softmax(outputs.logits / t, dim=1)
            distance = F.kl_div(found, wanted, reduction="none", log_target=True).sum(1)
            return (1 - self.alpha) * objective(outputs, batch) + self.alpha * t**2 * distance

        return distilled

    @property
    def _who(self) -> str:
        return f"the teacher '{self.teacher}' of strategy 'distill'"

    def _check_rows(self, context: RunContext) -> None:
        path = Path(self.teacher).expanduser() / "split.csv"
        if context.rows is None or not path.is_file():
            return
        with path.open(encoding="utf-8", newline="") as file:
            sides = {int(row["row"]): (row["label"], row["split"]) for row in csv.DictReader(file)}
        ours = dict(zip(context.rows.tolist(), context.labels.tolist(), strict=True))
        if any(sides.get(row, ("",))[0] != context.class_names[label] for row, label in ours.items()):
            return  # row numbers of other data
        seen = [row for row, (_, side) in sides.items() if side == "train"]
        if others := len(set(seen) - ours.keys()):
            raise PlanError(
                f"{self._who} was trained on {len(seen)} rows, {others} of which this run does not train on and may be "
                "judged by: its figures would be too good. Train the teacher with the same data, seed, split and fold "
                "as this run. Models that each leave out rows (members, a decision fitted on out-of-fold rows) cannot "
                "share a teacher that has seen them."
            )

    def _loaded(self, context: RunContext) -> Predictor:
        model = Path(self.teacher).expanduser() / "model" / "model.json"
        stamp = model.stat().st_mtime_ns if model.is_file() else 0
        try:
            return _load(str(Path(self.teacher).expanduser()), stamp, self.trust_model, str(context.device))
        except RunFolderError as error:
            raise OptionError(f"{self._who} cannot be loaded: {error}") from error


@lru_cache(maxsize=1)
def _load(folder: str, stamp: int, trust_model: bool, device: str) -> Predictor:
    """Return the teacher, read once for all that ask; `stamp` tells runs apart that had the same folder in turn."""
    predictor = imbtk.load(folder, trust_model=trust_model).predictor
    predictor.network.to(device).requires_grad_(False)
    return predictor


def _other(told: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return in what the preprocessing of two runs differs, for people."""
    theirs = told["preprocessing"]
    if "columns" in theirs and "columns" in ours:
        both = [{str(column["name"]): column for column in how["columns"]} for how in (theirs, ours)]
        names = [name for name in {**both[0], **both[1]} if both[0].get(name) != both[1].get(name)]
        if names:
            return f"the columns {', '.join(names)} differ. Train it on a table with the same columns"
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    parts = [f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} here" for key in keys]
    return f"{', '.join(parts)}. Train both with the same options"
