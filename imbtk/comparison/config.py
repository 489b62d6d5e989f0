"""Everything that a comparison can be told beside what a run can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from imbtk.errors import OptionError, did_you_mean
from imbtk.evaluation.metric_table import (
    ALARM_METRICS,
    OVERALL_METRICS,
    Metric,
    partial_auroc_up_to,
    sensitivity_at,
)
from imbtk.planning.config import RunConfig, validated

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = [
    "METRICS",
    "ComparisonConfig",
    "check_primary",
    "make_comparison_config",
    "metric_in",
    "metric_of",
    "metrics_of",
    "parse_primary",
    "parse_shard",
    "plugin_metric",
]

_KEYS = (
    "balanced_accuracy", "accuracy", "g_mean", "macro_f1", "mcc", "auroc", "auprc", "macro_auroc", "macro_auprc",
    "log_loss", "brier",
)  # fmt: skip

_PARTIAL = 0.1
"""Largest false positive rate of ``partial-auroc``, unless told."""


class _Metrics(dict[str, Metric]):
    """Metrics by key; those with a number in their key are made when they are asked for."""

    def __missing__(self, key: str) -> Metric:
        kind, number = _parametric(key)
        return sensitivity_at(number) if kind == "sensitivity@specificity" else partial_auroc_up_to(number)


METRICS = _Metrics({**{key: OVERALL_METRICS[key] for key in _KEYS}, **ALARM_METRICS})
"""Metrics over all classes, or of the positive one, that a comparison computes."""

_OF_TWO = ("auroc", "auprc", "precision", "alarm_rate")


def _parametric(key: str) -> tuple[str, float]:
    """Return the kind and the number of a metric such as ``sensitivity@specificity=0.9``; KeyError if it is none."""
    kind, _, number = key.partition("=")
    if kind not in ("sensitivity@specificity", "partial-auroc@fpr") or not re.fullmatch(r"0?\.\d+", number):
        raise KeyError(key)
    return kind, float(number)


def parse_primary(text: str, offered: Mapping[str, ExtraMetric] | None = None) -> str:
    """Return the key of a metric that can be tested, one of ours or one that a plugin offers.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> [parse_primary(text) for text in ("auprc", "partial-auroc", "sensitivity@specificity=0.90")]
    ['auprc', 'partial-auroc@fpr=0.1', 'sensitivity@specificity=0.9']
    """
    if (key := text.replace("-", "_")) in _KEYS:
        return key
    offered = offered or {}
    for name in (text, key):
        if name in offered:
            return name
    wanted = text.replace("_", "-")
    try:
        return METRICS[f"partial-auroc@fpr={_PARTIAL}" if wanted == "partial-auroc" else wanted].key
    except KeyError:
        known = [*_KEYS, "sensitivity@specificity=0.9", "partial-auroc", "partial-auroc@fpr=0.2", *offered]
        raise ValueError(
            f"unknown metric.{did_you_mean(text, known)} It is one of {', '.join(known)}, where 0.9 and 0.2 "
            "stand for any number between 0 and 1"
        ) from None


def metrics_of(num_classes: int, asked: Sequence[str] = ()) -> list[str]:
    """Return the metrics that there are for so many classes: of two, one is positive and has metrics of its own.

    Parameters
    ----------
    num_classes : int
    asked : sequence of str
        Those beside that there are: ``expected_cost``, the primary one.
    """
    some = [key for key in METRICS if key != "expected_cost" and (num_classes == 2 or key not in _OF_TWO)]
    return list(dict.fromkeys([*some, *asked]))


def metric_of(key: str, num_classes: int) -> str:
    """Return the metric that stands for `key`: of more than two classes the mean over them for one class's.

    Raises
    ------
    OptionError
        If there is none: it is of the positive class, and only of two classes one is.
    """
    if num_classes == 2 or (key not in _OF_TWO and "@" not in key):
        return key
    if f"macro_{key}" in METRICS:
        return f"macro_{key}"
    raise OptionError(f"'primary' (given: '{key}') is a metric of the positive class; these are {num_classes} classes.")


def check_primary(config: ComparisonConfig, offered: Mapping[str, ExtraMetric]) -> ComparisonConfig:
    """Return the configuration with the primary metric's key, once it is known what plugins offer.

    Raises
    ------
    OptionError
        If there is no metric of that name.
    """
    try:
        return config.model_copy(update={"primary": parse_primary(config.primary, offered)})
    except ValueError as error:
        raise OptionError(f"option 'primary' (given: '{config.primary}'): {error}.") from None


def plugin_metric(name: str, higher_is_better: bool) -> Metric:
    """Return what is known of a metric that a plugin offers."""
    return Metric(name, name.replace("_", " "), "a plugin's metric", "", higher_is_better=higher_is_better, share=False)


def metric_in(document: Mapping[str, Any], key: str) -> Metric:
    """Return what is known of a metric of ``comparison.json``: a key of none of ours is a plugin's, the primary one."""
    try:
        return METRICS[key]
    except KeyError:
        return plugin_metric(key, document["higher_is_better"])


class ComparisonConfig(RunConfig):
    """The configuration of a comparison: split, model, epochs and seed are its own, strategies belong to the plans."""

    unused: ClassVar[tuple[str, ...]] = (
        "strategies",
        "fold",
        "discard_unfinished",
        "max_minutes",
        "from_comparison",
        "row",
    )
    """Fields of a run that a comparison does not take: plans hold the strategies, every fold is trained, cells go on
    where they were, and metrics of plans that a clock gave more epochs than others would not be comparable."""

    holds_one_plan: ClassVar[bool] = False

    plan: tuple[str, ...] = Field(
        (), description="A plan to compare: its name (imbtk plans), or strategies with spaces between, in quotes."
    )
    each: tuple[str, ...] = Field((), description="Strategies with commas between, each a plan by itself.")
    pairs: bool = Field(False, description="Also compare every pair of the strategies of --each.")
    plan_set: str | None = Field(None, description="A set of plans that plugins offer; 'default' if no plan is given.")
    folds: int = Field(5, ge=2, description="Test folds, each with whole groups and every class.")
    repeats: int = Field(3, ge=1, description="How often rows are dealt into folds anew.")
    primary: str = Field(
        "balanced_accuracy",
        description=f"The one metric that is tested: one of {', '.join(_KEYS)}, sensitivity@specificity=0.9, "
        f"partial-auroc (up to a false positive rate of {_PARTIAL:g}; partial-auroc@fpr=0.2), or a plugin's metric.",
    )
    margin: float | None = Field(
        None, gt=0, lt=1, description="Largest difference that does not matter: tests equivalence and non-inferiority."
    )
    also_ungrouped: bool = Field(
        False, description="Run the plans again with groups ignored, to show by how much that flatters."
    )
    threads: int | None = Field(1, ge=1, description="CPU threads of a cell, whatever --jobs says.")
    out: str | None = Field(None, description="Folder of the comparison; comparisons/<data>-<digest> unless given.")

    @field_validator("primary")
    @classmethod
    def _spelled_primary(cls, value: str) -> str:
        try:
            return parse_primary(value)
        except ValueError:  # a plugin's, or refused by check_primary
            return value

    @field_validator("strategies")
    @classmethod
    def _no_strategies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            raise ValueError("a comparison takes its strategies in plans: --plan 'NAME NAME'")
        return value

    @field_validator("fold")
    @classmethod
    def _no_fold(cls, value: int) -> int:
        if value:
            raise ValueError("a comparison trains every fold; 'folds' says how many there are")
        return value

    @field_validator("from_comparison", "row")
    @classmethod
    def _no_row(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("a row of a comparison is trained by 'imbtk run'")
        return value

    @field_validator("max_minutes")
    @classmethod
    def _no_minutes(cls, value: float | None) -> None:
        if value is not None:
            raise ValueError("in a comparison every plan is trained for the same epochs, whatever the clock says")

    @field_validator("discard_unfinished")
    @classmethod
    def _nothing_unfinished(cls, value: bool) -> bool:
        if value:
            raise ValueError("a comparison goes on where it was; its cells leave nothing to discard")
        return value


def make_comparison_config(values: dict[str, Any]) -> ComparisonConfig:
    """Return the validated configuration.

    Raises
    ------
    OptionError
        If an option does not exist or its value is refused, or ``pairs`` is asked for without ``each``.
    """
    config = validated(values, ComparisonConfig)
    if config.pairs and not config.each:
        raise OptionError("'pairs' makes pairs of the strategies of 'each': add --each NAME,NAME.")
    return config


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``2/8`` as (1, 8): the place of this shard, from 0, and how many there are.

    Raises
    ------
    OptionError
        If it is no such thing.

    Examples
    --------
    >>> parse_shard("2/8")
    (1, 8)
    """
    first, slash, second = text.partition("/")
    if not slash or not first.strip().isdigit() or not second.strip().isdigit():
        raise OptionError(f"'{text}' is no shard. Write which one of how many, such as 2/8.")
    place, count = int(first), int(second)
    if not 1 <= place <= count:
        raise OptionError(f"there is no shard {place} of {count}: they count from 1 to {count}.")
    return place - 1, count
