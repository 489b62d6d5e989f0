"""Which rows and groups a run saw in training or validation, as digests: so that nobody takes them for new ones.

A digest is 8 bytes of BLAKE2b under a key that lies in the same file. It hides names from a glance, not from whoever
holds the folder. Of a million seen and a million new rows, two differ and have one digest in one case of 18 million.
"""

from __future__ import annotations

import hashlib
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imbtk.errors import RunFolderError
from imbtk.runs.format import SEEN

__all__ = ["SeenRows", "seen_document"]

_CHANCE = 1e-3
"""Below this chance, equal rows of a table are more than its own duplicates explain."""


@dataclass(frozen=True)
class SeenRows:
    """What a run saw.

    Attributes
    ----------
    key : bytes
        Of the digests, drawn for each run: two runs cannot be matched by their digests.
    rows : ndarray of uint64, shape (n,)
        Digest of the content of each row of training and validation, sorted.
    groups : ndarray of uint64, shape (g,)
        Digest of the name of each group (patient) that these rows have, sorted; empty where groups are not known.
    """

    key: bytes
    rows: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, samples: Iterable[np.ndarray], group_names: Iterable[str]) -> SeenRows:
        """Return what there is to know of rows.

        Parameters
        ----------
        samples : iterable of ndarray, shape (n, ...)
            The rows, in parts: pixels of images as uint8, values of a table as float32, before normalisation.
        group_names : iterable of str
            Groups whose rows are identical are one, named ``"A + B"``: each of its names counts.
        """
        empty = cls(secrets.token_bytes(16), np.zeros(0, np.uint64), np.zeros(0, np.uint64))
        names = {part for name in group_names for part in (name, *name.split(" + "))}
        rows = [empty.row_digests(part) for part in samples]
        return cls(empty.key, np.sort(np.concatenate([empty.rows, *rows])), np.sort(empty.group_digests(sorted(names))))

    def write(self, folder: Path) -> None:
        """Write ``seen.npz`` into a run folder."""
        np.savez(folder / SEEN, key=np.frombuffer(self.key, np.uint8), rows=self.rows, groups=self.groups)

    @classmethod
    def read(cls, folder: Path) -> SeenRows | None:
        """Read ``seen.npz`` of a run folder; None for a run that kept none.

        Raises
        ------
        RunFolderError
            If it cannot be read.
        """
        path = folder / SEEN
        if not path.is_file():
            return None
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                key, rows, groups = (file[name] for name in ("key", "rows", "groups"))
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise RunFolderError(
                f"'{path}' cannot be read: {error}. Delete it to go on without the check for rows that were seen."
            ) from None
        if (
            key.dtype != np.uint8
            or key.shape != (16,)
            or any(a.dtype != np.uint64 or a.ndim != 1 for a in (rows, groups))
        ):
            raise RunFolderError(
                f"'{path}' does not hold what imbtk writes there. Delete it to go on without the check."
            )
        return cls(key.tobytes(), rows, groups)

    def row_digests(self, samples: np.ndarray) -> np.ndarray:
        """Return the digest of each row, uint64 of shape (n,)."""
        if samples.dtype.kind == "f":
            # One form of zero and of missing.
            samples = np.where(np.isnan(samples), np.float32(np.nan), samples.astype(np.float32) + np.float32(0))
        return self._digests((row.tobytes() for row in np.ascontiguousarray(samples)), b"row")

    def group_digests(self, names: Iterable[str]) -> np.ndarray:
        """Return the digest of each name, uint64 of shape (n,)."""
        return self._digests((name.encode("utf-8", "surrogateescape") for name in names), b"group")

    def _digests(self, contents: Iterable[bytes], what: bytes) -> np.ndarray:
        parts = (hashlib.blake2b(c, digest_size=8, key=self.key, person=what).digest() for c in contents)
        return np.frombuffer(b"".join(parts), dtype="<u8").astype(np.uint64)

    @property
    def duplicates(self) -> int:
        """Rows that another seen row equals: as frequent as new rows of the same source are equal to a seen one."""
        counts = np.unique(self.rows, return_counts=True)[1]
        return int(counts[counts > 1].sum())


def seen_document(
    seen: SeenRows | None,
    digests: np.ndarray | None,
    names: Sequence[str],
    group_names: Sequence[str] | None,
    kind: str,
) -> dict[str, Any]:
    """Return how many of new rows are none, for ``evaluation.json``.

    Parameters
    ----------
    seen : SeenRows, optional
        Of the run; None if it kept none.
    digests : ndarray of uint64, shape (n,), optional
        Of the new rows; needed with `seen`.
    names : sequence of str, length n
        What the rows are called.
    group_names : sequence of str, length n, optional
        Their groups, where known.
    kind : "images" or "table"

    Returns
    -------
    dict
        ``checked``; ``rows``, ``groups`` and ``group_rows`` (rows of these groups), all that were seen; ``refused``:
        whether that is more than honest data have; ``said``: it in a sentence, empty if nothing was seen.
    """
    if seen is None or digests is None:
        said = (
            "Whether this run was trained on some of these rows cannot be checked: it has no seen.npz (older versions "
            "of imbtk wrote none)."
        )
        return {"checked": False, "rows": None, "groups": None, "group_rows": None, "refused": False, "said": said}
    hit = np.isin(digests, seen.rows)
    met = np.zeros(len(hit), dtype=bool)
    if group_names is not None:
        met = np.isin(seen.group_digests(group_names), seen.groups)
    groups = list(dict.fromkeys(name for name, one in zip(group_names or (), met, strict=False) if one))
    rows = int(hit.sum())
    honest = kind == "table" and not _too_many(rows, len(hit), seen.duplicates, len(seen.rows))
    noun, sentences = "image" if kind == "images" else "row", []
    if rows:
        first = _first([name for name, one in zip(names, hit, strict=True) if one])
        own = f", no more than its own rows equal each other ({seen.duplicates / len(seen.rows):.1%})"
        sentences.append(
            f"{rows:,} of {len(hit):,} {noun}s equal one that this run was trained or validated on ({first})"
            f"{own if honest else ''}."
        )
    if groups:
        sentences.append(
            f"{len(groups):,} of {len(set(group_names or ())):,} groups ({_first(groups)}; {int(met.sum()):,} {noun}s) "
            "bear the name of a group that it was trained or validated on."
        )
    return {
        "checked": True,
        "rows": rows,
        "groups": None if group_names is None else len(groups),
        "group_rows": None if group_names is None else int(met.sum()),
        "refused": bool(groups) or (rows > 0 and not honest),
        "said": " ".join(sentences),
    }


def _too_many(hits: int, new: int, duplicates: int, seen: int) -> bool:
    """Tell whether new rows equal seen ones more often than seen ones equal each other, beyond chance."""
    if not hits:
        return False
    from scipy.stats import fisher_exact

    table = [[hits, new - hits], [duplicates, seen - duplicates]]
    return bool(fisher_exact(table, alternative="greater").pvalue < _CHANCE)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
