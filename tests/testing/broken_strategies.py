"""Strategies that each break one law of the conformance kit, and sound ones that break none."""

from __future__ import annotations

import copy
import itertools
import random
import weakref
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import ConfigDict, JsonValue, field_validator

from imbtk import (
    Batch,
    CalibrationMap,
    Dataset,
    DecisionRule,
    Draw,
    EpochOrder,
    Member,
    Network,
    Objective,
    Outputs,
    Rows,
    RunContext,
    Split,
    Strategy,
    TakeStep,
    TrainingRows,
    View,
    hookimpl,
    option,
)

BROKEN: list[tuple[str, type[Strategy], str]] = []
MODEST: list[type[Strategy]] = []


def breaks(check: str, message: str, also: tuple[str, ...] = ()) -> Any:
    """Put a class into the list of broken ones: the check that catches it, part of what it says, what fails as well."""

    def register(cls: type[Strategy]) -> type[Strategy]:
        cls.also = also  # type: ignore[attr-defined]
        BROKEN.append((check, cls, message))
        return cls

    return register


def sound(cls: type[Strategy]) -> type[Strategy]:
    MODEST.append(cls)
    return cls


@sound
class Good(Strategy):
    """Weight each class by a power of its inverse frequency."""

    power: float = option(0.5, "Exponent on the inverse frequency.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)


@sound
class NewHead(Strategy):
    """Put a new head in the place of the old one: its weights come from torch's state, which core seeds."""

    @hookimpl
    def imbtk_refit(self, features: torch.Tensor, context: RunContext) -> torch.nn.Module:
        return torch.nn.Linear(features.shape[1], context.num_classes)


@sound
class CountsInModule(Strategy):
    """Cross-entropy that counts its rows in a module that the strategy keeps."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        counts = self.keep("counts", lambda: torch.nn.BatchNorm1d(context.num_classes, affine=False))

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            counts.running_mean += target.sum(0)
            return F.cross_entropy(logits.float(), target, reduction="none")

        return loss


class Weighing(Strategy):
    """Weigh all classes alike: the parent of strategies that break something else."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> Any:
        return torch.ones(context.num_classes)


# Exceptions, options --------------------------------------------------------------------------------------------


@breaks("exceptions-declared", "'unchecked' names the check 'speed', which there is not. There is: hooks-declared,")
class UnknownException(Weighing):
    """Excepted from a check that there is not."""

    unchecked: ClassVar[dict[str, str]] = {"speed": "slow by nature"}


@breaks("exceptions-declared", "gives no reason for 'pickles'")
class NoReason(Weighing):
    """Excepted without a reason."""

    unchecked: ClassVar[dict[str, str]] = {"pickles": " "}


@breaks("options-refused", "power=inf is taken, though the field is 'number at least 0'", also=("options-read",))
class TakesInfinity(Weighing):
    """Takes infinity."""

    model_config = ConfigDict(allow_inf_nan=True)
    power: float = option(0.5, "Exponent.", ge=0)


@breaks("options-refused", "no_such_option=1 is taken, though no option of that name exists")
class TakesAll(Weighing):
    """Takes options that there are not."""

    model_config = ConfigDict(extra="ignore")


@breaks("options-refused", "power='no such value' ends in KeyError", also=("options-written",))
class RaisesKeyError(Weighing):
    """Refuses by an exception of another kind."""

    power: JsonValue | float = option(0.5, "Exponent.")

    @field_validator("power", mode="before")
    @classmethod
    def _look_up(cls, value: Any) -> Any:
        return {0.5: 0.5}[value] if isinstance(value, (str, int, float)) else value


@breaks("options-refused", "is refused without naming the option")
class NamesNothing(Weighing):
    """Refuses without a name."""

    def __init__(self, **options: Any) -> None:
        from imbtk.errors import OptionError

        try:
            super().__init__(**options)
        except OptionError:
            raise OptionError("something is wrong.") from None


@breaks(
    "options-explained",
    "option 'power' has no description. Give it one: power: ... = option(0.5,",
    also=("options-read",),
)
class Unexplained(Weighing):
    """An option without a description."""

    power: float = option(0.5)


@breaks("options-explained", "class Undocumented has no docstring")
class Undocumented(Weighing):
    pass


class Power:
    """A value that JSON does not have."""

    def __repr__(self) -> str:
        return "Power()"


@breaks(
    "options-written",
    "Use numbers, text, true/false, lists and tables of them for options",
    also=("repr-stable", "pickles", "clones", "options-read"),
)
class OwnType(Weighing):
    """An option that cannot be written."""

    power: Power = option(Power(), "Exponent.")


@breaks("options-read", "option 'power' is never read")
class Ignores(Weighing):
    """Has an option that changes nothing."""

    power: float = option(0.5, "Exponent.", ge=0)


# Hooks ----------------------------------------------------------------------------------------------------------


@breaks("hooks-declared", "it answers no hook")
class Idle(Strategy):
    """Answers nothing."""


@breaks("answers", "failed in imbtk_class_weights: ZeroDivisionError")
class Divides(Strategy):
    """Fails on an absent class."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.tensor([1 / n for n in context.class_counts.tolist()])


@breaks("answers", "refuses every ordinary run, the first with 2 classes (images): not today")
class Refuses(Strategy):
    """Refuses everything."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        from imbtk.errors import DataError

        raise DataError("not today.")


@breaks("inputs-untouched", "changes context.class_counts in place")
class InPlace(Strategy):
    """Changes the counts."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.add_(1).double().reciprocal()


@breaks("inputs-untouched", "changes the batch in imbtk_mix in place")
class MixesInPlace(Strategy):
    """Mixes in place."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        def mix(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> Any:
            images.mul_(0.5).add_(0.5 * images.flip(0))
            return images, 0.5 * target + 0.5 * target.flip(0)

        return mix


@breaks("inputs-untouched", "changes logits of validation rows in place", also=("draw-repeats",))
class CalibratesInPlace(Strategy):
    """Scales the logits that it is shown."""

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap, logits: np.ndarray) -> CalibrationMap:
        logits *= 0.5
        return map


@breaks("random-state-untouched", "global random state of torch")
class GlobalTorch(Strategy):
    """Draws from torch's global state."""

    @hookimpl
    def imbtk_augment(self, augment: Any) -> Any:
        return lambda images, target, draw: augment(images, target, draw) + torch.rand(1) * 0


@breaks("random-state-untouched", "global random state of Python")
class GlobalPython(Strategy):
    """Draws from Python's global state."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        random.random()
        return torch.ones(context.num_classes)


@breaks("rows-result", "returns row 1, which is no training row")
class TakesAllRows(Strategy):
    """Returns rows that are not for training."""

    @hookimpl
    def imbtk_resample(self, rows: Rows) -> Rows:
        import dataclasses

        return dataclasses.replace(rows, indices=torch.arange(len(rows.labels)))


@breaks("training-rows-only", "looks at row 1, which is no training row")
class LooksAtAll(Strategy):
    """Looks at rows that are not for training."""

    @hookimpl
    def imbtk_resample(self, rows: Rows) -> Rows:
        rows.features_of(torch.tensor([1]))
        return rows


# As an object ---------------------------------------------------------------------------------------------------


@breaks("clones", "has other options", also=("repr-stable",))
class Forgets(Weighing):
    """A clone has other options."""

    power: float = option(0.5, "Exponent.", ge=0)

    def clone(self) -> Any:
        return type(self)(power=self.power + 1)


@breaks("clones", "a clone shares '_seen'", also=("state-saved", "pickles"))
class Shares(Weighing):
    """What is fitted is shared."""

    def clone(self) -> Any:
        other = type(self)()
        other._seen = self.__dict__.setdefault("_seen", {"rows": 1})
        return other


@breaks("pickles", "cannot be pickled")
class KeepsLambda(Strategy):
    """Keeps a function."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        self._scale = lambda x: 2 * x
        return torch.ones(context.num_classes)


@breaks("repr-stable", "its repr is now", also=("pickles",))
class Counts(Weighing):
    """Its repr counts."""

    counter: ClassVar[Any] = itertools.count()

    def __repr__(self) -> str:
        return f"Counts({next(self.counter)})"


@breaks("repr-stable", "holds an address in memory", also=("pickles",))
class Addressed(Weighing):
    """Its repr is an address."""

    def __repr__(self) -> str:
        return object.__repr__(self)


@breaks(
    "state-saved",
    "keeps a ndarray in '_centres', which no checkpoint holds: keep tensors, numbers, texts or lists",
    also=("pickles",),
)
class KeepsArray(Strategy):
    """Fits an array, which no checkpoint gets."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        self._centres = np.ones(3)
        return torch.ones(context.num_classes)


@breaks("state-saved", "its state_dict does not load with weights_only=True", also=("pickles",))
class SavesObject(Weighing):
    """Puts an object into its state."""

    def state_dict(self) -> dict[str, Any]:
        return {"_power": Power()}


# Rows -----------------------------------------------------------------------------------------------------------


def shuffled(dataset: Dataset, context: RunContext) -> torch.Tensor:
    return torch.randperm(len(dataset), generator=context.draw.generator())


@breaks("state-complete", "what imbtk_criterion returns remembers something that is not in state_dict")
class CountsInAClosure(Strategy):
    """Weigh samples by how many batches went by, counted in a closure."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        batches = itertools.count(1)
        return lambda logits, target: F.cross_entropy(logits.float(), target, reduction="none") / next(batches)


@sound
class CountsInTheOpen(Strategy):
    """Weigh samples by how many batches went by, counted where a checkpoint finds it."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        self._batches = 0

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            self._batches += 1
            return F.cross_entropy(logits.float(), target, reduction="none") / self._batches

        return loss


@breaks("split-result", "a group (patient) on two sides")
class SplitsPatients(Strategy):
    """Splits rows, whoever they belong to."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> list[Split]:
        rows, n = shuffled(dataset, context), len(dataset)
        return [Split(rows[: n // 2], rows[n // 2 : 3 * n // 4], rows[3 * n // 4 :])]


@breaks("split-result", "returns Split instead of a sequence of Split", also=("draw-matters",))
class NoList(Strategy):
    """Returns one split by itself."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> Any:
        rows = shuffled(dataset, context)
        return Split(rows[:9], rows[9:12], rows[12:])


@breaks("rows-result", "imbtk_resample returns int64 (52,), not Rows")
class NoRows(Strategy):
    """Returns indices."""

    @hookimpl
    def imbtk_resample(self, rows: Rows) -> Any:
        return rows.indices


@breaks("rows-result", "synthetic rows for images")
class AveragesImages(Strategy):
    """Makes up images."""

    @hookimpl
    def imbtk_resample(self, rows: Rows) -> Rows:
        return rows.with_synthetic(rows.features()[:2], rows.labels[:2].numpy())


@breaks("order-result", "float32 (52,) as an order instead of int64", also=("classes-permute",))
class OrderOfFloats(Strategy):
    """Positions that are floats."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        return lambda epoch, draw: torch.arange(len(context.labels)).float()


@breaks("order-result", "positions outside [0, 52)", also=("classes-permute",))
class OrderOutside(Strategy):
    """Positions that are rows of the data set."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        return EpochOrder(lambda epoch, draw: 2 * torch.arange(len(context.labels)))


@breaks("order-result", "52 rows in epoch 1 and 51 rows in epoch 2 and 50 rows in epoch 3")
class OrderShrinks(Strategy):
    """Epochs of different lengths."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        return lambda epoch, draw: torch.arange(max(1, len(context.labels) - epoch))


@breaks("order-mass", "class_mass says 0.500 of class")
class OrderLies(Strategy):
    """States another class mass than it draws."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        k = context.num_classes
        return EpochOrder(lambda epoch, draw: torch.arange(len(context.labels)), torch.full((k,), 1 / k).double())


@breaks("order-mass", "class_mass says")
class OrderDrifts(Strategy):
    """States the class mass of its first epochs for all of them, and ends with the rarest class."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        n, counts = len(context.labels), context.class_counts
        rarest = torch.where(counts > 0, counts, n).argmin()
        rare = (context.labels == rarest).nonzero()[:, 0]

        def order(epoch: int, draw: Any) -> torch.Tensor:
            return torch.arange(n) if epoch < context.phase.stop - 1 else rare[torch.arange(n) % len(rare)]

        return EpochOrder(order, counts.double() / n)


# The batch ------------------------------------------------------------------------------------------------------


@breaks(
    "images-result",
    "float32 (8, 3, 4, 4) instead of images as they were given, float32 (8, 3, 8, 8)",
    also=("draw-by-position",),
)
class Crops(Strategy):
    """Changes the size."""

    @hookimpl
    def imbtk_augment(self, augment: Any) -> Any:
        return lambda images, target, draw: augment(images, target, draw)[..., :4, :4]

    @classmethod
    def takes(cls) -> str:
        return "images"


@breaks("images-result", ", of images in [0, 1]. Return images")
class Bytes(Strategy):
    """Give images as bytes hold them."""

    @hookimpl
    def imbtk_augment(self, augment: Any, context: RunContext) -> Any:
        return lambda images, target, draw: augment(images, target, draw) * 255


@breaks("augment-handed-on", "makes the same images whatever augment it was handed")
class MirrorsAlone(Strategy):
    """Mirror images, whatever others do."""

    @hookimpl
    def imbtk_augment(self, augment: Any, context: RunContext) -> Any:
        return lambda images, target, draw: images.flip(3)


@breaks("mix-target", "mixes samples of other classes into a batch and leaves the target as it was")
class MixesSamplesOnly(Strategy):
    """Mix each sample with its neighbour, and keep its label."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        return lambda samples, target, draw: (0.6 * samples + 0.4 * samples.roll(1, 0), target)


@breaks("mix-target", "changes the target of samples that it leaves alone")
class MixesTargetsOnly(Strategy):
    """Mix labels with those of the neighbours, and keep the samples."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        return lambda samples, target, draw: (samples, 0.6 * target + 0.4 * target.roll(1, 0))


@sound
class Mixes(Strategy):
    """Mix each sample with its neighbour, by a share from a beta distribution (Zhang et al. 2018)."""

    alpha: float = option(0.4, "Both parameters of the beta distribution.", gt=0)

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        def mix(samples: torch.Tensor, target: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
            share = draw.beta(self.alpha, self.alpha)
            wide = share.reshape(-1, *[1] * (samples.dim() - 1))
            return samples.lerp(samples.roll(1, 0), wide), target.lerp(target.roll(1, 0), share)

        return mix


@breaks("mix-result", "targets whose rows are no shares that sum to one")
class MixesTwice(Strategy):
    """Adds targets."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        return lambda images, target, draw: (0.5 * (images + images.flip(0)), target + target.flip(0))


@breaks("weights-result", "a weight for class 'class0' that is not finite and positive (1000 classes")
class LogWeights(Strategy):
    """One over the log: infinite for a class of one row."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().log().reciprocal()


@breaks("weights-result", "returns float32 (2,) instead of a tensor of numbers (10,)", also=("classes-permute",))
class TwoWeights(Strategy):
    """Two weights, whatever K."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.ones(2)


@breaks("loss-shape", "the criterion gives float32 () instead of a loss per sample, unreduced, (8,)")
class Reduced(Strategy):
    """A mean over the batch."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return lambda logits, target: F.cross_entropy(logits, target)


@breaks("loss-finite", "the loss is not finite. Start from log_softmax", also=("loss-gradient",))
class LogOfSoftmax(Strategy):
    """Log of softmax."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return lambda logits, target: -(target * torch.softmax(logits, 1).log()).sum(1)


@breaks("loss-finite", "an absent class", also=("loss-shape", "loss-gradient"))
class InfiniteMargin(Strategy):
    """A margin of n^-1/4, infinite for a class without a row."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        margins = context.class_counts.float().pow(-0.25)
        return lambda logits, target: F.cross_entropy(logits - margins * target, target, reduction="none")


@breaks("loss-gradient", "the gradient is not finite. Clamp what goes into log")
class SteepRoot(Strategy):
    """A square root, steep at zero."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            p = torch.softmax(logits.float(), 1)
            return (target * (1 - p).sqrt()).sum(1)

        return loss


@breaks("loss-gradient", "the loss does not hang on the logits", also=("loss-shape",))
class Detached(Strategy):
    """A loss without a gradient."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any) -> Any:
        return lambda logits, target: criterion(logits.detach(), target)


# Head, refit, calibration, decision -----------------------------------------------------------------------------


@breaks("loss-direction", "where the true class leads by 4 and")
class Climbs(Strategy):
    """Log-likelihood, which training would make small."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return lambda logits, target: (target * torch.log_softmax(logits.float(), dim=1)).sum(dim=1)


@breaks("criterion-handed-on", "makes the same loss whatever criterion it was handed")
class AdjustsAlone(Strategy):
    """Adjusted cross-entropy in the place of the criterion that was handed."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any, context: RunContext) -> Any:
        shift = context.class_counts.clamp(min=1).log()
        return lambda logits, target: F.cross_entropy(logits.float() + shift, target, reduction="none")


@breaks("head-result", "instead of logits (2, 10)")
class HeadOfTwo(Strategy):
    """Two outputs, whatever K."""

    @hookimpl
    def imbtk_head(self, in_features: int) -> torch.nn.Module:
        return torch.nn.Linear(in_features, 2)


@breaks("head-result", "fails on features of shape (1, ")
class BatchNormHead(Strategy):
    """Needs more than one sample."""

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> torch.nn.Module:
        return OnlyMany(in_features, context.num_classes)


class OnlyMany(torch.nn.Linear):
    """Raises on a batch of one."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if len(features) == 1:
            raise ValueError("one sample")
        return super().forward(features)


class Branches(torch.nn.Linear):
    """Branches on a value, which export cannot follow."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features if float(features.sum()) > 0 else -features)


@breaks("head-result", "torch.export cannot save the head")
class HeadBranches(Strategy):
    """A head that cannot be saved."""

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> torch.nn.Module:
        return Branches(in_features, context.num_classes)


@breaks("refit-result", "of the strategy from imbtk_refit gives shape (2, 1)")
class RefitsToOne(Strategy):
    """A refitted head with one output."""

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Linear) -> torch.nn.Module:
        made = copy.deepcopy(head)
        made.weight = torch.nn.Parameter(head.weight[:1].detach())
        made.bias = torch.nn.Parameter(head.bias[:1].detach())
        return made


@breaks("calibration-result", "a CalibrationMap with a shift")
class InfiniteShift(Strategy):
    """The log of a count that may be zero."""

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap, context: RunContext) -> CalibrationMap:
        with np.errstate(divide="ignore"):
            return map.shifted(-np.log(context.class_counts.numpy()))


@breaks("calibration-result", "imbtk_calibrate returns function, not a CalibrationMap")
class CalibratesByCode(Strategy):
    """A function instead of data."""

    @hookimpl
    def imbtk_calibrate(self, map: CalibrationMap) -> Any:
        return lambda logits: logits


@breaks("decision-result", "imbtk_decide returns float, not a DecisionRule")
class Threshold(Strategy):
    """A number instead of a rule."""

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray) -> Any:
        return 0.5


@breaks("decision-result", "a DecisionRule with a shift of shape", also=("classes-permute",))
class ShiftOfTwo(Strategy):
    """Two thresholds, whatever K."""

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray) -> DecisionRule:
        return DecisionRule(shift=np.zeros(2))


@breaks("observer-quiet", "failed in imbtk_run_end: KeyError", also=("answers",))
class Peeks(Strategy):
    """Asks for a key that there is not."""

    @hookimpl
    def imbtk_run_end(self, run: Any, metrics: Any) -> None:
        metrics["tset"]


@breaks("observer-quiet", "it changes what it is shown")
class Scribbles(Strategy):
    """Writes into the record."""

    @hookimpl
    def imbtk_epoch_end(self, epoch: int, record: Any) -> None:
        record["seconds"] = 0.0


@breaks("observer-quiet", "imbtk_report returns a str as a section")
class Untitled(Strategy):
    """Adds a text without a title."""

    @hookimpl
    def imbtk_report(self, run: Any, metrics: Any) -> Any:
        return ["fine"]


# Rows beside rows, objectives, steps ------------------------------------------------------------------------------


def evenly(context: RunContext) -> torch.Tensor:
    return context.class_counts.clamp(min=1).double().reciprocal()[context.labels]


@breaks("partner-result", "imbtk_partner gives 52 positions for an order of 104")
class PartnersOfRows(Strategy):
    """A partner for each row that there is, not for each that is shown."""

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        return lambda epoch, order, draw: torch.randperm(len(context.labels), generator=draw.generator())


@breaks("draw-repeats", "imbtk_partner gives another result with the same draw", also=("state-complete",))
class PartnersByClock(Strategy):
    """Partners by a generator that a clock seeds."""

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        def choose(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
            clock = torch.Generator().manual_seed(next(_clock))
            return torch.randint(len(context.labels), (len(order),), generator=clock)

        return choose


@breaks("objective-result", "the objective gives float32 () instead of a loss per sample, unreduced, (8,)")
class ReducesObjective(Strategy):
    """A mean over the batch."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        return lambda outputs, batch: objective(outputs, batch).mean()


@breaks("objective-result", "a gradient of the objective is not finite")
class SteepObjective(Strategy):
    """The length of what is zero."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch, *, features: torch.Tensor) -> torch.Tensor:
            return objective(outputs, batch) + (features - features.detach()).square().sum(1).sqrt()

        return judged


@breaks("objective-handed-on", "makes the same losses whatever objective it was handed")
class JudgesAlone(Strategy):
    """Cross-entropy in the place of what was handed."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        return lambda outputs, batch: F.cross_entropy(outputs.logits, batch.target, reduction="none")


@breaks("objective-partner", "the objective is the same whatever the target of the partner is")
class JudgesPartnerByAnother(Strategy):
    """Judge a partner by the target of the row that it stands beside."""

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        chance = evenly(context)
        return lambda epoch, order, draw: torch.multinomial(chance, len(order), True, generator=draw.generator())

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch, *, partner: Batch, network: Network) -> torch.Tensor:
            return objective(outputs, batch) + objective(network(partner.inputs, outputs=True), batch)

        return judged


@sound
class JudgesBoth(JudgesPartnerByAnother):
    """Judge a partner by its own target."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch, *, partner: Batch, network: Network) -> torch.Tensor:
            return objective(outputs, batch) + objective(network(partner.inputs, outputs=True), partner)

        return judged


@sound
class TwoViews(Strategy):
    """Let two views of a row agree: a partner that is the row itself has no other target."""

    @hookimpl
    def imbtk_partner(self) -> Any:
        return lambda epoch, order, draw: order

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch, *, partner: Batch, network: Network) -> torch.Tensor:
            return objective(outputs, batch) + (outputs.logits - network(partner.inputs)).square().mean(1)

        return judged


@breaks("inputs-untouched", "changes 'target' of the batch in the objective in place")
class SmoothsInPlace(Strategy):
    """Smooth targets in place."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch) -> torch.Tensor:
            batch.target.mul_(0.9).add_(0.1 / batch.target.shape[1])
            return objective(outputs, batch)

        return judged


@breaks("random-state-untouched", "global random state of torch", also=("draw-repeats", "state-complete"))
class NoisyObjective(Strategy):
    """Add noise to logits that torch's global state draws."""

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Any:
        def judged(outputs: Outputs, batch: Batch) -> torch.Tensor:
            return objective(outputs.but(logits=outputs.logits + torch.randn(outputs.logits.shape)), batch)

        return judged


@breaks("kept-in-hooks", "the module 'centres' is made while training goes on", also=("resumes", "state-complete"))
class KeepsLate(Strategy):
    """Make centres when the first batch comes."""

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Any:
        def judged(outputs: Outputs, batch: Batch, *, features: torch.Tensor) -> torch.Tensor:
            centres = self.keep("centres", lambda: Centre(features.shape[1]))
            return objective(outputs, batch) + (features - centres.place).square().mean(1)

        return judged


class Centre(torch.nn.Module):
    """A point among features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(width))


@breaks("step-result", "the step gives what it likes, and never calls the closure", also=("step-handed-on",))
class NeverLooks(Strategy):
    """A step without a look."""

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        return lambda optimizer, closure: torch.zeros(())


@breaks("step-result", "the step gives NoneType instead of the loss that the closure gave")
class ForgetsLoss(Strategy):
    """Take the step, and say nothing of it."""

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        def take(optimizer: torch.optim.Optimizer, closure: Any) -> None:
            step(optimizer, closure)

        return take


@breaks("step-handed-on", "the step calls the one it was handed 0 times")
class StepsAlone(Strategy):
    """The optimiser's step in the place of what was handed."""

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        return lambda optimizer, closure: optimizer.step(closure)


@breaks("step-weights-back", "after a step at a rate of 0 'backbone.")
class Shrinks(Strategy):
    """Shrink weights beside the optimiser, whatever the rate."""

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        def take(optimizer: torch.optim.Optimizer, closure: Any) -> torch.Tensor:
            loss = step(optimizer, closure)
            with torch.no_grad():
                for group in optimizer.param_groups:
                    torch._foreach_mul_(group["params"], 0.99)
            return loss

        return take


@breaks("schedule-result", "imbtk_schedule gives -1.0 as a factor instead of a number from 0 up in step 101 of 400")
class FallsBelow(Strategy):
    """Fall below zero in a long window."""

    @hookimpl
    def imbtk_schedule(self) -> Any:
        return lambda step, steps: float(100 - step)


@breaks("members-result", "imbtk_members returns member 1 with test rows to learn from")
class LearnsTestRows(Strategy):
    """Let a member learn from all rows."""

    @hookimpl
    def imbtk_members(self, dataset: Any, split: Any, context: Any) -> Any:
        return [Member(torch.arange(len(dataset)), context.draw.seed)]


@breaks("views-result", "imbtk_views returns a view twice")
class LooksTwice(Strategy):
    """Look at an image twice in the same way."""

    @hookimpl
    def imbtk_views(self, context: Any) -> Any:
        return [View(), View()] if context.kind == "images" else None


# The network ----------------------------------------------------------------------------------------------------


@breaks("network-result", "imbtk_network returns Network and not None: it changes what it is given")
class ReturnsNetwork(Strategy):
    """Return the network."""

    @hookimpl
    def imbtk_network(self, network: Network) -> Any:
        network.freeze("backbone")
        return network


@breaks("network-result", "leaves a network that gives shape (8, 2) instead of (8, 10)", also=("resumes",))
class HeadForTwo(Strategy):
    """A head of two outputs, whatever K."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.head = torch.nn.Linear(network.branch_width, 2)


@breaks("finish-result", "leaves a network that gives logits that are not finite")
class DividesByCounts(Strategy):
    """Class means, of a class without a row too."""

    @hookimpl
    def imbtk_finish(self, network: Any, training: TrainingRows, context: RunContext) -> None:
        sums = torch.zeros(context.num_classes, network.branch_width)
        sums.index_add_(0, training.labels, training.features())
        with torch.no_grad():
            network.head.weight.copy_(sums / context.class_counts[:, None])


@breaks("finish-repeats", "called twice in the same state, imbtk_finish leaves different networks", also=("resumes",))
class HalvesAgain(Strategy):
    """Divide the head by how often this was done, which no state tells."""

    @hookimpl
    def imbtk_network(self) -> None:
        times = itertools.count(1)
        type(self).times = lambda: next(times)

    @hookimpl
    def imbtk_finish(self, network: Any) -> None:
        with torch.no_grad():
            network.head.weight /= type(self).times()

    times: ClassVar[Any] = None


@breaks("resumes", "after 3 steps, saved and loaded, the window ends in another network")
class AveragesElsewhere(Strategy):
    """Average the classifier, and keep the average where no checkpoint finds it."""

    averages: ClassVar[Any] = weakref.WeakKeyDictionary()

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        def take(optimizer: torch.optim.Optimizer, closure: Any, *, network: Any) -> torch.Tensor:
            loss = step(optimizer, closure)
            weight = network.head.weight.detach().clone()
            self.averages[self] = self.averages.get(self, weight).lerp(weight, 0.1)
            return loss

        return take

    @hookimpl
    def imbtk_finish(self, network: Any) -> None:
        weight = network.head.weight.detach()
        with torch.no_grad():
            network.head.weight.copy_(self.averages.get(self, weight))


@sound
class Averages(Strategy):
    """Average the network over its steps."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        self.keep("average", lambda: copy.deepcopy(network).requires_grad_(False))

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Any:
        def take(optimizer: torch.optim.Optimizer, closure: Any, *, network: Network) -> torch.Tensor:
            loss = step(optimizer, closure)
            with torch.no_grad():
                for mean, weight in zip(self.modules()["average"].parameters(), network.parameters(), strict=True):
                    mean.lerp_(weight, 0.1)
            return loss

        return take

    @hookimpl
    def imbtk_finish(self, network: Network) -> None:
        network.load_state_dict(self.modules()["average"].state_dict())


# Classes, draws -------------------------------------------------------------------------------------------------


@breaks("classes-permute", "imbtk_class_weights gives another result when classes stand in another order")
class FirstFirst(Strategy):
    """The first class counts double."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        weights = torch.ones(context.num_classes)
        weights[0] = 2
        return weights


@breaks("classes-permute", "imbtk_criterion gives another result")
class LastClass(Strategy):
    """Leaves the last class out."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return lambda logits, target: -(target * torch.log_softmax(logits.float(), 1))[:, :-1].sum(1)


_clock = itertools.count()


@breaks("draw-repeats", "imbtk_epoch_order gives another result with the same draw", also=("state-complete",))
class OwnGenerator(Strategy):
    """Seeds by a clock."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        n = len(context.labels)
        return lambda epoch, draw: torch.randperm(n, generator=torch.Generator().manual_seed(next(_clock)))


@breaks("draw-matters", "it asks the draw for numbers, and gives the same result with another draw")
class SameAgain(Strategy):
    """Draws, and does not use it."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        def order(epoch: int, draw: Draw) -> torch.Tensor:
            draw.generator()
            return torch.randperm(len(context.labels), generator=torch.Generator().manual_seed(epoch))

        return order


@breaks("draw-by-position", "images 5 to 8 of a batch come out otherwise")
class BatchDraw(Strategy):
    """One stream of numbers for the whole batch."""

    @hookimpl
    def imbtk_augment(self, augment: Any) -> Any:
        def change(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
            images = augment(images, target, draw)
            noise = torch.rand(images.shape, generator=draw.generator())
            return (images + 0.1 * noise).clamp(0, 1)

        return change
