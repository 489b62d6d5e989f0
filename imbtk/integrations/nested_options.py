"""Options of strategies as nested parameters of an estimator: ``strategies__focal-loss__gamma``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imbtk.authoring.options import StrategySpec, parse_spec
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError, PlanError, did_you_mean
from imbtk.planning.plan import StrategyLike
from imbtk.planning.reading import BUILT_IN_PLUGINS

__all__ = ["nested_options", "with_nested"]


def _parts(entry: StrategyLike) -> tuple[str, Strategy | StrategySpec]:
    """Return a strategy's name, and the strategy without its window or what a user wrote of it.

    Raises
    ------
    PlanError
        If it is none.
    """
    if isinstance(entry, str):
        spec = parse_spec(entry)
        return spec.name.replace("_", "-"), spec
    strategy = entry[0] if isinstance(entry, tuple) and entry else entry
    if not isinstance(strategy, Strategy):
        raise PlanError(f"{entry!r} is no strategy. Give a name, 'NAME:option=value', or an instance.")
    return strategy.name, strategy


def _labels(strategies: Sequence[StrategyLike]) -> list[str]:
    """Return the label of each strategy as in a plan: its name, with ``#2`` if it stands there a second time."""
    labels: list[str] = []
    seen: dict[str, int] = {}
    for entry in strategies:
        name = _parts(entry)[0]
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return labels


def nested_options(strategies: Any, plugins: Sequence[str]) -> dict[str, Any]:
    """Return each strategy as ``NAME`` and each of its options as ``NAME__option``.

    Parameters
    ----------
    strategies : sequence of str or Strategy
        Whatever cannot be read has no nested parameters: an estimator says so when it is fitted.
    plugins : sequence of str
        Files that offer strategies.
    """
    if not isinstance(strategies, (list, tuple)) or not isinstance(plugins, (list, tuple)):
        return {}
    nested: dict[str, Any] = {}
    try:
        for label, entry in zip(_labels(strategies), strategies, strict=True):
            nested[label] = entry
            nested |= {f"{label}__{option}": value for option, value in _options(_parts(entry)[1], plugins).items()}
    except ImbtkError:
        return {}
    return nested


def _options(strategy: Strategy | StrategySpec, plugins: Sequence[str]) -> dict[str, Any]:
    if isinstance(strategy, Strategy):
        return {option: getattr(strategy, option) for option in type(strategy).model_fields}
    try:
        fields = Catalogue(plugins, BUILT_IN_PLUGINS).find(strategy.name)[0].model_fields
    except ImbtkError:
        return strategy.options
    return {option: strategy.options.get(option, field.default) for option, field in fields.items()}


def with_nested(strategies: Any, key: str, value: Any) -> Any:
    """Return the strategies, in a list or tuple as before, with one of them or one option of it changed.

    Parameters
    ----------
    strategies : sequence of str or Strategy
    key : str
        ``NAME`` or ``NAME__option``; underscores in the name count as dashes.
    value : object
        A strategy, or None to take it out; the option's value, or None for its default.

    Raises
    ------
    PlanError
        If the estimator has no strategy of that name.
    """
    name, nested, option = key.partition("__")
    name = name.replace("_", "-")
    labels = _labels(strategies) if isinstance(strategies, (list, tuple)) else []
    if name not in labels:
        hint = did_you_mean(name, labels) or " The list is empty."
        raise PlanError(
            f"parameter 'strategies__{key}': no strategy '{name}' is in the estimator's list.{hint} Put it there first."
        )
    changed = list(strategies)
    place = labels.index(name)
    if nested:
        changed[place] = _with_option(changed[place], option, value)
    elif value is None:
        del changed[place]
    else:
        changed[place] = value
    return type(strategies)(changed)


def _with_option(entry: StrategyLike, option: str, value: Any) -> StrategyLike:
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    if isinstance(entry, tuple):
        return _changed(entry[0], option, value), entry[1]
    if isinstance(entry, Strategy):
        return _changed(entry, option, value)
    spec = parse_spec(entry)
    options = {**spec.options, option: value}
    if value is None:
        del options[option]
    return str(StrategySpec(spec.name, options, spec.window))


def _changed(strategy: Strategy, option: str, value: Any) -> Strategy:
    """Return a new strategy with one option changed, checked."""
    options = {key: getattr(strategy, key) for key in type(strategy).model_fields}
    if value is None and option in options and not type(strategy).model_fields[option].is_required():
        del options[option]
    else:
        options[option] = value
    return type(strategy)(**options)
