"""Files of our own: where they are kept between runs, how they are written, how JSON is read back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from imbtk.errors import RunFolderError

__all__ = [
    "cache_folder",
    "csv_text",
    "read_document",
    "read_versioned",
    "replacing",
    "write_atomically",
    "write_csv",
    "write_json",
]


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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give another name beside `path` to write to, and rename at the end: nobody ever reads half a file.

    What a ``with`` block has not finished is removed. The ending stays last: some writers look at it.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, document: object) -> None:
    """Write JSON for people and programs: a level a column, letters as they are, no NaN."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, row by row; None is an empty cell."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        _write_rows(file, header, rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as :func:`write_csv` writes it."""
    buffer = io.StringIO(newline="")
    _write_rows(buffer, header, rows)
    return buffer.getvalue()


def _write_rows(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


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
            "update imbtk (pip install -U imbtk)."
        )
    return data
