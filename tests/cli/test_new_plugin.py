"""``imbtk new-plugin``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from imbtk.authoring.hookspecs import strategy_hooks
from imbtk.cli.program import program


def test_a_package_is_written(tmp_path: Path) -> None:
    arguments = ["new-plugin", "margin-loss", "--hook", "criterion", "--directory", str(tmp_path)]
    result = CliRunner().invoke(program, arguments)
    folder = tmp_path / "imbtk-margin-loss"
    assert result.exit_code == 0
    assert result.output.startswith(f"{folder} is written.")
    assert f'pip install -e "{folder}[test]"' in result.output
    assert (folder / "src" / "imbtk_margin_loss" / "margin_loss.py").is_file()
    again = CliRunner().invoke(program, arguments)
    assert again.exit_code == 2
    assert "exists already, and nothing is overwritten" in again.output


def test_the_help_names_every_hook() -> None:
    text = CliRunner().invoke(program, ["new-plugin", "--help"], terminal_width=400).output
    for hook in strategy_hooks(lasting=True):
        assert hook.name.removeprefix("imbtk_").replace("_", "-") in text
