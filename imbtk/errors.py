"""What a user did wrong, said so that it can be mended.

Every error here is an :class:`ImbtkError`: the command line prints its text without a traceback and ends with
exit code 2. Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import TracebackType

__all__ = [
    "ConflictError",
    "DataError",
    "ImbtkError",
    "OptionError",
    "PlanError",
    "PluginError",
    "RandomStateError",
    "RunFolderError",
    "StrangersCode",
    "TrainingError",
    "as_sentence",
    "did_you_mean",
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


class StrangersCode:
    """Runs what a plugin brought: whatever it raises becomes a :class:`PluginError` that names it, its cause kept.

    imbtk's own errors, which plugins raise to say what a user did wrong, pass as they are. It is entered in every step
    of training, again and again, so it is no generator.

    Parameters
    ----------
    who : str
        ``"strategy 'focal-loss' (acme-imb 1.2)"``.
    where : str
        ``"imbtk_mix"``.
    remedy : str
        A sentence.
    """

    __slots__ = ("_remedy", "_where", "_who")

    def __init__(self, who: str, where: str, remedy: str) -> None:
        self._who, self._where, self._remedy = who, where, remedy

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (Exception, SystemExit)) and not isinstance(error, ImbtkError):
            said = as_sentence(f"{type(error).__name__}: {error}")
            raise PluginError(f"{self._who} failed in {self._where}: {said} {self._remedy}") from error


def as_sentence(text: str) -> str:
    """Return a text that ends as a sentence does, whatever it ended in: ``"oops"`` is ``"oops."``.

    Examples
    --------
    >>> [as_sentence(text) for text in ("oops", "oops.", "Did you mean 'a'? ")]
    ['oops.', 'oops.', "Did you mean 'a'?"]
    """
    text = text.rstrip()
    return text if text.endswith((".", "?", "!")) else f"{text.rstrip(':')}."


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
