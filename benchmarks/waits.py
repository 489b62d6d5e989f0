"""How long a user waits for imbtk, beside what a plain ``import torch`` takes on the same machine.

Run on a quiet machine::

    python benchmarks/waits.py [--rounds 5] [--only strategies]

Prints a Markdown table: for each command the least wall-clock seconds of all rounds, its ratio to ``import torch``, and
processor seconds, which a busy machine changes less. Rounds go through all commands in turn, so that whatever else the
machine does meets them all. To add a wait, add a line to :data:`WAITS`.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

IMBTK = (sys.executable, "-m", "imbtk")
DIGITS = ("run", "builtin:digits", "-s", "stratified-split", "-s", "class-weights", "-s", "augment", "--epochs", "1")


@dataclass(frozen=True)
class Wait:
    """A command that somebody waits for.

    Attributes
    ----------
    name : str
    command : tuple of str
        ``OUT`` stands for a folder that is not there yet.
    again : bool
        Whether what it keeps between calls is there already.
    """

    name: str
    command: tuple[str, ...]
    again: bool = True


TORCH = Wait("python -c 'import torch'", (sys.executable, "-c", "import torch"))
WAITS = (
    TORCH,
    Wait("imbtk --help", (*IMBTK, "--help")),
    Wait("imbtk run --help", (*IMBTK, "run", "--help")),
    Wait("imbtk strategies, first call", (*IMBTK, "strategies"), again=False),
    Wait("imbtk strategies", (*IMBTK, "strategies")),
    Wait("imbtk strategies NAME", (*IMBTK, "strategies", "class-weights")),
    Wait("imbtk run builtin:digits, dry run", (*IMBTK, *DIGITS, "--dry-run")),
    Wait("imbtk run builtin:digits, one epoch", (*IMBTK, *DIGITS, "--out", "OUT")),
)


def measured(wait: Wait, scratch: Path) -> tuple[float, float]:
    """Return wall-clock and processor seconds of one call.

    Raises
    ------
    subprocess.CalledProcessError
        If the command fails.
    """
    cache, out = scratch / "cache", scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    if not wait.again:
        shutil.rmtree(cache, ignore_errors=True)
    command = [str(out) if word == "OUT" else word for word in wait.command]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "IMBTK_CACHE": str(cache)}, cwd=scratch)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="part of a name: leave out all other waits")
    arguments = parser.parse_args()
    waits = [wait for wait in WAITS if wait is TORCH or arguments.only in wait.name]
    least: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for wait in waits:  # modules are compiled and files read once before anything is timed
            measured(wait, Path(folder))
        for _ in range(arguments.rounds):
            for wait in waits:
                found = measured(wait, Path(folder))
                wall, cpu = least.get(wait.name, found)
                least[wait.name] = (min(wall, found[0]), min(cpu, found[1]))
    print("| what | seconds | times import torch | processor seconds |\n| --- | ---: | ---: | ---: |")
    for name, (wall, cpu) in least.items():
        print(f"| `{name}` | {wall:.2f} | {wall / least[TORCH.name][0]:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
