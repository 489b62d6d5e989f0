"""Flags made from the fields of a configuration, and help that is grouped by subject."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from pydantic import BaseModel

from imbtk.cli.completion import StrategyName
from imbtk.cli.program import COMMANDS, traceback_option
from imbtk.discovery.describe import OptionDescription, describe_options

__all__ = ["HELP", "SECTIONS", "Flag", "SectionedCommand", "config_flags", "flag_name", "plugin_flag"]

SECTIONS: dict[str, tuple[str, ...]] = {
    "Comparison": ("folds", "repeats", "primary", "margin", "also_ungrouped"),
    "Strategies": (
        "plan", "each", "pairs", "plan_set", "strategies", "plugins", "without", "allow_overcorrection",
        "from_comparison", "row",
    ),
    "Data": (
        "label_level", "where", "path_column", "label_column", "class_names", "group_column", "split_column",
        "categorical", "numeric", "drop", "decimal", "dates", "groups", "group_pattern", "group_name", "group_label",
        "ignore_split", "drop_conflicts", "drop_leaks", "positive", "induce_imbalance", "image_size", "resize",
        "domain", "cache_dir",
    ),
    "Model": ("model", "pretrained", "weights", "freeze", "lr_backbone"),
    "Training": (
        "epochs", "batch_size", "accumulate", "lr", "optimizer", "weight_decay", "schedule", "warmup", "milestones",
        "fall", "clip_norm", "early_stop", "patience", "max_minutes", "fold", "seed", "device", "precision",
        "memory_format", "threads",
    ),
    "Probabilities and decisions": ("deploy", "decide"),
    "Output": ("out", "discard_unfinished"),
}  # fmt: skip
"""Under which heading each field stands in the help; what is not named here stands under :data:`OTHER`."""

OTHER = "Other options"

ARGUMENTS = ("data",)
"""Fields that are given without a flag."""

_NAMES = {"strategies": ("-s", "--strategy"), "plugins": ("--plugin",), "from_comparison": ("--from",)}
_METAVARS = {
    "plan": "NAME",
    "each": "SPEC,SPEC",
    "primary": "METRIC",
    "strategies": "SPEC",
    "plugins": "FILE.py",
    "without": "NAME",
    "class_names": "LABEL=NAME,…",
    "where": "COLUMN=VALUE",
    "categorical": "A,B",
    "numeric": "A,B",
    "drop": "A,B",
    "group_pattern": "REGEX",
    "group_name": "NOUN",
    "group_label": "RULE",
    "induce_imbalance": "IF[:step]",
    "positive": "CLASS",
    "deploy": "PRIOR",
    "early_stop": "METRIC",
}
_FILES = {"weights": "FILE", "out": "DIR", "cache_dir": "DIR", "plugins": "FILE.py", "from_comparison": "DIR"}
_LONGEST_CHOICE = 24


class Flag(click.Option):
    """An option with the heading under which it stands in the help."""

    def __init__(self, names: Sequence[str], *, section: str = OTHER, **attributes: Any) -> None:
        super().__init__(names, **attributes)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its text, a switch without its ``--no-``: it is only wanted against a file."""
        record = super().get_help_record(ctx)
        return None if record is None else (record[0].partition(" / ")[0], record[1])


HELP = {"help_option_names": ["-h", "--help"]}


class SectionedCommand(click.Command):
    """A command that says of itself what its function does, with the flags grouped by subject, ``--traceback`` last."""

    def __init__(
        self, name: str, callback: Callable[..., Any], params: Sequence[click.Parameter], short_help: str | None = None
    ) -> None:
        super().__init__(
            name,
            callback=callback,
            help=callback.__doc__,
            short_help=short_help or COMMANDS.get(name),
            params=[*params, traceback_option()],
            context_settings=HELP,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an error knows whose they are, so that it can name the help."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, each heading once, in the order in which headings first occur; the rest comes last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", OTHER), []).append(record)
        for title in sorted(sections, key=lambda title: title == OTHER):
            with formatter.section(title):
                formatter.write_dl(sections[title])


def plugin_flag() -> Flag:
    """Return the flag ``--plugin`` of commands that speak of strategies and train nothing."""
    return Flag(
        ["--plugin", "plugin_files"],
        section="Options",
        type=click.Path(),
        multiple=True,
        metavar="FILE.py",
        help="A Python file that offers strategies. [can be repeated]",
    )


def flag_name(field: str) -> str:
    """Return the flag of a field: ``--batch-size`` of ``batch_size``."""
    return _NAMES.get(field, (f"--{field.replace('_', '-')}",))[-1]


def config_flags(model: type[BaseModel]) -> list[click.Parameter]:
    """Return a flag for each field of a configuration but the arguments, in the order of the help.

    A flag that is not given is None (or empty, if it can stand more than once): defaults stay with the configuration.
    """
    described = {option.name: option for option in describe_options(model) if option.name not in ARGUMENTS}
    placed: dict[str, str] = {name: title for title, names in SECTIONS.items() for name in names if name in described}
    placed |= {name: OTHER for name in described if name not in placed}
    return [_flag(described[name], title) for name, title in placed.items()]


def _flag(option: OptionDescription, section: str) -> Flag:
    names = _NAMES.get(option.name, (flag_name(option.name),))
    attributes: dict[str, Any] = {"section": section, "help": _help(option), "default": None}
    if option.type == "true or false":
        return Flag([f"{names[-1]}/--no-{names[-1].removeprefix('--')}", option.name], **attributes)
    attributes["type"] = _type(option)
    attributes["metavar"] = _metavar(option)
    if option.type.startswith("list"):
        attributes |= {"multiple": True, "default": ()}
    return Flag([*names, option.name], **attributes)


def _type(option: OptionDescription) -> click.ParamType[Any]:
    if option.name == "strategies":
        return StrategyName()
    if option.name in _FILES:
        return click.Path()
    if option.type == "choice":
        return click.Choice([str(choice) for choice in option.choices or ()])
    plain: Mapping[str, click.ParamType[Any]] = {"integer": click.INT, "number": click.FLOAT}
    return plain.get(option.type, click.STRING)


def _metavar(option: OptionDescription) -> str:
    if option.name in _METAVARS or option.name in _FILES:
        return _METAVARS.get(option.name) or _FILES[option.name]
    if option.choices:
        listed = "|".join(map(str, option.choices))
        return f"[{listed}]" if len(listed) <= _LONGEST_CHOICE else "WORD"
    return {"integer": "N", "number": "X"}.get(option.type, "NAME")


def _help(option: OptionDescription) -> str:
    """Return the description with the choices that the flag does not show, the bounds and the default."""
    text = inspect.cleandoc(option.description)
    notes = []
    if option.choices and not _metavar(option).startswith("["):
        notes.append("one of " + ", ".join(map(str, option.choices)))
    if option.bounds:
        notes.append(option.bounds)
    if option.default is not False and option.default_text != "not set":
        notes.append(f"default {option.default_text}")
    if option.type.startswith("list"):
        notes.append("can be repeated")
    return f"{text} [{'; '.join(notes)}]" if notes else text
