"""Descriptions of the strategies that there are, kept between calls so that a list of them loads no plugin.

What is kept is text in the cache folder, one file for a plugin, checked when it is read: it holds as long as nothing is
installed or removed and no module that a description was taken from has changed. Plugins in files of their own
(``--plugin``) and plugins that fail are loaded each time.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter

from imbtk.authoring import hookspecs, options, strategy
from imbtk.authoring.strategy import Strategy
from imbtk.discovery import describe as describing
from imbtk.discovery import docstrings
from imbtk.discovery.catalogue import Catalogue, Plugin
from imbtk.discovery.describe import StrategyDescription, describe
from imbtk.discovery.plugin import load_plugin
from imbtk.files import cache_folder, write_atomically

__all__ = ["Descriptions"]

FOLDER = "descriptions"

_MAKERS = (describing, docstrings, hookspecs, options, strategy)
"""Modules of core that a description is made by: it changes with them, too."""


@dataclass(frozen=True)
class _Kept:
    """What a file holds: the places where packages are installed, the modules described, and the descriptions."""

    installed: dict[str, int]
    modules: dict[str, str]
    strategies: dict[str, StrategyDescription]


class Descriptions:
    """Describes strategies of a catalogue, loading only the plugins whose descriptions are not kept.

    Parameters
    ----------
    catalogue : Catalogue
    folder : Path, optional
        Where descriptions are kept; the cache folder unless given. Where it cannot be written, nothing is kept.
    """

    def __init__(self, catalogue: Catalogue, folder: Path | None = None) -> None:
        self._catalogue = catalogue
        self._folder = cache_folder(None) / FOLDER if folder is None else folder
        self._known: dict[int, dict[str, StrategyDescription]] = {}

    def all(self) -> list[StrategyDescription]:
        """Return the descriptions of all strategies, by name."""
        return [self.of(plugin)[name] for name, plugin in self._catalogue.offers(self.of).items()]

    def find(self, name: str) -> StrategyDescription:
        """Return the description of the strategy that :meth:`imbtk.discovery.catalogue.Catalogue.find` finds.

        Raises
        ------
        PlanError, PluginError
            As the catalogue does.
        """
        return self.of(self._catalogue.offering(name, self.of))[name.replace("_", "-")]

    def of(self, plugin: Plugin) -> dict[str, StrategyDescription]:
        """Return the descriptions of a plugin's strategies by name; none if it fails, which it then remembers."""
        if id(plugin) not in self._known:
            self._known[id(plugin)] = self._kept(plugin) or self._made(plugin)
        return self._known[id(plugin)]

    def _kept(self, plugin: Plugin) -> dict[str, StrategyDescription] | None:
        if plugin.file is not None or plugin.module is not None:
            return None
        # A file that is missing, torn, of another version or another's is as good as none.
        with contextlib.suppress(OSError, ValueError):
            kept = TypeAdapter(_Kept).validate_json(self._path(plugin).read_bytes(), strict=True)
            if kept.installed == _installed() and kept.modules == _digests(kept.modules):
                return kept.strategies
        return None

    def _made(self, plugin: Plugin) -> dict[str, StrategyDescription]:
        classes = load_plugin(plugin).strategies
        made = {name: describe(cls, plugin.provider) for name, cls in classes.items()}
        if plugin.file is None and plugin.error is None:
            kept = _Kept(_installed(), _digests(_modules(plugin, classes.values())), made)
            with contextlib.suppress(OSError, ValueError):
                content = TypeAdapter(_Kept).dump_json(kept)
                # What JSON cannot hold as it is must not be told otherwise the second time.
                if TypeAdapter(_Kept).dump_json(TypeAdapter(_Kept).validate_json(content, strict=True)) == content:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    write_atomically(self._path(plugin), content)
        return made

    def _path(self, plugin: Plugin) -> Path:
        where = (plugin.name, plugin.module_name, plugin.distribution, plugin.version, *sys.path)
        return self._folder / f"{sha256(repr(where).encode()).hexdigest()[:32]}.json"


def _modules(plugin: Plugin, classes: Iterable[type[Strategy]]) -> Iterator[str]:
    """Yield the files that a plugin's descriptions may rest on: its package's, its classes' and core's."""
    package = plugin.module_name.partition(".")[0]
    names = {name for name in sys.modules if name.partition(".")[0] == package}
    names |= {base.__module__ for cls in classes for base in inspect.getmro(cls)}
    for name in sorted(names | {module.__name__ for module in _MAKERS}):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            yield file


def _digests(files: Iterable[str]) -> dict[str, str]:
    return {file: sha256(Path(file).read_bytes()).hexdigest() for file in files}


def _installed() -> dict[str, int]:
    """Return when something was last installed or removed in each place where packages are: a plugin may need it."""
    places = [Path(place) for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    return {str(place): place.stat().st_mtime_ns for place in places if place.is_dir()}
