"""Tests of the flags that are made from a configuration's fields."""

from __future__ import annotations

from typing import Any, Literal

import click
from click.testing import CliRunner
from pydantic import BaseModel, Field

from imbtk.cli.flags import ARGUMENTS, OTHER, SECTIONS, Flag, SectionedCommand, config_flags, flag_name
from imbtk.comparison.config import ComparisonConfig
from imbtk.planning.config import RunConfig


class Toy(BaseModel):
    """Of every kind of field, one."""

    data: str | None = Field(None, description="An argument.")
    epochs: int | None = Field(None, ge=1, description="Passes.")
    lr: float = Field(0.5, gt=0, lt=1, description="Rate.")
    pretrained: bool = Field(True, description="Start from weights.")
    where: tuple[str, ...] = Field((), description="Filters.")
    resize: Literal["pad", "crop"] = Field("pad", description="How.")
    early_stop: Literal["a_long_choice", "another_long_choice"] | None = Field(None, description="When.")
    odd: str = Field("even", description="Of no section.")


def parse(*arguments: str) -> dict[str, Any]:
    """Return what a command made from Toy passes on."""
    seen: dict[str, Any] = {}
    command = SectionedCommand("toy", callback=lambda **given: seen.update(given), params=config_flags(Toy))
    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code == 0, result.output
    return seen


def test_what_is_not_given_is_empty_so_that_defaults_stay_with_the_configuration() -> None:
    assert set(parse().values()) == {None, ()}


def test_values_are_read_by_type() -> None:
    given = parse("--epochs", "3", "--lr", "0.25", "--where", "a=1", "--where", "b=2", "--resize", "crop", "--odd", "x")
    assert given == {
        "epochs": 3,
        "lr": 0.25,
        "pretrained": None,
        "where": ("a=1", "b=2"),
        "resize": "crop",
        "early_stop": None,
        "odd": "x",
    }


def test_switches_go_both_ways() -> None:
    assert parse("--pretrained")["pretrained"] is True
    assert parse("--no-pretrained")["pretrained"] is False


def test_help_names_bounds_defaults_and_choices_under_headings() -> None:
    command = SectionedCommand(
        "toy",
        callback=lambda **given: None,
        params=[*config_flags(Toy), click.Option(["--plain"], is_flag=True, help="Plain.")],
    )
    text = CliRunner().invoke(command, ["--help"]).output
    flat = " ".join(text.split())
    assert "--epochs N Passes. [at least 1]" in flat
    assert "--lr X Rate. [above 0, below 1; default 0.5]" in flat
    assert "--pretrained Start from weights. [default true]" in flat
    assert "--where COLUMN=VALUE Filters. [can be repeated]" in flat
    assert "--resize [pad|crop] How. [default pad]" in flat
    assert "--early-stop METRIC When. [one of a_long_choice, another_long_choice]" in flat
    headings = [line for line in text.split("\n") if line and not line.startswith(" ")]
    assert headings[1:] == ["Data:", "Model:", "Training:", f"{OTHER}:"]
    last = "--odd NAME Of no section. [default even] --plain Plain. --traceback Show where in the code an error"
    assert last in flat
    assert flat.endswith("-h, --help Show this message and exit.")


def test_names_of_flags() -> None:
    assert flag_name("batch_size") == "--batch-size"
    assert flag_name("strategies") == "--strategy"
    assert flag_name("plugins") == "--plugin"


def test_every_option_of_a_run_has_a_flag_under_a_heading() -> None:
    flags = {flag.name: flag for flag in config_flags(RunConfig)}
    assert set(flags) == set(RunConfig.model_fields) - set(ARGUMENTS)
    assert all(isinstance(flag, Flag) and flag.section in SECTIONS for flag in flags.values())


def test_every_name_under_a_heading_is_an_option_of_a_run_or_a_comparison() -> None:
    options = set(RunConfig.model_fields) | set(ComparisonConfig.model_fields)
    assert {name for names in SECTIONS.values() for name in names} <= options
