"""Folders on their way: written as ``NAME.unfinished``, named when everything is in them, never deleted unasked."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imbtk.errors import RunFolderError

__all__ = ["begin", "check_unfinished", "finish", "unfinished_path", "writing_folder"]

_MARK = ".imbtk-unfinished"
"""A file that says whose an unfinished folder is; the first to come, and the last to go."""


def unfinished_path(final: Path) -> Path:
    """Return where a folder is written before it gets its name.

    Examples
    --------
    >>> unfinished_path(Path("runs/first")).as_posix()
    'runs/first.unfinished'
    """
    return final.with_name(f"{final.name}.unfinished")


def check_unfinished(final: Path, discard: bool) -> None:
    """Refuse to write a folder where something unfinished is in the way.

    Parameters
    ----------
    final : Path
        The folder to come.
    discard : bool
        Whether the user wants what is unfinished deleted.

    Raises
    ------
    RunFolderError
        If it is in the way, and is not to be deleted or not imbtk's to delete.
    """
    path = unfinished_path(final)
    if not os.path.lexists(path):
        return
    if not _is_ours(path):
        raise RunFolderError(
            f"'{path}' is in the way of '{final}', and is no folder that imbtk left unfinished: it is not deleted. "
            "Move it away, or choose another --out."
        )
    if not discard:
        kept = ", and holds a checkpoint" if (path / "checkpoint").is_dir() else ""
        raise RunFolderError(
            f"'{path}' is there{kept}: what was to become '{final}' did not come to its end, or is still being "
            "written. Choose another --out, or delete it with --discard-unfinished (discard_unfinished=True in Python)."
        )


def begin(final: Path, discard: bool = False) -> Path:
    """Make the folder that will become `final`, and return where it is.

    Parameters
    ----------
    final : Path
    discard : bool
        Delete first what an earlier attempt left.

    Raises
    ------
    RunFolderError
        If something is in the way, or the folder cannot be made.
    """
    check_unfinished(final, discard)
    path = unfinished_path(final)
    try:
        if path.exists():
            shutil.rmtree(path)
        # Not over one that another process makes at this moment.
        path.mkdir(parents=True)
        (path / _MARK).write_text(f"Being written by imbtk; it will be named {final.name}.\n", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunFolderError(f"the folder '{final}' cannot be made: {reason}. Choose another --out.") from error
    return path


def finish(final: Path) -> None:
    """Give a folder its name.

    Raises
    ------
    RunFolderError
        If something of that name appeared meanwhile; what was written stays where it is.
    """
    path = unfinished_path(final)
    # A rename would take the place of an empty folder.
    if os.path.lexists(final):
        raise RunFolderError(f"'{final}' appeared meanwhile, and is not overwritten; what was made is in '{path}'.")
    os.replace(path, final)
    (final / _MARK).unlink(missing_ok=True)


@contextlib.contextmanager
def writing_folder(final: Path, discard: bool = False) -> Iterator[Path]:
    """Make a folder in which a ``with`` block writes, whole or not at all.

    Parameters
    ----------
    final : Path
    discard : bool
        As in :func:`begin`.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    RunFolderError
        As :func:`begin` and :func:`finish` do.
    """
    path = begin(final, discard)
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    finish(final)


def _is_ours(path: Path) -> bool:
    # An empty one is what a kill between making and marking it leaves.
    return path.is_dir() and not path.is_symlink() and ((path / _MARK).is_file() or not any(path.iterdir()))
