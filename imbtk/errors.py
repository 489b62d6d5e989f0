"""What a user did wrong, said so that it can be mended.

Every error here is an :class:`ImbtkError`: the command line prints its text without a traceback and ends with
exit code 2. Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConflictError",
    "DataError",
    "ImbtkError",
    "OptionError",
    "PlanError",
    "PluginError",
    "RandomStateError",
    "RunFolderError",
    "TrainingError",
    "did_you_mean",
    "full_stop",
]


class ImbtkError(Exception):
    """A user's mistake, with what is wrong, where, and what to do about it."""


class OptionError(ImbtkError, ValueError):
    """An option that does not exist or has a value that it cannot have."""


class DataError(ImbtkError, ValueError):
    """Data that cannot be read, or that cannot mean what they say."""


class PlanError(ImbtkError, ValueError):
    """A plan that makes no sense: an unknown strategy, a window outside the run."""


class ConflictError(PlanError):
    """Two strategies that claim the same choice in the same phase."""


class PluginError(ImbtkError, RuntimeError):
    """A plugin that cannot be loaded, or whose hook did what it may not."""


class RandomStateError(PluginError):
    """A plugin that draws from or seeds a global random state; `library` says whose."""

    def __init__(self, message: str, library: str) -> None:
        super().__init__(message)
        self.library = library


class RunFolderError(ImbtkError):
    """A run folder that is incomplete, from a newer version, or in the way."""


class TrainingError(ImbtkError, RuntimeError):
    """Training that cannot go on: a loss that is not finite, say."""


def full_stop(text: str) -> str:
    """Return a text that ends as a sentence does.

    Examples
    --------
    >>> full_stop("no such sampler. Did you mean 'SMOTE'?"), full_stop("too many")
    ("no such sampler. Did you mean 'SMOTE'?", 'too many.')
    """
    return text if text.endswith((".", "?", "!")) else f"{text}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``" Did you mean 'focal-loss'?"``, or list what there is.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What exists.

    Returns
    -------
    str
        A sentence with a leading space; empty if nothing exists.
    """
    names = sorted(set(known))
    by_lower = {known_name.lower(): known_name for known_name in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    if close:
        return " Did you mean " + " or ".join(repr(by_lower[c]) for c in close) + "?"
    if names:
        return " There is: " + ", ".join(names) + "."
    return ""
