"""How much faster a comparison is with two cells side by side, at the same threads a cell, and that its numbers stay.

Run on a quiet machine of at least two cores::

    python benchmarks/compare_jobs.py [--epochs 100] [--repeats 3]

Prints wall-clock seconds of the default comparison with --jobs 1 and --jobs 2, the table and the page included, and
their ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import imbtk


def timed(folder: Path, jobs: int, epochs: int, repeats: int) -> tuple[float, str]:
    """Return seconds and, as text, every figure of a comparison that is no measured time."""
    began = time.perf_counter()
    found = imbtk.compare("builtin:digits", epochs=epochs, repeats=repeats, jobs=jobs, quiet=True, out=str(folder))
    seconds = time.perf_counter() - began
    document = json.loads(json.dumps(found.document))
    for row in document["rows"]:
        row.pop("cost", None)
    return seconds, json.dumps(document)


def main() -> None:
    """Print the two times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        timed(Path(scratch) / "warm-up", 1, 1, 1)
        runs = {j: timed(Path(scratch) / str(j), j, arguments.epochs, arguments.repeats) for j in (1, 2)}
    seconds = {jobs: runs[jobs][0] for jobs in runs}
    same = runs[1][1] == runs[2][1]
    print(f"--jobs 1: {seconds[1]:.1f} s   --jobs 2: {seconds[2]:.1f} s   ratio {seconds[1] / seconds[2]:.2f}")
    print("all figures are the same to the last digit" if same else "FIGURES DIFFER")


if __name__ == "__main__":
    main()
