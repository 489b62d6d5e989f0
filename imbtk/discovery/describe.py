"""What can be said about a strategy: taken from its class, for the terminal, the documentation and the report."""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from imbtk.authoring.hookspecs import Hook, family_of
from imbtk.authoring.options import StrategySpec, render_value
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.docstrings import Docstring, parse_docstring
from imbtk.errors import ImbtkError

__all__ = ["OptionDescription", "StrategyDescription", "describe", "describe_options"]

_PLAIN = {bool: "true or false", int: "integer", float: "number", str: "text", Any: "any", object: "any"}
_LISTS = (list, tuple, set, frozenset)

FACTS = ("When to use", "Cost", "Not with", "Evidence", "Notes", "References")
"""Sections of a strategy's docstring that are shown, in this order; an author writes those that there is a word for."""


@dataclass(frozen=True)
class OptionDescription:
    """One option: a field of a strategy or of the run's configuration.

    Attributes
    ----------
    name : str
    type : str
        For people: ``"number"``, ``"list of text"``, ``"choice"``.
    default : object
        As JSON has it; None where there is none, or none is the default.
    description : str
    minimum, maximum : int or float, optional
    choices : tuple of str, optional
    required : bool
    above_minimum, below_maximum : bool
        Whether the bound itself is not allowed.
    """

    name: str
    type: str
    default: Any
    description: str
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[Any, ...] | None = None
    required: bool = False
    above_minimum: bool = False
    below_maximum: bool = False

    @property
    def bounds(self) -> str:
        """The bounds in words, ``at least 0, below 1``; empty if there are none."""
        words = []
        if self.minimum is not None:
            words.append(f"{'above' if self.above_minimum else 'at least'} {self.minimum:g}")
        if self.maximum is not None:
            words.append(f"{'below' if self.below_maximum else 'at most'} {self.maximum:g}")
        return ", ".join(words)

    @property
    def default_text(self) -> str:
        """The default as a user would write it; ``required`` or ``not set`` where there is none."""
        if self.required:
            return "required"
        return "not set" if self.default in (None, [], {}) else render_value(self.default)


@dataclass(frozen=True)
class StrategyDescription:
    """One strategy.

    Attributes
    ----------
    name : str
    summary : str
        One line.
    doc : Docstring
        All that its docstring says.
    actions : tuple of (Hook, str)
        The hooks that it answers, each with the first line about how.
    options : tuple of OptionDescription
    distribution : str
        Who ships it.
    class_name, module, file : str
        Where it is; a class that was made in a session has no file.
    examples : tuple of str
        The strategy as one may write it behind ``-s``.
    """

    name: str
    summary: str
    doc: Docstring
    actions: tuple[tuple[Hook, str], ...]
    options: tuple[OptionDescription, ...]
    distribution: str
    class_name: str
    module: str
    file: str
    examples: tuple[str, ...]

    @property
    def stages(self) -> tuple[str, ...]:
        """Where in a run it acts."""
        return tuple(hook.stage for hook, _ in self.actions)

    @property
    def family(self) -> str:
        """Under which heading a list shows it."""
        return family_of([hook for hook, _ in self.actions])

    @property
    def takes_window(self) -> bool:
        """Whether it can be on in some epochs only."""
        return any(hook.windowed for hook, _ in self.actions)

    def facts(self) -> dict[str, str]:
        """Return what its docstring says in sections that readers of a catalogue want, by their titles."""
        return {title: self.doc.sections[title] for title in FACTS if title in self.doc.sections}

    def to_json(self) -> dict[str, Any]:
        """Return what ``imbtk strategies --json`` shows."""
        return {
            "name": self.name,
            "summary": self.summary,
            "family": self.family,
            "stages": list(self.stages),
            "options": [asdict(option) for option in self.options],
            "distribution": self.distribution,
            "takes_window": self.takes_window,
            "hooks": [hook.name for hook, _ in self.actions],
        }


def describe(cls: type[Strategy], provider: str = "") -> StrategyDescription:
    """Describe a strategy class.

    Parameters
    ----------
    cls : Strategy class
    provider : str
        Who ships it.

    Returns
    -------
    StrategyDescription
    """
    # Not inspect.getdoc: a strategy without a docstring must not show that of the base class.
    doc = parse_docstring(cls.__doc__)
    actions = tuple((hook, parse_docstring(getattr(cls, hook.name).__doc__).summary) for hook in cls.hooks())
    options = describe_options(cls)
    example = str(StrategySpec(cls.name, _example_options(cls, options)))
    examples = [cls.name, example] if example != cls.name else [cls.name]
    if any(hook.windowed for hook, _ in actions):
        examples.append(f"{cls.name}@50%-")
    return StrategyDescription(
        name=cls.name,
        summary=doc.summary or "(its author wrote no description)",
        doc=doc,
        actions=actions,
        options=options,
        distribution=provider,
        class_name=cls.__name__,
        module=cls.__module__,
        file=_file_of(cls),
        examples=tuple(examples),
    )


def _file_of(cls: type) -> str:
    try:
        return inspect.getfile(cls)
    except (OSError, TypeError):
        return ""


def describe_options(model: type[BaseModel]) -> tuple[OptionDescription, ...]:
    """Describe the fields of a strategy or of a configuration, in their order."""
    return tuple(_describe_option(name, field) for name, field in model.model_fields.items())


def _describe_option(name: str, field: FieldInfo) -> OptionDescription:
    bounds: dict[str, float] = {}
    for item in field.metadata:
        for kind in ("ge", "gt", "le", "lt"):
            if getattr(item, kind, None) is not None:
                bounds[kind] = getattr(item, kind)
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    return OptionDescription(
        name=name,
        type=_type_words(field.annotation),
        default=to_jsonable_python(default, fallback=str),
        description=field.description or "",
        minimum=bounds.get("ge", bounds.get("gt")),
        maximum=bounds.get("le", bounds.get("lt")),
        choices=_choices(field.annotation) or None,
        required=field.is_required(),
        above_minimum="gt" in bounds,
        below_maximum="lt" in bounds,
    )


def _arms(annotation: Any) -> list[Any]:
    """Return the types that a union joins, without None; any other type alone."""
    if annotation is JsonValue:
        return [Any]
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _arms(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [part for arm in typing.get_args(annotation) for part in _arms(arm)]
    return [] if annotation is type(None) else [annotation]


def _choices(annotation: Any) -> tuple[Any, ...]:
    arms = [arm for arm in _arms(annotation) if typing.get_origin(arm) is Literal]
    return tuple(value for arm in arms for value in typing.get_args(arm))


def _type_words(annotation: Any) -> str:
    """Return a type in words that need no Python."""
    words = [_one_type(arm) for arm in _arms(annotation)]
    return " or ".join(dict.fromkeys(words)) or "any"


def _one_type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "choice"
    if annotation in _LISTS:
        return "list"
    if origin in _LISTS:
        kinds = dict.fromkeys(_type_words(argument) for argument in arguments if argument is not Ellipsis)
        return "list of " + " and ".join(kinds)
    if origin is dict:
        return f"{_type_words(arguments[1])} by name"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    return str(getattr(annotation, "__name__", annotation))


def _example_options(cls: type[Strategy], options: tuple[OptionDescription, ...]) -> dict[str, Any]:
    """Return one option with a value that the strategy takes, for an example; none if none is found."""
    for option in options:
        values = [choice for choice in option.choices or () if choice != option.default]
        values += [option.default] if option.default not in (None, [], {}) else []
        for value in values:
            try:
                cls(**{option.name: value})
            except (ImbtkError, ValueError):
                continue  # the value needs others beside it
            return {option.name: value}
    return {}
