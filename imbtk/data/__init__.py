"""From whatever a user has to a :class:`imbtk.data.dataset.Dataset`: sources, the store, groups, the leak check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from imbtk.data.options import DataOptions

if TYPE_CHECKING:
    from imbtk.data.dataset import Dataset
    from imbtk.data.sources import Source

__all__ = ["DataOptions", "load"]


def load(
    data: object,
    options: DataOptions | None = None,
    *,
    sources: Sequence[Source] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Return a data set.

    Parameters
    ----------
    data : str, Path, tuple or DataFrame
        A folder, a CSV or ``.npz`` file, ``"builtin:digits"``, ``"builtin:breast-cancer"``, ``(x, y)``,
        ``(x, y, groups)`` or a pandas DataFrame.
    options : DataOptions, optional
    sources : sequence of Source
        Formats of plugins, asked before core's own.
    progress : callable, optional
        ``(description, done, total)``, called now and then in the long parts.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the data cannot be read, or cannot mean what they say.
    OptionError
        If an option says nothing about data of this kind.

    Examples
    --------
    >>> load("builtin:breast-cancer").class_counts.tolist()
    [357, 212]
    """
    from imbtk.data.sources import open_data

    return open_data(data, options or DataOptions(), sources, progress)
