"""Checks of a strategy's options: refused where they are wrong, written and read back, explained."""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticSerializationError

from imbtk.authoring.options import parse_spec
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.describe import OptionDescription, describe_options
from imbtk.errors import ImbtkError, OptionError
from imbtk.testing.bench import benches
from imbtk.testing.dry_run import dry_run
from imbtk.testing.registry import CheckFailure, Subject, check

__all__: list[str] = []


class _Nonsense:
    """A value that no option can mean."""

    def __repr__(self) -> str:
        return "an object that is no value"


def bad_values(option: OptionDescription) -> Iterator[Any]:
    """Yield values that an option must refuse, made from what its field declares."""
    yield _Nonsense()
    words = set(option.type.replace("list of", "").split(" or "))
    numeric = bool(words & {"number", "integer"})
    if numeric and "text" not in words:
        yield "no such value"
        yield float("nan")
        yield float("inf")
    if option.choices and not words & {"text", "number", "integer"}:
        yield "no such choice"
    if option.minimum is not None:
        yield option.minimum if option.above_minimum else option.minimum - 1
    if option.maximum is not None:
        yield option.maximum if option.below_maximum else option.maximum + 1


def good_options(strategy: Strategy) -> Iterator[dict[str, Any]]:
    """Yield sets of options that the strategy takes: its own, and each of its choices and bounds where they stand."""
    own = {name: getattr(strategy, name) for name in type(strategy).model_fields}
    yield own
    for option in describe_options(type(strategy)):
        candidates = [*(option.choices or ()), option.minimum, option.maximum]
        if option.type == "true or false":
            candidates += [True, False]
        for value in candidates:
            try:
                type(strategy)(**{**own, option.name: value})
            except (ImbtkError, ValueError, TypeError):
                continue  # it does not go with the other options
            yield {**own, option.name: value}


@check("options-refused")
def options_refused(subject: Subject) -> None:
    """Each bad option value is refused with an OptionError that names the option; so is an unknown option."""
    cls = type(subject.strategy)
    own = {name: getattr(subject.strategy, name) for name in cls.model_fields}
    _refuses(cls, {**own, "no_such_option": 1}, "no_such_option", "no option of that name exists")
    for option in describe_options(cls):
        for value in bad_values(option):
            _refuses(cls, {**own, option.name: value}, option.name, f"the field is '{option.type} {option.bounds}'")


def _refuses(cls: type[Strategy], options: dict[str, Any], name: str, why: str) -> None:
    given = f"{name}={options[name]!r}"
    mend = (
        "Declare the option with its type and bounds, power: float = option(0.5, '...', ge=0), and leave __init__ and "
        "model_config as Strategy has them; raise ValueError in validators."
    )
    try:
        cls(**options)
    except OptionError as error:
        if name not in str(error):
            raise CheckFailure(f"{given} is refused without naming the option: {error}", mend) from None
        return
    except Exception as error:  # a stranger's validator may raise anything
        raise CheckFailure(
            f"{given} ends in {type(error).__name__}: {error}, instead of an OptionError", mend
        ) from error
    raise CheckFailure(f"{given} is taken, though {why.strip()}", mend)


@check("options-explained")
def options_explained(subject: Subject) -> None:
    """The class and each option say what they are: help, listing and report show it."""
    cls = type(subject.strategy)
    if not (cls.__doc__ or "").strip() or cls.__doc__ == Strategy.__doc__:
        raise CheckFailure(f"class {cls.__name__} has no docstring", "Write one line that says what it does.")
    for option in describe_options(cls):
        if not option.description.strip():
            raise CheckFailure(
                f"option '{option.name}' has no description",
                f"Give it one: {option.name}: ... = option({option.default_text}, 'What it means, with its unit.').",
            )


@check("options-written")
def options_written(subject: Subject) -> None:
    """Options can be written in the one grammar and read back, as a config file and a saved run do."""
    cls = type(subject.strategy)
    for options in good_options(subject.strategy):
        strategy, written = cls(**options), f"{cls.__name__}({options})"
        mend = "Use numbers, text, true/false, lists and tables of them for options, not classes of your own."
        try:
            text = str(strategy.spec())
            again = cls(**parse_spec(text).options)
        except (ImbtkError, PydanticSerializationError, ValueError, TypeError) as error:
            raise CheckFailure(f"{written} cannot be written and read back: {error}", mend) from error
        if again.options() != strategy.options():
            raise CheckFailure(f"{written} is written '{text}' and read back as {again!r}", mend)


@check("options-read")
def options_read(subject: Subject) -> None:
    """Each option is read: by a hook in some run, or at least somewhere in the class."""
    cls = type(subject.strategy)
    unread = set(cls.model_fields) - _read_somewhere(cls)
    for bench in benches(subject, ordinary=True) if unread else ():
        with _reads_noted(cls) as read:
            dry_run(bench)
        unread -= read
    if unread:
        name = min(unread)
        raise CheckFailure(
            f"option '{name}' is never read, so that setting it changes nothing",
            f"Use self.{name} in a hook, or leave the option out.",
        )


def _read_somewhere(cls: type[Strategy]) -> set[str]:
    """Return the names that the class's own code reads of an object, by attribute or by name."""
    names: set[str] = set()
    for owner in cls.__mro__[: cls.__mro__.index(Strategy)]:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError, SyntaxError):
            continue  # made where no source is kept: what is read when hooks are called has to do
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names | set(cls.model_fields) if names & {"model_dump", "options", "__dict__"} else names


@contextlib.contextmanager
def _reads_noted(cls: type[Strategy]) -> Iterator[set[str]]:
    """Collect the attributes that are read of objects of a class."""
    read: set[str] = set()
    plain, own = cls.__getattribute__, "__getattribute__" in vars(cls)

    def noting(self: object, name: str) -> Any:
        read.add(name)
        return plain(self, name)

    cls.__getattribute__ = noting  # type: ignore[method-assign]
    try:
        yield read
    finally:
        if own:
            cls.__getattribute__ = plain  # type: ignore[method-assign]
        else:
            del cls.__getattribute__
