"""Files of our own: where they are kept between runs, how they are written, how JSON is read back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from imbtk.errors import RunFolderError

__all__ = ["cache_folder", "read_document", "read_versioned", "write_atomically"]


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


def read_document(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Raises
    ------
    RunFolderError
        If there is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read as JSON: {error}. Repeat the run from its config.toml.") from None
    if not isinstance(data, dict):
        raise RunFolderError(f"{path} holds no JSON object. Repeat the run from its config.toml.")
    return data


def read_versioned(path: Path, newest: int) -> dict[str, Any]:
    """Return a JSON object of schema 1 to `newest`.

    Raises
    ------
    RunFolderError
        If it cannot be read, does not say its schema, or a newer imbtk wrote it.
    """
    data = read_document(path)
    version = data.get("schema_version")
    if not isinstance(version, int):
        raise RunFolderError(f"{path} does not say its schema_version. Repeat the run from its config.toml.")
    if version > newest:
        raise RunFolderError(
            f"{path} has schema_version {version}; this imbtk reads up to {newest}. The run was made by a newer imbtk: "
            "update imbtk (pip install -U imbtk) to report on it."
        )
    return data
