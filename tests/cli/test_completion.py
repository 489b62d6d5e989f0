"""Tests of completion: names of strategies come from entry points, and no plugin is imported for them."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import click
import pytest

from imbtk.cli.completion import StrategyName
from imbtk.cli.run import command
from imbtk.discovery import catalogue


def complete(incomplete: str) -> list[str]:
    context = click.Context(command)
    parameter = next(p for p in command.params if p.name == "strategies")
    return [item.value for item in parameter.shell_complete(context, incomplete)]


@pytest.fixture
def two_points(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(**_: Any) -> list[EntryPoint]:
        return [EntryPoint(name, "no.such.module", "imbtk") for name in ("soft-loss", "soft-order", "other")]

    monkeypatch.setattr(catalogue, "entry_points", points)
    monkeypatch.delenv("IMBTK_PLUGINS", raising=False)


@pytest.mark.usefixtures("two_points")
def test_names_begin_with_what_is_typed() -> None:
    assert complete("so") == ["soft-loss", "soft-order"]
    assert complete("") == ["other", "soft-loss", "soft-order"]
    assert complete("x") == []


def test_any_text_is_taken_as_it_is() -> None:
    assert StrategyName()("a-name:x=1,y=[2,3]@5-") == "a-name:x=1,y=[2,3]@5-"
