"""The program: its commands, loaded when called, and how a failure is told."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from imbtk._version import __version__
from imbtk.errors import ImbtkError, did_you_mean

__all__ = ["COMMANDS", "Program", "program", "traceback_option"]

COMMANDS = {
    "check": "Look for what would spoil results on these data, before training.",
    "recommend": "Name plans that are worth comparing on these data, with reasons and evidence.",
    "run": "Train one plan of strategies on one split of the data.",
    "compare": "Train several plans on the same splits: which help, and is it chance?",
    "reproduce": "Train a published table again, ours beside its figures.",
    "report": "Make the page of a run or of a comparison anew.",
    "predict": "Predict new rows with a trained run.",
    "evaluate": "Evaluate a trained run on new data.",
    "strategies": "List the strategies that there are, or show one of them.",
    "plans": "List the plans that have a name, or show one of them.",
    "plugins": "List the plugins that there are and what failed, or check a strategy.",
    "new-plugin": "Write a package for a strategy of your own.",
}
"""Every command with its line in ``imbtk --help``; command ``NAME`` is ``command`` in ``imbtk/cli/NAME.py``."""

USER_ERROR = 2
STOPPED = 130
CLOSED_PIPE = 1


@dataclass
class Telling:
    """How failures are told: with `traceback`, as a developer wants them."""

    traceback: bool = False


def _want_traceback(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    telling = context.find_object(Telling)
    if telling is not None and value:
        telling.traceback = True


def traceback_option() -> click.Option:
    """Return the flag ``--traceback``, which every command has."""
    return click.Option(
        ["--traceback"],
        is_flag=True,
        expose_value=False,
        callback=_want_traceback,
        help="Show where in the code an error came from (also IMBTK_TRACEBACK=1).",
    )


class Program(click.Group):
    """A group whose commands are imported when they are called, and whose errors are one paragraph each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of a name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"imbtk.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with; an unknown name gets the nearest ones."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"unknown command '{args[0]}'.{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing any, and flags."""
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program and leave with its exit code; without `standalone_mode` errors are passed on."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        _accept_any_text(sys.stdout, sys.stderr)
        telling = Telling(os.environ.get("IMBTK_TRACEBACK", "0") not in ("", "0"))
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, obj=telling, **extra)
            # What is still in the buffer meets a closed pipe here, not when the interpreter ends.
            sys.stdout.flush()
        except (ImbtkError, click.ClickException, click.Abort) as error:
            code = _tell(error, telling)
        except BrokenPipeError:
            code = _give_up_output()
        sys.exit(code if isinstance(code, int) else 0)


def _accept_any_text(*streams: TextIO) -> None:
    """Let characters that a terminal's encoding lacks come out as ``?`` instead of ending the program."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _tell(error: ImbtkError | click.ClickException | click.Abort, telling: Telling) -> int:
    """Print an error on standard error and return the exit code."""
    if telling.traceback:
        traceback.print_exception(error)
    elif isinstance(error, click.Abort):
        # The run folder notes on the interrupt where it left what there is.
        notes = getattr(error.__cause__, "__notes__", [])
        click.echo(" ".join(["Stopped.", *(notes or ["Nothing was kept."])]), err=True)
    else:
        text = _usage(error) if isinstance(error, click.ClickException) else str(error)
        click.echo(f"Error: {' '.join(text.split())}", err=True)
    return STOPPED if isinstance(error, click.Abort) else USER_ERROR


def _usage(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and where help is."""
    context = getattr(error, "ctx", None)
    text = error.format_message()
    if isinstance(error, click.NoSuchOption):
        known = [name for p in context.command.get_params(context) for name in p.opts] if context else []
        close = [name for name in known if name.startswith(error.option_name) and error.option_name.startswith("--")]
        close = close or difflib.get_close_matches(error.option_name, known, n=2, cutoff=0.7)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        text = f"unknown option {error.option_name}.{hint}"
    text = f"{text[:1].lower()}{text[1:]}".rstrip()
    text += "" if text.endswith((".", "?", "!")) else "."
    return text if context is None else f"{text} Help: {context.command_path} --help"


def _give_up_output() -> int:
    """Point standard output at nothing: its reader is gone, which is no error of ours."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE


program = Program(
    name="imbtk",
    params=[traceback_option()],
    help="Class imbalance in deep learning: every technique is one strategy, enabled by name with -s.",
    epilog="\b\nMore:     imbtk COMMAND --help\nTry out:  imbtk run builtin:digits",
    context_settings={"help_option_names": ["-h", "--help"]},
)
program = click.version_option(__version__, prog_name="imbtk", message="%(prog)s %(version)s")(program)
