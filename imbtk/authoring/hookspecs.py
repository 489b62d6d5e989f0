"""Every hook, in the order of a run.

A plugin answers a hook by a function or method of the same name, marked with :data:`hookimpl`, which takes any of the
arguments named here. Hooks *build*: they are called when a run or a phase is prepared and return a tensor, a record
or a callable; the batch loop then calls plain callables.

There are three kinds:

choice
    At most one enabled strategy answers with something other than None. Core has a default. Two answers in one phase
    are a conflict.
chain
    Core calls each enabled strategy in the order of the command line, each on the result of the one before it.
collect
    All answers stand side by side.

A callable that a hook returns gets more by asking, with a keyword-only argument: criteria, adjusted criteria and
objectives for ``features`` (B, D), ``experts`` (E, B, K), ``rows`` (B,), ``epoch``, ``partner`` (a
:class:`~imbtk.authoring.records.Batch`), ``network`` and ``draw``; a mix for ``rows``, ``epoch`` and ``partner``, an
augmentation for ``rows`` and ``epoch``; a step for ``network``. ``rows`` numbers the rows of the whole data set, as
``split.csv`` does, not those of the phase; it is -1 for synthetic rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pluggy

if TYPE_CHECKING:
    import numpy as np
    import torch

    from imbtk.authoring.context import (
        Augment,
        Criterion,
        EpochOrder,
        ExtraMetric,
        Member,
        Mix,
        OrderFunction,
        Rows,
        RunContext,
        Split,
    )
    from imbtk.authoring.prediction import CalibrationMap, DecisionRule, View
    from imbtk.authoring.recipes import PublishedTable, Recipe
    from imbtk.authoring.records import Objective, Partner, ScheduleFunction, TakeStep, TrainingRows
    from imbtk.authoring.strategy import Strategy
    from imbtk.data.dataset import Dataset
    from imbtk.data.sources import Source
    from imbtk.models.network import Network
    from imbtk.models.spec import ModelSpec

__all__ = ["API_VERSION", "FAMILIES", "HOOKS", "Hook", "family_of", "hookimpl", "strategy_hooks"]

API_VERSION = 1
"""The version of these hooks; a plugin module may say ``imbtk_api = 1`` to state which one it was written for."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

_hookspec = pluggy.HookspecMarker("imbtk")
hookimpl = pluggy.HookimplMarker("imbtk")
"""Marks a function or method as an answer to the hook of its name."""


@dataclass(frozen=True)
class Hook:
    """What core knows about a hook beside its signature.

    Attributes
    ----------
    name : str
    kind : "choice", "chain" or "collect"
    scope : "module", "once", "phase" or "window"
        Answered by a plugin module; by a strategy, once per run; by a strategy, once in each phase; by a strategy, once
        in its window. The last two can take a window.
    stage : str
        The word for people: ``"class weights"``.
    arguments : tuple of str
        What an answer can ask for.
    family : str
        Under which heading a list shows strategies whose most telling hook this is (:func:`family_of`).
    successor : str
        The hook that takes its place in the next release; empty if it stays.
    """

    name: str
    kind: Literal["choice", "chain", "collect"]
    scope: Literal["module", "once", "phase", "window"]
    stage: str
    arguments: tuple[str, ...] = ()
    family: str = ""
    successor: str = ""

    @property
    def windowed(self) -> bool:
        """Whether a strategy that answers it can be on for some epochs only."""
        return self.scope in ("phase", "window")

    @property
    def page(self) -> str:
        """The page of the documentation that tells what to return."""
        return f"docs/hooks/{self.name.removeprefix('imbtk_')}.md"


HOOKS: dict[str, Hook] = {}
"""All hooks by name, in the order of a run."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "Splits": ("imbtk_split",),
    "Rows and their order": ("imbtk_resample", "imbtk_epoch_order"),
    "Images and mixing": ("imbtk_mix", "imbtk_augment"),
    "Losses and weights": ("imbtk_criterion", "imbtk_adjust_criterion", "imbtk_class_weights"),
    "Objectives of pairs, branches, experts, teachers": ("imbtk_objective", "imbtk_partner"),
    "Heads, second stages, averages": ("imbtk_network", "imbtk_finish", "imbtk_head", "imbtk_refit"),
    "Steps and schedules": ("imbtk_step", "imbtk_schedule"),
    "Several models, several looks": ("imbtk_members", "imbtk_views"),
    "Probabilities and decisions": ("imbtk_decide", "imbtk_calibrate"),
    "Watching": ("imbtk_run_start", "imbtk_epoch_end", "imbtk_run_end", "imbtk_report"),
}
"""Hooks of strategies under the headings of lists, in the order of a run."""

_FAMILY_OF = {hook: family for family, hooks in FAMILIES.items() for hook in hooks}

_TELLING = (
    "imbtk_members", "imbtk_views", "imbtk_split", "imbtk_objective", "imbtk_mix", "imbtk_criterion",
    "imbtk_adjust_criterion", "imbtk_network", "imbtk_finish", "imbtk_head", "imbtk_resample", "imbtk_augment",
    "imbtk_epoch_order", "imbtk_class_weights", "imbtk_step", "imbtk_schedule", "imbtk_decide", "imbtk_calibrate",
)  # fmt: skip
"""Hooks of strategies, those first that tell most of what a strategy with several is about."""


def family_of(hooks: Sequence[Hook]) -> str:
    """Return the family of a strategy that answers some hooks: that of the one which tells most about it."""
    by_name = {hook.name: hook for hook in hooks}
    telling = next((by_name[name] for name in _TELLING if name in by_name), None)
    return (telling or hooks[0]).family


def strategy_hooks(lasting: bool = False) -> tuple[Hook, ...]:
    """Return the hooks that a strategy can answer, in the order of a run; if `lasting`, without those that will go."""
    return tuple(h for h in HOOKS.values() if h.scope != "module" and not (lasting and h.successor))


def _hook(
    kind: Literal["choice", "chain", "collect"],
    scope: Literal["module", "once", "phase", "window"],
    stage: str,
    successor: str = "",
) -> Callable[[_Function], _Function]:
    def register(function: _Function) -> _Function:
        arguments = tuple(inspect.signature(function).parameters)
        name = function.__name__
        HOOKS[name] = Hook(
            name, kind, scope, stage, arguments=arguments, family=_FAMILY_OF.get(name, ""), successor=successor
        )
        return _hookspec(function)

    return register


# What a plugin module offers -------------------------------------------------------------------------------------


@_hook("collect", "module", "strategies")
def imbtk_strategies() -> Sequence[type[Strategy]]:  # type: ignore[empty-body]
    """Offer strategy classes.

    Called once, when the module is first asked for. Default: the Strategy classes that the module defines.

    Returns
    -------
    sequence of Strategy classes
    """


@_hook("collect", "module", "models")
def imbtk_models() -> Mapping[str, ModelSpec]:  # type: ignore[empty-body]
    """Offer networks by name.

    Called once, when a model is looked for. Default: none.

    Returns
    -------
    mapping of str to ModelSpec
    """


@_hook("collect", "module", "sources")
def imbtk_sources() -> Sequence[Source]:  # type: ignore[empty-body]
    """Offer data formats.

    Called once, when data are opened. The first source, built-in ones last, whose ``accepts`` says yes reads the data.

    Returns
    -------
    sequence of Source
    """


@_hook("collect", "module", "metrics")
def imbtk_metrics() -> Mapping[str, ExtraMetric]:  # type: ignore[empty-body]
    """Offer metrics for the evaluation.

    Called once, when the first evaluation is made.

    Returns
    -------
    mapping of str to callable
        ``(labels (N,) int64, probabilities (N, K) float64) -> float``, NaN where it cannot be computed. One of which
        less is better has an attribute ``higher_is_better = False``.
    """


@_hook("collect", "module", "plans")
def imbtk_plans() -> Mapping[str, Recipe | PublishedTable | Sequence[str]]:  # type: ignore[empty-body]
    """Offer plans under a name, sets of plans to compare, published tables, and other words for what there is.

    Called once, when a name is no strategy's, a comparison is given no plan or ``--plan-set NAME``, or plans are
    listed or recommended. Default: none.

    Returns
    -------
    mapping of str to Recipe, PublishedTable, sequence of str, or str
        By the kind of what stands under a name:

        - Recipe: a plan, which ``imbtk run --plan NAME`` trains. No strategy may have its name. With ``suits``,
          ``imbtk recommend`` names it for such data.
        - sequence of str: a set of plans, each as a user writes it: ``{"default": ["class-weights augment"]}``. The
          set ``default``, of all plugins together, is compared where no plan is given; a plan that makes no sense for
          the data is left out, with its reason.
        - PublishedTable: what ``imbtk reproduce NAME`` trains and compares with published figures.
        - str: what people know by this name is written so here: ``{"smote": "resample:method=SMOTE"}``.
    """


@_hook("collect", "module", "observers")
def imbtk_observers() -> Sequence[object]:  # type: ignore[empty-body]
    """Offer objects that answer ``imbtk_run_start``, ``imbtk_epoch_end``, ``imbtk_run_end`` or ``imbtk_report``.

    Called once per run, for plugin modules that are in use and for files given with ``--plugin``.

    Returns
    -------
    sequence of object
    """


# What a strategy does, in the order of a run -----------------------------------------------------------------------


@_hook("choice", "once", "split")
def imbtk_split(dataset: Dataset, context: RunContext) -> Sequence[Split]:  # type: ignore[empty-body]
    """Split rows into train, validation and test.

    Called once, before anything else. Default: a shuffled hold-out, groups kept whole, or the split that the data give.

    Parameters
    ----------
    dataset : Dataset
        All rows: ``labels`` (N,), ``groups`` (N,) or None, ``given_split`` or None.
    context : RunContext
        Its counts and labels are those of all rows, since nothing is split yet.

    Returns
    -------
    sequence of Split
        One for each fold; a hold-out is one fold. Core checks that no row and no group is on two sides.
    """


@_hook("choice", "once", "members")
def imbtk_members(dataset: Dataset, split: Split, context: RunContext) -> Sequence[Member] | None:
    """Let the run be several models that predict as one.

    Called once, when rows are split. Each member runs through the whole plan, on copies of its strategies; the mean of
    their logits is the run's. Outside of the test side a row is predicted only by members that have not seen it, nor
    any row of its group: where every training and validation row has such members, probabilities and decisions are
    fitted on all of them, else on validation rows. Default: one model.

    Parameters
    ----------
    dataset : Dataset
    split : Split
        The run's own.
    context : RunContext
        Of all training rows; ``context.draw.seed`` is the run's seed.

    Returns
    -------
    sequence of Member
        At least one, none twice, each with rows of every class and without test rows.
    """


@_hook("chain", "phase", "resample")
def imbtk_resample(rows: Rows, context: RunContext) -> Rows:  # type: ignore[empty-body]
    """Select training rows, or make up new ones.

    Called when a phase is built, on training rows only. Default: all rows.

    Parameters
    ----------
    rows : Rows
        As the strategy before left them.
    context : RunContext
        ``class_counts`` are those of `rows`.

    Returns
    -------
    Rows
        Made with ``rows.take(positions)`` or ``rows.with_synthetic(features, labels)``.
    """


@_hook("choice", "phase", "epoch order")
def imbtk_epoch_order(context: RunContext) -> EpochOrder | OrderFunction | None:
    """Choose which rows an epoch shows, and in what order.

    Called when a phase is built. Default: a permutation of all rows.

    Parameters
    ----------
    context : RunContext
        ``labels`` (n,) are those of the rows to draw from.

    Returns
    -------
    EpochOrder or callable
        ``(epoch, draw) -> (M,) int64``, positions in ``[0, n)``, M the same in every epoch.
    """


@_hook("collect", "phase", "partner")
def imbtk_partner(context: RunContext) -> Partner | None:
    """Choose a second row beside each row of an epoch.

    Called when a phase is built; the callable once per epoch. Default: none. A mix, criterion or objective of the same
    strategy is handed these rows by asking for ``partner``, a :class:`~imbtk.authoring.records.Batch`: augmented under
    random numbers of its own and normalised, never mixed.

    Parameters
    ----------
    context : RunContext
        ``labels`` (n,) are those of the rows to draw from.

    Returns
    -------
    callable
        ``(epoch, order (M,) int64, draw) -> (M,) int64``, positions in ``[0, n)``: the order itself for a second view
        of the same row.
    """


@_hook("chain", "phase", "augment")
def imbtk_augment(augment: Augment, context: RunContext) -> Augment:  # type: ignore[empty-body]
    """Change training images.

    Called when a phase is built; the callable once per batch. Default: images stay as they are.

    Parameters
    ----------
    augment : callable
        What the strategies before do: call it first, on the same arguments.
    context : RunContext

    Returns
    -------
    callable
        ``(images (B, C, H, W) float in [0, 1], target (B, K), draw) -> images`` of the same shape, in place or not,
        with numbers from `draw` only.
    """


@_hook("choice", "phase", "mix")
def imbtk_mix(context: RunContext) -> Mix | None:
    """Mix samples and their targets.

    Called when a phase is built; the callable once per batch, after augmentation and normalisation. Default: nothing.

    Returns
    -------
    callable
        ``(images (B, ...), target (B, K), draw) -> (images, target)``; rows of the target sum to one.
    """


@_hook("choice", "phase", "class weights")
def imbtk_class_weights(context: RunContext) -> torch.Tensor | None:
    """Weight classes in the loss.

    Called when a phase is built. Default: ones.

    Returns
    -------
    Tensor of shape (K,)
        Finite, positive where the class has rows, any scale: core divides by the mean over the rows as the order draws
        them, so that a strategy never moves the learning rate. A class without a row gets weight 0.
    """


@_hook("choice", "phase", "criterion")
def imbtk_criterion(context: RunContext) -> Criterion | None:
    """Choose the loss of a sample.

    Called when a phase is built; the callable once per batch. Default: cross-entropy.

    Returns
    -------
    callable
        ``(logits (B, K), target (B, K)) -> (B,)``, unreduced and unweighted.
    """


@_hook("chain", "phase", "adjusted criterion")
def imbtk_adjust_criterion(criterion: Criterion, context: RunContext) -> Criterion:  # type: ignore[empty-body]
    """Make a criterion from the one given.

    Called when a phase is built, after ``imbtk_criterion``; the callable once per batch. Default: the criterion itself.

    Parameters
    ----------
    criterion : callable
        ``(logits (B, K), target (B, K)) -> (B,)``.
    context : RunContext

    Returns
    -------
    callable
        Of the same form: ``lambda logits, target: criterion(logits + shift, target)``.
    """


@_hook("chain", "phase", "objective")
def imbtk_objective(  # type: ignore[empty-body]
    objective: Objective, in_features: int, context: RunContext
) -> Objective:
    """Decide which outputs are judged against which target.

    Called when a phase begins, after ``imbtk_network``; the callable once per forward pass. Default: the weighted
    criterion on ``outputs.logits``. It stands outside the chain of criteria: what it calls is the whole of them, with
    the class weights in it, so that each term is weighted by its own target. Core averages what it gives, and nothing
    else.

    Parameters
    ----------
    objective : callable
        What the strategies before do, ``(outputs, batch) -> (B,)``: call it any number of times, on
        ``outputs.but(logits=...)`` or on the ``partner`` asked for.
    in_features : int
        D, the width of ``outputs.features``. Modules that are made from it are kept with ``self.keep(name, make)``.
    context : RunContext

    Returns
    -------
    callable
        ``(outputs, batch) -> (B,)``.
    """


@_hook("chain", "phase", "step")
def imbtk_step(step: TakeStep, context: RunContext) -> TakeStep:  # type: ignore[empty-body]
    """Take the optimiser's step in another way.

    Called when a phase begins; the callable once per batch. Default: ``optimizer.step(closure)``.

    Parameters
    ----------
    step : callable
        What the strategies before do, ``(optimizer, closure) -> loss ()``: call it once.
    context : RunContext

    Returns
    -------
    callable
        ``(optimizer, closure) -> loss ()``. ``closure()`` sets the gradients at the weights as they are, and returns
        the loss; it may be called again at others, which leaves no trace in buffers. Weights that were moved for it
        are put back in ``finally``.
    """


@_hook("choice", "phase", "schedule")
def imbtk_schedule(context: RunContext) -> ScheduleFunction | None:
    """Choose the learning rate over the strategy's window.

    Called when a phase is built; the callable before each step. Default: one cosine over the run, after a warm-up.

    Returns
    -------
    callable
        ``(step, steps) -> factor`` on the peak learning rates, finite and not negative; both counted in the window.
    """


@_hook("chain", "window", "network")
def imbtk_network(network: Network, training: TrainingRows, context: RunContext) -> None:
    """Change the network, in place, when the strategy's window begins.

    Called once, before the window's first epoch, each strategy on what the one before it left. Default: nothing.

    Parameters
    ----------
    network : Network
        ``network.freeze("backbone")`` holds until the window ends; ``network.renew_head()`` and ``network.branch(n)``
        stay. Parts may be replaced: the optimiser is made anew where the set of trained parameters changed.
    training : TrainingRows
        Training rows without augmentation, made when they are asked for.
    context : RunContext
    """


@_hook("chain", "window", "finish")
def imbtk_finish(network: Network, training: TrainingRows, context: RunContext) -> None:
    """Change the network, in place, when the strategy's window ends: what has a closed form and needs no training.

    Called once, after the window's last epoch, each strategy on what the one before it left. Where the best epoch is
    kept it is called on a copy of the network too, after each epoch that may be it: the epoch is judged as what it will
    be at the end. Default: nothing.

    Parameters
    ----------
    network, training, context
        As for :func:`imbtk_network`.
    """


@_hook("choice", "once", "head")
def imbtk_head(in_features: int, context: RunContext) -> torch.nn.Module | None:
    """Make the classifier head.

    Called once, when the network is built. Default: a linear layer whose bias starts at the log of the effective prior.

    Parameters
    ----------
    in_features : int
        D, the width of the features that the backbone gives.
    context : RunContext

    Returns
    -------
    Module
        (B, D) -> (B, K): ``imbtk.LinearHead``, ``CosineHead`` or ``ScaledHead``, or any module that
        ``torch.export`` can save. One with several experts gives (E, B, K), whose mean the logits are, or
        (logits (B, K), experts (E, B, K)).
    """


@_hook("chain", "once", "refit", successor="imbtk_finish")
def imbtk_refit(  # type: ignore[empty-body]
    head: torch.nn.Module, features: torch.Tensor, labels: torch.Tensor, context: RunContext
) -> torch.nn.Module:
    """Refit the head on frozen features; goes with the next release, write ``imbtk_finish`` instead.

    Called once, after the last epoch, on training rows. Default: the head itself.

    Parameters
    ----------
    head : Module
        (B, D) -> (B, K).
    features : Tensor of float32, shape (n, D)
    labels : Tensor of int64, shape (n,)
    context : RunContext
        Of the last phase.

    Returns
    -------
    Module
    """


@_hook("choice", "once", "views")
def imbtk_views(context: RunContext) -> Sequence[View] | None:
    """Choose how often, and how, the trained network looks at an image when it predicts.

    Called once, before training. Its logits are averaged over the views in all that is predicted after training, for
    validation, test, out-of-fold and new rows alike, so that calibration is fitted on the kind of prediction that it is
    for; epochs are validated on images as they are. Default: one look.

    Returns
    -------
    sequence of View
        At least one, none twice: data that the saved model carries. Quarter turns are for square images.
    """


@_hook("chain", "once", "calibrate")
def imbtk_calibrate(  # type: ignore[empty-body]
    map: CalibrationMap, logits: np.ndarray, labels: np.ndarray, context: RunContext
) -> CalibrationMap:
    """Choose how logits become probabilities.

    Called once, after training, on validation rows; and once before training, on a copy of the strategy, with made-up
    logits of a fair model, so that a map of another form is refused early. Default: the map itself.

    Parameters
    ----------
    map : CalibrationMap
        As the strategy before left it; core starts with the one that it drew to the prior ledger.
    logits : ndarray of float64, shape (n, K)
        Of the validation rows.
    labels : ndarray of int64, shape (n,)
    context : RunContext

    Returns
    -------
    CalibrationMap
    """


@_hook("choice", "once", "decision")
def imbtk_decide(
    logits: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, context: RunContext
) -> DecisionRule | None:
    """Choose how a class is picked.

    Called once, after calibration, on validation rows, or on out-of-fold rows where the split has three folds or more
    and the hook asks for `logits`, `probabilities` or `labels`: rows outside of the run's test side, each predicted by
    an inner model of the same plan that has not seen it. And called once before training, on a copy of the strategy,
    with the logits of a model that knows every row, so that a rule that cannot be fitted on them is refused early.
    Default: as trained, the argmax of the trained logits; with ``--decide deploy`` the most probable class.

    A rule may have nothing but `sets`, ``DecisionRule(sets=…, name=…)``: which classes cannot be ruled out for a row.
    It decides no class, so it joins what does: another strategy's rule, ``--decide``, or the default. One strategy may
    decide and one may give sets, or one strategy does both; two that decide, or two with sets, are a conflict.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, K)
    probabilities : ndarray of float64, shape (n, K)
        Calibrated.
    labels : ndarray of int64, shape (n,)
    groups : ndarray of int64, shape (n,), optional
        Group (patient) of each row; None where groups are not known.
    context : RunContext
        Its ``decision_rows`` says which rows these are.

    Returns
    -------
    DecisionRule
    """


# What watches a run ----------------------------------------------------------------------------------------------


@_hook("collect", "once", "run start")
def imbtk_run_start(run: Mapping[str, Any]) -> None:
    """Learn that training begins.

    Called once, when the plan is checked and before the first batch.

    Parameters
    ----------
    run : mapping
        The resolved configuration: ``plan`` (list of str), ``data``, ``model``, ``seed``, ``epochs``, ``out``.
    """


@_hook("collect", "once", "epoch end")
def imbtk_epoch_end(epoch: int, record: Mapping[str, float]) -> None:
    """Learn how an epoch went.

    Called after each epoch.

    Parameters
    ----------
    epoch : int
        From 0.
    record : mapping of str to float
        The epoch's line of ``history.csv``.
    """


@_hook("collect", "once", "run end")
def imbtk_run_end(run: Mapping[str, Any], metrics: Mapping[str, Any], error: str | None) -> None:
    """Learn how the run ended.

    Called once, after the evaluation and before the run folder gets its name, or when the run fails. A failure of the
    hook is told, and the run finished.

    Parameters
    ----------
    run : mapping
        As at the start.
    metrics : mapping
        What ``metrics.json`` holds; empty if the run failed.
    error : str, optional
        Why the run failed; None if it did not.
    """


@_hook("collect", "once", "report")
def imbtk_report(run: Mapping[str, Any], metrics: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:  # type: ignore[empty-body]
    """Add sections to the page of a run.

    Called once, after the evaluation, before ``report.html`` is written. Default: none. Sections are kept in the run
    folder as data: ``imbtk report`` makes the same page without the plugin. One that fails is left out, with a warning.

    Parameters
    ----------
    run : mapping
        As at the start.
    metrics : mapping
        What ``metrics.json`` holds.

    Returns
    -------
    sequence of (str, content)
        A title, and a text, a matplotlib Figure, a table (a list of rows, the head first), or a list of those.
    """
