"""Records of a run as JSON objects that say which schema they follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imbtk.errors import RunFolderError

__all__ = ["read_document", "read_versioned"]


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
