"""How much faster a comparison is with two cells side by side, at the same threads a cell, and that its numbers stay.

Run on a quiet machine of at least two cores::

    python benchmarks/compare_jobs.py [--epochs 40]

Prints wall-clock seconds with --jobs 1 and --jobs 2, the best of two runs each, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import imbtk


def timed(folder: Path, jobs: int, epochs: int) -> tuple[float, str]:
    """Return seconds and, as text, every figure of a comparison that is no measured time."""
    began = time.perf_counter()
    found = imbtk.compare("builtin:digits", epochs=epochs, repeats=1, jobs=jobs, quiet=True, out=str(folder))
    seconds = time.perf_counter() - began
    document = json.loads(json.dumps(found.document))
    for row in document["rows"]:
        row.pop("cost", None)
    return seconds, json.dumps(document)


def main() -> None:
    """Print the two times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        timed(Path(scratch) / "warm-up", 1, 1)
        runs = [
            (jobs, *timed(Path(scratch) / f"{jobs}-{i}", jobs, arguments.epochs)) for i in range(2) for jobs in (1, 2)
        ]
    seconds = {jobs: min(s for j, s, _ in runs if j == jobs) for jobs in (1, 2)}
    same = len({text for *_, text in runs}) == 1
    print(f"--jobs 1: {seconds[1]:.1f} s   --jobs 2: {seconds[2]:.1f} s   ratio {seconds[1] / seconds[2]:.2f}")
    print("all figures are the same to the last digit" if same else "FIGURES DIFFER")


if __name__ == "__main__":
    main()
