"""``python -m imbtk`` is the same program as ``imbtk``."""

from __future__ import annotations

import subprocess
import sys

from imbtk import __version__


def python_m(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "imbtk", *arguments], capture_output=True, text=True, check=False)


def test_it_answers() -> None:
    done = python_m("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"imbtk {__version__}\n", "")


def test_it_leaves_with_the_exit_code() -> None:
    done = python_m("run", "--no-such-flag")
    assert done.returncode == 2
    assert done.stderr == "Error: unknown option --no-such-flag. Help: imbtk run --help\n"
