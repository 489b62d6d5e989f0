"""Precision and memory format, tried on the very model, data and machine: no rule says which is fastest."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from imbtk.authoring.records import Batch
from imbtk.errors import PluginError
from imbtk.models.network import Network
from imbtk.models.trial import trial_output
from imbtk.planning.phases import BuiltPhase, on_copies
from imbtk.training.batches import Batches, PhaseBatches
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner
from imbtk.training.loop import network_seed
from imbtk.training.schedule import schedule_of
from imbtk.training.setup import MakeOptimizer, lay_out
from imbtk.training.step import take_step, trained_parameters
from imbtk.training.windows import Windows

__all__ = ["AGREEMENT", "GAIN", "Speed", "Tried", "rounds_worth", "try_configs", "work"]

GAIN = 0.05
"""How much less time than the default another setting must take to be worth its change of the metrics."""
AGREEMENT = 0.02
"""How far the mean loss of the tried steps may be from that at full precision, as a share of it."""
LEAST_WORK = 5e11
"""Multiplications of forward passes from which on a training is tried: half a minute on a core or two."""
SHARE = 0.04
"""Of the steps of a training, for trying."""
FEWEST_ROUNDS, MOST_ROUNDS = 2, 8


@dataclass(frozen=True)
class Tried:
    """A setting that was tried.

    Attributes
    ----------
    precision : "fp32" or "bf16"
    channels_last : bool
    seconds : float
        Of the fastest step.
    loss : float
        Mean over the steps.
    """

    precision: Literal["fp32", "bf16"]
    channels_last: bool
    seconds: float
    loss: float

    @property
    def words(self) -> str:
        """The setting for people."""
        return f"{self.precision}, {'channels-last' if self.channels_last else 'contiguous'}"


@dataclass(frozen=True)
class Speed:
    """What came of a trial.

    Attributes
    ----------
    taken, default : Tried
    loading : float
        Seconds in which a batch is loaded.
    tried : tuple of Tried
    """

    taken: Tried
    default: Tried
    loading: float
    tried: tuple[Tried, ...]

    @property
    def words(self) -> str:
        """What was chosen, for people, and why."""
        if self.taken is self.default:
            return "tried: nothing else is more than 5 % faster with the same losses"
        words = f"tried: {self.default.seconds / self.taken.seconds:.1f} times as fast as {self.default.words}"
        if self.taken.precision == "bf16":
            words += f", losses {100 * abs(self.taken.loss / self.default.loss - 1):.2f} % apart"
        return words


def work(network: Network, rows: int) -> float:
    """Return how many multiplications a network's layers make in forward passes of a number of rows.

    Of convolutions and linear layers, which is where the time of training goes. Found by one sample of zeros.
    """
    multiplications = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal multiplications
        multiplications += output[0].numel() * module.weight[0].numel()  # type: ignore[index]

    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, kinds)]
    try:
        trial_output(network, torch.zeros(1, *network.sample_shape))
    finally:
        for hook in hooks:
            hook.remove()
    return float(multiplications) * rows


def rounds_worth(multiplications: float, steps: int, config: int) -> int:
    """Return how many steps of each setting are worth timing in a training; 0 for one that is soon over anyway.

    A function of the training alone and of no clock: which trainings are tried is the same on every machine.

    Parameters
    ----------
    multiplications : float
        Of the whole training's forward passes, from :func:`work`.
    steps : int
        Of the whole training.
    config : int
        How many there are to try; each takes a step more to warm up.

    Examples
    --------
    >>> rounds_worth(1e9, 10_000, 4), rounds_worth(1e13, 10_000, 4), rounds_worth(1e13, 400, 4)
    (0, 8, 3)
    """
    rounds = int(SHARE * steps / config) - 1
    return 0 if multiplications < LEAST_WORK or rounds < FEWEST_ROUNDS else min(rounds, MOST_ROUNDS)


def try_configs(
    network: Network,
    phase: BuiltPhase,
    batches: Batches,
    config: TrainingConfig,
    optimizer: MakeOptimizer,
    candidates: Sequence[tuple[Literal["fp32", "bf16"], bool]],
    rounds: int,
    total: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Take the first steps of a training in each setting, on copies, and return which is fastest and safe.

    Parameters
    ----------
    network : Network
        On the device; left as it is, as are the strategies of the phase. The caller keeps random states.
    phase : BuiltPhase
        The first one.
    batches : Batches
    config : TrainingConfig
        The default, of full precision.
    optimizer : callable
        ``learner -> Optimizer``.
    candidates : sequence of (precision, channels_last)
        The default among them.
    rounds : int
        Steps to time of each.
    total : int
        Steps of the whole training.
    clock : callable
        Seconds.

    Returns
    -------
    Speed
        Of the settings whose mean loss is within :data:`AGREEMENT` of the default's, the fastest if it takes
        :data:`GAIN` less time, else the default.
    """
    copied = on_copies(phase)
    phase_batches, device = batches.phase(copied, config.seed), batches.device
    network = copy.deepcopy(network)
    Windows(network, batches, (torch.empty(0, dtype=torch.int64),) * 2).begin(copied, phase_batches)
    loaded, loading = _loaded(phase_batches, copied, rounds + 1, clock)
    trials = []
    for precision, channels_last in candidates:
        own = dataclasses.replace(config, precision=precision, channels_last=channels_last)
        trials.append((own, _steps(network, copied, own, optimizer, loaded, total)))
    seconds: list[list[float]] = [[] for _ in trials]
    losses: list[list[float]] = [[] for _ in trials]
    # Side by side, step by step: whatever else the machine does meanwhile, it does to all of them.
    for _ in range(rounds + 1):
        for number, (_, steps) in enumerate(trials):
            _wait(device)
            began = clock()
            losses[number].append(_loss(steps))
            seconds[number].append(clock() - began)
    tried = tuple(
        Tried(own.precision, own.channels_last, min(times[1:]), sum(found) / len(found))
        for (own, _), times, found in zip(trials, seconds, losses, strict=True)
    )
    return _chosen(tried, config, loading)


def _chosen(tried: tuple[Tried, ...], config: TrainingConfig, loading: float) -> Speed:
    wanted = (config.precision, config.channels_last)
    default = next(entry for entry in tried if (entry.precision, entry.channels_last) == wanted)
    safe = [entry for entry in tried if abs(entry.loss - default.loss) <= AGREEMENT * abs(default.loss)]
    fastest = min(safe, key=lambda entry: entry.seconds, default=default)
    taken = fastest if fastest.seconds < (1 - GAIN) * default.seconds else default
    return Speed(taken, default, loading, tried)


def _loaded(
    phase_batches: PhaseBatches, phase: BuiltPhase, count: int, clock: Callable[[], float]
) -> tuple[list[Batch], float]:
    """Return the first batches, and the seconds of the fastest."""
    loaded, seconds, coming = [], [], phase_batches.epoch(phase.planned.phase.start)
    for _ in range(min(count, phase.steps)):
        began = clock()
        loaded.append(next(coming))
        seconds.append(clock() - began)
    # The first pays for the epoch's order.
    return loaded, min(seconds)


def _steps(
    network: Network,
    phase: BuiltPhase,
    config: TrainingConfig,
    make_optimizer: MakeOptimizer,
    loaded: Sequence[Batch],
    total: int,
) -> Iterator[torch.Tensor]:
    """Yield the loss of each of the first steps of a training, over and over the loaded batches."""
    network = copy.deepcopy(network)
    lay_out(network, config)
    learner = Learner(network, on_copies(phase))
    optimizer = make_optimizer(learner.train())
    schedule, parameters = schedule_of(config, total), trained_parameters(optimizer)
    schedule.drive(optimizer)
    step = 0
    while True:
        torch.manual_seed(network_seed(config.seed, step))
        schedule.set(step)
        loss, _ = take_step(learner, learner, optimizer, loaded[step % len(loaded)], parameters, config)
        step += 1
        yield loss.detach()


def _loss(steps: Iterator[torch.Tensor]) -> float:
    """Return the loss of the next step; NaN for a network that cannot take it in this setting."""
    try:
        return float(next(steps, torch.nan))
    except (RuntimeError, PluginError):
        return math.nan


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
