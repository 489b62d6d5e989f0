"""``imbtk run`` on tables of 100,000 and 1,000,000 rows, page included: time and peak memory, and how they grow.

Run it with ``python benchmarks/large_table.py [--rows 100000 1000000] [--model linear]``. A CSV file is written with
eight numbers, a column of three texts, a date, patients of three rows and a class of 2 %; each run is a process of its
own, one epoch, with ``stratified-split`` and ``class-weights``. The reach is 3 minutes and 4 GB for 1,000,000 rows.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CHUNK = 50_000
REACH = {1_000_000: (180.0, 4.0)}


def write(path: Path, rows: int) -> None:
    """Write the table."""
    generator = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*"abcdefgh", "site", "day", "patient", "label"))
        for start in range(0, rows, CHUNK):
            writer.writerows(_lines(generator, start, min(CHUNK, rows - start)))


def _lines(generator: np.random.Generator, start: int, n: int) -> Iterator[tuple[object, ...]]:
    rare = generator.random(n) < 0.02
    x = generator.normal(size=(n, 8)).round(4)
    x[:, 0] += 2 * rare
    site = generator.choice(["north", "south", "east"], n)
    day = np.datetime64("2020-01-01") + generator.integers(0, 1000, n)
    label = np.where(rare, "rare", "common")
    for i in range(n):
        yield (*x[i].tolist(), site[i], day[i], f"P{(start + i) // 3}", label[i])


def measure(path: Path, model: str, out: Path) -> tuple[float, float, float]:
    """Return seconds by the clock, seconds of processor time, and peak memory in GB of one run."""
    command = [sys.executable, "-m", "imbtk", "run", str(path), "--epochs", "1", "--model", model, "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "-s", "stratified-split", "-s", "class-weights", "--quiet"])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run failed with status {status}.")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--model", default="linear")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            path = Path(folder) / f"{rows}.csv"
            write(path, rows)
            clock, used, peak = measure(path, given.model, Path(folder) / f"run-{rows}")
            reach = REACH.get(rows)
            met = "" if reach is None else f" (reach {reach[0]:.0f} s, {reach[1]:g} GB)"
            print(f"{rows:>9,} rows  {clock:6.1f} s  processor {used:6.1f} s  peak {peak:.2f} GB{met}", flush=True)


if __name__ == "__main__":
    main()
