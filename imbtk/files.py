"""Files of our own: where they are kept between runs, and how they are written."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

__all__ = ["cache_folder", "write_atomically"]


def cache_folder(cache_dir: str | None) -> Path:
    """Return the folder for what can be made again: the one given, ``IMBTK_CACHE``, or the platform's own."""
    given = cache_dir or os.environ.get("IMBTK_CACHE")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "imbtk"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "imbtk"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imbtk"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
