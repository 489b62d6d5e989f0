"""What a run says while it goes on: live bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imbtk.wording import duration_text, sentence

__all__ = ["RunProgress"]

SECONDS_BETWEEN_LINES = 10.0
SECONDS_TO_ESTIMATE, WORTH_SAYING = 2.0, 15.0


class RunProgress:
    """Tells the person at the terminal what a run does: progress on standard error, the rest on standard output.

    Parameters
    ----------
    quiet : bool
        Say nothing but errors.
    clock : callable
        Seconds.
    """

    def __init__(self, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.quiet, self._clock = quiet, clock
        self._began: tuple[float, int] | None = None
        self._told_duration = False
        self._bar: Any = None
        self._data_task: Any = None
        self._task: Any = None
        self._epochs = 0
        self._training = "training"
        self._last_line = -SECONDS_BETWEEN_LINES
        self._figures = ""
        if not quiet:
            from rich.console import Console

            self.console = Console(stderr=True, highlight=False)
            self.output = Console(highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._data_task = self._task = None

    def _open(self) -> Any:
        """Return the live display, None where the output is no terminal."""
        if self._bar is None and self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%", markup=False),
                TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}", markup=False),
                console=self.console,
                transient=True,
            )
            self._bar.start()
        return self._bar

    def on_data(self, description: str, done: int, total: int) -> None:
        """Show how far reading the data is."""
        if self.quiet:
            return
        bar = self._open()
        if bar is None:
            if time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES or done == total:
                self._last_line = time.monotonic()
                print(f"{description}: {done} of {total}", file=sys.stderr)
            return
        if self._data_task is None:
            self._data_task = bar.add_task(description, total=total, figures="")
        bar.update(self._data_task, completed=done, total=total, description=description)

    def on_plan(self, document: Mapping[str, Any], seconds: float | None = None) -> None:
        """Print the plan, the defaults and the ledger before training, and how long it will take if that is known."""
        if self.quiet:
            return
        from imbtk.console.terminal import print_plan

        self._close()
        self._epochs = document["phases"][-1]["stop"]
        print_plan(self.output, document)
        self._began = None
        if seconds is not None:
            self._tell_duration(seconds)

    def _tell_duration(self, seconds: float) -> None:
        self._told_duration = True
        self.console.print(f"Training takes about {duration_text(seconds)}.")

    def on_ended(self, words: str) -> None:
        """Say that training ended for want of time."""
        if not self.quiet:
            self._close()
            self.console.print(sentence(words), style="yellow", markup=False)

    def on_step(self, step: int, total: int, loss: float) -> None:
        """Show how far training is; called at most ten times a second."""
        if self.quiet:
            return
        self._estimate(step, total)
        if (bar := self._open()) is None:
            return
        if self._task is None:
            self._task = bar.add_task(self._training, total=total, figures="")
        bar.update(self._task, completed=step, total=total, figures=f"loss {loss:.3f}  {self._figures}")

    def _estimate(self, step: int, total: int) -> None:
        """Say how long training takes, once, by its first seconds; nothing where it is soon over."""
        if self._told_duration:
            return
        now = self._clock()
        self._began = self._began or (now, step)
        began, first = self._began
        if now - began > SECONDS_TO_ESTIMATE:
            seconds = (now - began) * total / (step - first)
            if seconds > WORTH_SAYING:
                self._tell_duration(seconds)
            self._told_duration = True

    def on_epoch(self, epoch: int, record: Mapping[str, float]) -> None:
        """Show an epoch's metrics: loss, balanced accuracy, the worst class's sensitivity."""
        if self.quiet:
            return
        self._figures = ""
        if "validation_balanced_accuracy" in record:
            self._figures = (
                f"validation balanced accuracy {record['validation_balanced_accuracy']:.3f}  "
                f"worst sensitivity {record['validation_worst_sensitivity']:.3f}"
            )
        last = epoch + 1 == self._epochs
        if not self.console.is_terminal and (last or time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES):
            self._last_line = time.monotonic()
            print(
                f"epoch {epoch + 1} of {self._epochs}: loss {record['train_loss']:.4f}, {self._figures}".rstrip(", "),
                file=sys.stderr,
            )

    def on_inner_model(self, number: int, total: int) -> None:
        """Show that an inner model is trained, `number` of `total`, counted from 1."""
        self._train_another(f"threshold: inner model {number} of {total}")

    def on_member(self, number: int, total: int) -> None:
        """Show that a member of an ensemble is trained, `number` of `total`, counted from 1."""
        self._train_another(f"member {number} of {total}")

    def _train_another(self, what: str) -> None:
        if self.quiet:
            return
        self._training, self._figures = what, ""
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
        self._task = None
        if not self.console.is_terminal:
            print(self._training, file=sys.stderr)

    def on_results(self, metrics: Mapping[str, Any], folder: Path) -> None:
        """Print the per-class table and where everything is."""
        self._close()
        if self.quiet:
            return
        from imbtk.console.terminal import print_results

        print_results(self.output, metrics, folder)

    def on_failure(self, text: str) -> None:
        """Say on standard error, quiet or not, what a plugin failed to do when the run was over."""
        self._close()
        print(f"Warning: {text}", file=sys.stderr)
