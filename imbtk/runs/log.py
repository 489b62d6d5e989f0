"""What plugins say by ``logging`` while a run goes on: caught for ``log.txt``, everything else left as it was.

The root logger lets nothing below a warning through unless its user says so, so it is opened for the length of a run;
each handler that the user has is told to go on seeing what it saw.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

__all__ = ["PluginLog", "places_of", "said_in", "text_of"]


class PluginLog(logging.Handler):
    """Hands every log record from level INFO to `receive`, while it is entered as a context.

    Parameters
    ----------
    receive : callable
        ``LogRecord -> None``. Records of everybody come: :func:`said_in` tells whose they are.

    Notes
    -----
    A level that somebody set on a logger of their own, and ``logging.disable``, hold here too.
    """

    def __init__(self, receive: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.INFO)
        self._receive = receive
        self._root = logging.getLogger()
        self._root_level = self._root.level
        self._hushed: list[tuple[logging.Handler, _AsBefore]] = []

    def __enter__(self) -> Self:
        others = [handler for handler in self._root.handlers if isinstance(handler, PluginLog)]
        # Runs in several threads: the level that the user set is the one that the first of them found.
        self._root_level = others[0]._root_level if others else self._root.level
        for handler in _handlers():
            if not isinstance(handler, PluginLog):
                hush = _AsBefore(self._root_level)
                handler.addFilter(hush)
                self._hushed.append((handler, hush))
        self._root.addHandler(self)
        if self._root.level > logging.INFO:
            self._root.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.removeHandler(self)
        for handler, hush in self._hushed:
            handler.removeFilter(hush)
        if not any(isinstance(handler, PluginLog) for handler in self._root.handlers):
            self._root.setLevel(self._root_level)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on; where nobody else listens, Python's own last resort gets what it would have got."""
        self._receive(record)
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _is_heard(record.name):
            last.handle(record)


class _AsBefore(logging.Filter):
    """Lets through what went through when the root logger had a level."""

    def __init__(self, root_level: int) -> None:
        super().__init__()
        self._root_level = root_level

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger.parent is not None:
            if logger.level:
                return record.levelno >= logger.level
            logger = logger.parent
        return record.levelno >= self._root_level


def _handlers() -> Iterable[logging.Handler]:
    """Return every handler of every logger, once."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    return dict.fromkeys(h for logger in loggers if isinstance(logger, logging.Logger) for h in logger.handlers)


def _is_heard(name: str) -> bool:
    """Return whether a logger's records reach a handler other than ours."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(not isinstance(handler, PluginLog) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def places_of(objects: Iterable[object], modules: Iterable[Any]) -> tuple[str, ...]:
    """Return the files, and folders of packages, in which strategies, observers and plugin modules are written.

    Core's own are left out: what imbtk has to say it writes itself.
    """
    found: dict[str, None] = {}
    for module in modules:
        found |= dict.fromkeys(_places_of_module(module.__name__))
    for thing in objects:
        for cls in type(thing).__mro__:
            if cls.__module__.partition(".")[0] not in ("imbtk", "pydantic", "builtins"):
                found |= dict.fromkeys(_places_of_module(cls.__module__))
                code = [getattr(value, "__code__", None) for value in vars(cls).values()]
                found |= dict.fromkeys(os.path.abspath(c.co_filename) for c in code if c is not None)
    return tuple(found)


def _places_of_module(name: str) -> list[str]:
    package = sys.modules.get(name.partition(".")[0])
    folders = [os.path.join(os.path.abspath(folder), "") for folder in getattr(package, "__path__", ())]
    file = getattr(sys.modules.get(name), "__file__", None)
    return folders or ([os.path.abspath(file)] if file else [])


def said_in(record: logging.LogRecord, places: tuple[str, ...]) -> bool:
    """Return whether a record was made in one of the files, or below one of the folders, of :func:`places_of`."""
    path = os.path.abspath(record.pathname)
    return any(path == place or (place.endswith(os.sep) and path.startswith(place)) for place in places)


def text_of(record: logging.LogRecord) -> str:
    """Return a record as a line of ``log.txt``: level, module and message, with the traceback if it has one."""
    try:
        message = logging.Formatter("%(message)s").format(record)
    except (TypeError, ValueError, KeyError):  # arguments that do not fit the message are no reason to end a run
        message = str(record.msg)
    return f"{record.levelname.lower()} from {record.module}: {message}"
