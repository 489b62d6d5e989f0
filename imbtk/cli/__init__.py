"""The command line: thin, and quick to answer. Each command is a file of its own, loaded when it is called.

To add a command: a file ``imbtk/cli/NAME.py`` that defines ``command``, and a line in
:data:`imbtk.cli.program.COMMANDS`.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program ``imbtk`` and leave with its exit code: 0, 2 for a user's mistake, 130 when stopped."""
    from imbtk.cli.program import program

    program.main(prog_name="imbtk")
