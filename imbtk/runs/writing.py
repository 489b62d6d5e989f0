"""The run folder: written under another name, and given its own only when everything is in it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imbtk.errors import ImbtkError
from imbtk.files import write_csv, write_json
from imbtk.runs.format import LOG, LOGITS
from imbtk.runs.unfinished import begin, finish, unfinished_path

__all__ = ["RunFolder", "free_name"]


class RunFolder:
    """Where a run leaves what it made.

    Parameters
    ----------
    final : Path
        The folder to come.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path = unfinished_path(final)

    @contextlib.contextmanager
    def made(self, discard: bool) -> Iterator[None]:
        """Make the folder; give it its name at the end, or leave it as ``….unfinished`` with what went wrong.

        Parameters
        ----------
        discard : bool
            Delete first what an earlier attempt left.
        """
        begin(self.final, discard)
        began = time.time()
        try:
            yield
        except BaseException as error:
            self.log("".join(traceback.format_exception(error)))
            if isinstance(error, KeyboardInterrupt):
                error.add_note(f"What the run had so far is in '{self.path}'.")
            if isinstance(error, ImbtkError) and not (self.path / "checkpoint").exists():
                # A user's mistake before anything was learnt leaves nothing behind.
                shutil.rmtree(self.path, ignore_errors=True)
            raise
        self.log(f"done in {time.time() - began:.1f} s")
        finish(self.final)
        self.path = self.final

    def log(self, line: str) -> None:
        """Add a line with the time to ``log.txt``."""
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def write_json(self, name: str, document: object) -> None:
        """Write a JSON file of a name in :mod:`imbtk.runs.format`."""
        write_json(self.path / name, document)

    def write_csv(self, name: str, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
        """Write a CSV file of a name in :mod:`imbtk.runs.format`."""
        write_csv(self.path / name, header, lines)

    def write_logits(self, rows: np.ndarray, logits: np.ndarray) -> None:
        """Write the logits (n, K) of the test rows (n,), as trained, for what a comparison fits on rows unseen."""
        np.savez(self.path / LOGITS, rows=rows, logits=logits)


def free_name(parent: Path, plan: str) -> Path:
    """Return a folder name that is not taken: time, then the plan in letters that every file system has."""
    slug = re.sub(r"[^A-Za-z0-9.=@%+-]+", "_", plan)[:60].strip("_.") or "nothing"
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}"
    path, number = parent / stem, 2
    while path.exists() or unfinished_path(path).exists():
        path, number = parent / f"{stem}-{number}", number + 1
    return path
