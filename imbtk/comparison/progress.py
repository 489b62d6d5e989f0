"""What a comparison says while it goes on: progress on standard error, the table on standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbtk.comparison.cells import CellResult
from imbtk.console.progress import SECONDS_BETWEEN_LINES, RunProgress

__all__ = ["GridProgress"]


class GridProgress(RunProgress):
    """Tells the person at the terminal how far the grid is.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self._done = self._todo = self._failed = 0
        self._started = self._told = time.monotonic()

    def on_grid(self, folder: Path, cells: int, mine: int, todo: int, left_out: Mapping[str, str]) -> None:
        """Say how many cells there are and how many are left to do."""
        self._todo, self._started = todo, time.monotonic()
        if self.quiet:
            return
        self._close()
        for name, reason in left_out.items():
            print(f"left out: '{name}': {reason}", file=sys.stderr)
        share = f", {mine} of them in this shard" if mine < cells else ""
        done = f", {mine - todo} done before" if mine > todo else ""
        print(f"{cells} cells (plan x fold x repeat) in {folder}{share}{done}", file=sys.stderr)
        if self.console.is_terminal and todo:
            self._open_grid()

    def _open_grid(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("cells", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=self._todo)

    def on_cell(self, words: str, result: CellResult) -> None:
        """Show that a cell has ended."""
        self._done += 1
        self._failed += result.state == "failed"
        if self.quiet:
            return
        if result.state == "failed":
            self._print(f"failed: {words}: {result.reason}")
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=words)
        elif self._done == self._todo or time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            print(f"{self._done} of {self._todo} cells, {self._told - self._started:.0f} s", file=sys.stderr)

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False)
        else:
            print(line, file=sys.stderr)

    def on_left(self, folder: Path, left: int) -> None:
        """Say that other shards have cells to do."""
        if not self.quiet:
            self._close()
            print(f"{left} cells are left for other shards. When they are done: imbtk report {folder}", file=sys.stderr)

    def on_results(self, document: Mapping[str, Any], folder: Path) -> None:
        """Print the table and where everything is."""
        self._close()
        if self.quiet:
            return
        from imbtk.comparison.terminal import print_table

        print_table(self.output, document, folder)
