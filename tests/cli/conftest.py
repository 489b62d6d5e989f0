"""A program to call, and a plugin in a file of its own: no test here needs a first-party strategy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imbtk.cli.program import program

PLUGIN = '''"""Two strategies for tests."""

from typing import Literal

import torch

from imbtk import RunContext, Strategy, hookimpl, option


class TiltWeights(Strategy):
    """Weight classes by a power of their rarity.

    Said at more length here.

    Notes
    -----
    The weight of class c is

        n_c ** -power

    and that is all.

    References
    ----------
    Nobody 2020, eq. 1.
    """

    power: float = option(0.5, "Exponent on the inverse frequency.", ge=0, lt=4)
    scheme: Literal["plain", "loud"] = option("plain", "How it is done.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return the weight of each class."""
        return context.class_counts.double().pow(-self.power)


class KeepHead(Strategy):
    """Leave the head as it is."""

    @hookimpl
    def imbtk_finish(self) -> None:
        pass
'''


@pytest.fixture
def plugin_file(tmp_path: Path) -> Path:
    """Return a file that offers ``tilt-weights`` and ``keep-head``."""
    path = tmp_path / "tilted.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that calls the program with arguments, in an empty folder and without installed plugins."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    monkeypatch.delenv("IMBTK_TRACEBACK", raising=False)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(program, [str(a) for a in arguments], prog_name="imbtk")

    return run
