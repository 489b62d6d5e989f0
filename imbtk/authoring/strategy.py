"""The base class of every strategy.

A strategy is a class with options, declared as fields, which answers one hook or more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from imbtk.authoring.hookspecs import HOOKS, Hook
from imbtk.authoring.implementations import check_implementations
from imbtk.authoring.options import StrategySpec, parse_window
from imbtk.authoring.plugin_files import class_recipe
from imbtk.errors import OptionError, PluginError, as_sentence, did_you_mean

if TYPE_CHECKING:
    import torch

    from imbtk.authoring.context import RunContext

__all__ = ["Strategy", "strategy_name"]

_STATE_TYPES = ("Tensor", "Parameter", "int", "float", "bool", "str")
_KEPT = "kept"
"""Under which name a strategy's state holds its modules."""


def strategy_name(class_name: str) -> str:
    """Return the name that a class gets: ``SqrtWeights`` is ``sqrt-weights``, ``LDAM`` is ``ldam``.

    Examples
    --------
    >>> [strategy_name(n) for n in ("FocalLoss", "LDAM", "LDAMLoss", "MixUp2D")]
    ['focal-loss', 'ldam', 'ldam-loss', 'mix-up2d']
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name).lower()


class Strategy(BaseModel):
    """One imbalance technique.

    Options are fields, made with :func:`imbtk.option`; hooks are methods with :data:`imbtk.hookimpl`. What a strategy
    fits it keeps in attributes that begin with ``_``; tensors and numbers among them go into the checkpoint. What it
    trains, or remembers as a module, it makes with :meth:`keep`.

    Attributes
    ----------
    name : str
        Class attribute, only where the name shall differ from the class's own.
    whole_batch : bool
        Class attribute: whether the loss of a sample depends on the others in its batch, so that batches cannot be cut.
    replaces_weights : bool
        Class attribute: whether its ``imbtk_finish`` puts other weights in the place of the network's, so that what a
        finish before it did is lost.
    unchecked : dict of str to str
        Class attribute: checks of the conformance kit that the technique cannot meet, each with the reason.

    Raises
    ------
    OptionError
        If an option does not exist or its value is refused.
    PluginError
        When the class is made: if a method is named like a hook but is not marked, no hook has its name, or it asks
        for an argument that the hook does not have.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    name: ClassVar[str] = ""
    whole_batch: ClassVar[bool] = False
    replaces_weights: ClassVar[bool] = False
    unchecked: ClassVar[dict[str, str]] = {}

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise OptionError(_explain(type(self), error)) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" not in cls.__dict__ or not cls.__dict__["name"]:
            cls.name = strategy_name(cls.__name__)
        check_implementations(cls, f"strategy '{cls.name}' ({cls.__module__}.{cls.__name__})")

    # Two equal strategies in two windows are two plugins: identity, not equality.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle so that another process can read it, also where it cannot import the class."""
        recipe = class_recipe(type(self))
        return super().__reduce_ex__(protocol) if recipe is None else (_blank, recipe, self.__getstate__())

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @classmethod
    def hooks(cls) -> tuple[Hook, ...]:
        """Return the hooks that the class answers, in the order of a run."""
        return tuple(hook for name, hook in HOOKS.items() if hasattr(cls, name))

    def options(self, changed_only: bool = False) -> dict[str, Any]:
        """Return the options as plain values; with `changed_only` those that differ from their default."""
        values = self.model_dump(mode="json")
        if not changed_only:
            return values
        fields = type(self).model_fields
        return {k: v for k, v in values.items() if fields[k].is_required() or getattr(self, k) != fields[k].default}

    def spec(self) -> StrategySpec:
        """Return the strategy as a user would write it, with the options that differ from their defaults."""
        return StrategySpec(self.name, self.options(changed_only=True))

    def at(self, window: str) -> tuple[Self, Any]:
        """Return the strategy with a window, for a list of strategies: ``FocalLoss().at("80%-")``.

        Raises
        ------
        PlanError
            If `window` is none.
        """
        return self, parse_window(window)

    def clone(self) -> Self:
        """Return a new strategy with the same options and nothing fitted."""
        return type(self)(**{key: getattr(self, key) for key in type(self).model_fields})

    def states_costs(self) -> bool:
        """Return whether the options state real costs: then over-correction is warned of and not refused."""
        return False

    def check_run(self, context: RunContext) -> None:
        """Refuse a run that the strategy cannot serve, before anything is trained; called once, with the run's context.

        Its ``window`` is the strategy's own.

        Raises
        ------
        ImbtkError
            Where a strategy overrides it: what is missing, and what to do.
        """

    def notices(self, context: RunContext) -> Sequence[str]:
        """Return what must be said of a run that the strategy can serve: sentences, which join the plan's warnings.

        Called once, after :meth:`check_run` and with the same context; none, unless a strategy overrides it: that it
        finds nothing to do in these data, for instance.
        """
        return ()

    def keep(self, name: str, make: Callable[[], torch.nn.Module]) -> Any:
        """Return the strategy's module of this name, made the first time: the same one in every phase.

        It is put on the device, trained beside the network unless its parameters want no gradient, and checkpointed.
        Call it where hooks are called (``imbtk_network``, ``imbtk_objective``), not in what they return.

        Parameters
        ----------
        name : str
            An identifier: ``"prototypes"``.
        make : callable
            ``() -> Module``; torch's global random state is seeded for it.
        """
        if not name.isidentifier():
            raise PluginError(f"strategy '{self.name}' keeps a module as {name!r}, which is no identifier.")
        kept = self.modules()
        if name not in kept:
            kept[name] = make()
            object.__setattr__(self, "__kept__", kept)
        return kept[name]

    def modules(self) -> dict[str, torch.nn.Module]:
        """Return what was made with :meth:`keep`, by name."""
        kept: dict[str, torch.nn.Module] = vars(self).get("__kept__", {})
        return kept

    def state_dict(self) -> dict[str, Any]:
        """Return what was fitted: tensors and numbers kept in attributes that begin with ``_``, and kept modules.

        Raises
        ------
        PluginError
            If such an attribute holds something else, which a resumed run would not know.
        """
        state = self.own_state()
        if kept := self.modules():
            state[_KEPT] = {name: module.state_dict() for name, module in kept.items()}
        return state

    def own_state(self) -> dict[str, Any]:
        """Return :meth:`state_dict` without the modules."""
        state: dict[str, Any] = {}
        for key, value in vars(self).items():
            if not key.startswith("_") or key.startswith("__") or _made_anew(value):
                continue
            if not _is_plain(value):
                raise PluginError(
                    f"strategy '{self.name}' keeps a {type(value).__name__} in '{key}', which no checkpoint holds: "
                    "keep tensors, numbers, texts or lists of them in attributes that begin with '_', and modules with "
                    "self.keep(name, make)."
                )
            state[key] = value
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; its modules must have been made before, by the same hooks.

        Raises
        ------
        PluginError
            If the state holds a module that was not made, or one that differs.
        """
        for key, value in state.items():
            if key != _KEPT:
                setattr(self, key, value)
        saved, kept = state.get(_KEPT, {}), self.modules()
        if saved.keys() != kept.keys():
            raise PluginError(
                f"strategy '{self.name}' had kept {', '.join(saved) or 'no module'} and has made "
                f"{', '.join(kept) or 'none'}: modules are made where hooks are called, the same in each run."
            )
        for name, module in kept.items():
            try:
                module.load_state_dict(saved[name])
            except RuntimeError as error:
                raise PluginError(f"strategy '{self.name}', module '{name}': {error}") from None

    def __repr__(self) -> str:
        changed = ", ".join(f"{key}={getattr(self, key)!r}" for key in self.options(changed_only=True))
        return f"{type(self).__name__}({changed})"

    __str__ = __repr__


def _made_anew(value: Any) -> bool:
    """Tell whether a value is what hooks make again when a run is resumed: nothing yet, or a function."""
    if value is None or (isinstance(value, (list, dict, set, tuple)) and not value):
        return True
    return callable(value) and not hasattr(value, "state_dict")


def _is_plain(value: Any) -> bool:
    """Tell whether a checkpoint holds a value as it is."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(entry) for key, entry in value.items())
    return value is None or type(value).__name__ in _STATE_TYPES


def _blank(make: Callable[..., type[Strategy]], *arguments: Any) -> Strategy:
    """Return an instance without options, of the class that is made so: unpickling fills it."""
    cls = make(*arguments)
    return cls.__new__(cls)


def _explain(cls: type[Strategy], error: ValidationError) -> str:
    """Return one paragraph about every option that was refused."""
    sentences = []
    for problem in error.errors(include_url=False):
        where = [str(part) for part in problem["loc"]]
        name = where[0] if where else ""
        if problem["type"] == "extra_forbidden":
            sentences.append(f"unknown option '{name}' of '{cls.name}'.{did_you_mean(name, cls.model_fields)}")
        elif problem["type"] == "missing":
            sentences.append(f"strategy '{cls.name}' needs the option '{name}'.")
        elif not name:
            message = problem["msg"].removeprefix("Value error, ")
            sentences.append(f"strategy '{cls.name}': {as_sentence(message)}")
        else:
            message = as_sentence(problem["msg"].removeprefix("Value error, "))
            given = f" (given: {problem['input']!r})"
            sentences.append(f"option '{name}' of strategy '{cls.name}'{given}: {message[0].lower()}{message[1:]}")
    # A union reports each of its arms: the same option is said once.
    return " ".join(dict.fromkeys(sentences))
