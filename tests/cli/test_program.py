"""Tests of the program: quick to answer, lazy, and clear when something is wrong."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from imbtk import __version__
from imbtk.cli import run as run_module
from imbtk.cli.program import COMMANDS, program
from imbtk.errors import ImbtkError

Call = Callable[..., Result]
HEAVY = (
    "torch", "torch._dynamo", "torchvision", "sklearn", "imblearn", "matplotlib", "scipy", "scipy.special",
    "scipy.stats", "pandas", "numpy", "PIL", "jinja2",
)  # fmt: skip


def loaded(code: str, **environment: str) -> set[str]:
    """Return which of the heavy packages some code loads in a fresh interpreter."""
    report = f"\nimport sys\nprint('HEAVY', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return set(done.stdout.strip().split("\n")[-1].split()[1:])


def calling(*arguments: str) -> str:
    return f"from imbtk.cli.program import program\ntry: program.main({list(arguments)!r})\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["strategies", "--help"], ["run", "--lr", "x"]]
)
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(calling(*arguments)) == set()


@pytest.mark.parametrize("arguments", [["strategies"], ["strategies", "--json"], ["strategies", "tilt-weights"]])
def test_strategies_load_nothing_heavy_once_they_are_known(
    arguments: list[str], tmp_path: Path, plugin_file: Path
) -> None:
    (tmp_path / "acme_tilt.py").write_text(plugin_file.read_text())
    package = tmp_path / "acme_tilt-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tilt\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[imbtk]\nacme-tilt = acme_tilt\n")
    known = {"IMBTK_CACHE": str(tmp_path / "cache"), "IMBTK_PLUGINS": "acme-tilt", "PYTHONPATH": str(tmp_path)}
    assert "torch" in loaded(calling("strategies"), **known)
    assert loaded(calling(*arguments), **known) == set()


def test_a_dry_run_loads_torch_and_what_reads_images() -> None:
    allowed = {"torch", "numpy", "PIL", "scipy"}
    assert loaded(calling("run", "builtin:digits", "--dry-run"), IMBTK_PLUGINS="none") <= allowed


def test_a_run_loads_no_compiler_and_no_library_for_one_formula(tmp_path: Path) -> None:
    arguments = ("run", "builtin:digits", "--epochs", "1", "--out", str(tmp_path / "run"), "--quiet")
    seen = loaded(calling(*arguments), IMBTK_PLUGINS="none")
    assert (tmp_path / "run" / "report.html").is_file()
    assert "matplotlib" in seen
    assert not {"torch._dynamo", "torchvision", "imblearn"} & seen


def test_importing_the_command_line_loads_neither_commands_nor_pydantic() -> None:
    code = (
        "import imbtk.cli, imbtk.cli.program, sys\nassert not {'pydantic', 'rich', 'imbtk.cli.run'} & set(sys.modules)"
    )
    assert loaded(code) == set()


def test_the_check_for_heavy_packages_can_fail() -> None:
    assert loaded("import numpy") == {"numpy"}


@pytest.mark.parametrize(
    ("words", "expected"), [("imbtk str", "plain,strategies"), ("imbtk run --batch", "plain,--batch-size")]
)
def test_completion_of_commands_and_flags(words: str, expected: str) -> None:
    count = str(len(words.split()) - 1)
    environment = {"COMP_WORDS": words, "COMP_CWORD": count, "_IMBTK_COMPLETE": "bash_complete"}
    code = "from imbtk.cli import main\ntry: main()\nexcept SystemExit: pass"
    assert loaded(code, **environment) == set()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=True
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_its_summary(name: str, call: Call) -> None:
    command = importlib.import_module(f"imbtk.cli.{name.replace('-', '_')}").command
    assert command.name == name
    assert command.short_help == COMMANDS[name]
    assert COMMANDS[name].rstrip(".") in " ".join(call("--help").stdout.split())
    assert "--traceback" in call(name, "--help").stdout


def test_version(call: Call) -> None:
    assert call("--version").stdout == f"imbtk {__version__}\n"


def test_unknown_command(call: Call) -> None:
    result = call("runn")
    assert result.exit_code == 2
    assert result.stderr == "Error: unknown command 'runn'. Did you mean 'run'? Help: imbtk --help\n"
    assert result.stdout == ""


def test_no_command_shows_the_help(call: Call) -> None:
    result = call()
    assert result.exit_code == 2
    assert "Commands:" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--epoch", "3"], "unknown option --epoch. Did you mean --epochs? Help: imbtk run --help"),
        (["run", "--xyzzy", "3"], "unknown option --xyzzy. Help: imbtk run --help"),
        (
            ["run", "--bach-size", "3"],
            "unknown option --bach-size. Did you mean --batch-size? Help: imbtk run --help",
        ),
        (["--bogus"], "unknown option --bogus. Help: imbtk --help"),
        (
            ["run", "--epochs", "many"],
            "invalid value for '--epochs': 'many' is not a valid integer. Help: imbtk run --help",
        ),
        (
            ["run", "--optimizer", "adan"],
            "invalid value for '--optimizer': 'adan' is not one of 'adamw', 'sgd'. Help: imbtk run --help",
        ),
        (["run", "a", "b"], "got unexpected extra argument (b). Help: imbtk run --help"),
        (["run", "--out"], "option '--out' requires an argument. Help: imbtk run --help"),
    ],
)
def test_usage_errors(call: Call, arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stderr, result.stdout) == (2, f"Error: {message}\n", "")


def raising(error: BaseException) -> Callable[..., None]:
    def command(**options: Any) -> None:
        raise error

    return command


def test_a_users_mistake_is_one_paragraph(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module.command, "callback", raising(ImbtkError("row 3 is\n  broken.")))
    result = call("run")
    assert (result.exit_code, result.stderr, result.stdout) == (2, "Error: row 3 is broken.\n", "")


@pytest.mark.parametrize("arguments", [["--traceback", "run"], ["run", "--traceback"]])
def test_traceback_flag(call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(run_module.command, "callback", raising(ImbtkError("broken.")))
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.endswith("imbtk.errors.ImbtkError: broken.\n")


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_traceback_variable(call: Call, monkeypatch: pytest.MonkeyPatch, value: str, shown: bool) -> None:
    monkeypatch.setenv("IMBTK_TRACEBACK", value)
    monkeypatch.setattr(run_module.command, "callback", raising(ImbtkError("broken.")))
    assert ("Traceback" in call("run").stderr) is shown


def test_a_bug_keeps_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module.command, "callback", raising(ZeroDivisionError("a bug")))
    assert isinstance(call("run").exception, ZeroDivisionError)


def test_stopped_before_anything_was_written(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module.command, "callback", raising(KeyboardInterrupt()))
    result = call("run")
    assert (result.exit_code, result.stderr.strip()) == (130, "Stopped. Nothing was kept.")


def test_errors_pass_through_without_standalone_mode() -> None:
    with pytest.raises(ImbtkError, match="there is no configuration file"):
        program.main(["run", "-c", "nowhere.toml"], standalone_mode=False)


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "imbtk", "run", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


def test_output_that_the_terminal_cannot_show_becomes_question_marks() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:strict"}
    done = subprocess.run(
        [sys.executable, "-m", "imbtk", "run", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    assert "NAME[:option=value,?]" in done.stdout
    assert done.stderr == ""
