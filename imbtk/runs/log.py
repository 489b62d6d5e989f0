"""What plugins say by ``logging`` while a run goes on, for its ``log.txt``."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

__all__ = ["PluginLog"]

_NOBODYS = {"imbtk", "pydantic", "builtins"}
"""Packages that a plugin's class may descend from without being heard: what imbtk has to say it writes itself."""


class PluginLog(MemoryHandler):
    """Hears plugins from level INFO until it is closed; keeps what they say until there is a file for it.

    Notes
    -----
    A level that somebody set on a logger of their own, and ``logging.disable``, hold here too.
    """

    def __init__(self) -> None:
        super().__init__(sys.maxsize, flushLevel=sys.maxsize)
        self.setLevel(logging.INFO)
        self._heard: list[logging.Logger] = []

    def close(self) -> None:
        """Hear nobody any longer, and leave every logger as it was."""
        for logger in self._heard:
            logger.removeHandler(self)
            # Of runs side by side in threads the last one puts back what they share.
            if not any(isinstance(handler, PluginLog) for handler in logger.handlers):
                next(handler for handler in logger.handlers if isinstance(handler, _AsBefore)).close()
        self._heard.clear()
        super().close()

    def listen(self, objects: Iterable[object], modules: Iterable[str] = ()) -> None:
        """Hear the packages that strategies, observers and plugin modules are of, under their loggers' names."""
        names = [*modules, *(cls.__module__ for thing in objects for cls in type(thing).__mro__)]
        for package in dict.fromkeys(name.partition(".")[0] for name in names):
            logger = logging.getLogger(package)
            if package not in _NOBODYS and self not in logger.handlers:
                if not any(isinstance(handler, _AsBefore) for handler in logger.handlers):
                    _AsBefore(logger)
                logger.addHandler(self)
                self._heard.append(logger)

    @contextlib.contextmanager
    def written_to(self, path: Path) -> Iterator[None]:
        """Write to a file what was kept, once though hooks are tried on copies as well, and what is said meanwhile."""
        file = logging.FileHandler(path, encoding="utf-8", delay=True)
        file.setFormatter(_Lines("%(asctime)s  %(level)s from %(module)s: %(message)s", "%Y-%m-%d %H:%M:%S"))
        once: dict[object, logging.LogRecord] = {}
        for record in self.buffer:
            once.setdefault((record.module, record.levelno, str(record.msg), str(record.args)), record)
        self.buffer = list(once.values())
        self.capacity = 0
        self.setTarget(file)
        self.flush()
        try:
            yield
        finally:
            self.setTarget(None)
            file.close()


class _Lines(logging.Formatter):
    """Has the level in small letters."""

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)


class _AsBefore(logging.Handler):
    """Opens a logger from level INFO, and hands to the handlers above it what they would have had anyway."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger, self._above = logger, logger.parent if logger.propagate else None
        self._before, self._level = (logger.level, logger.propagate), logger.getEffectiveLevel()
        logger.setLevel(logger.level or logging.INFO)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        own = logging.getLogger(record.name)
        while own is not self._logger and not own.level and own.parent:
            own = own.parent
        if self._above and (own is not self._logger or record.levelno >= self._level):
            self._above.callHandlers(record)

    def close(self) -> None:
        """Leave the logger as it was."""
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
        super().close()
