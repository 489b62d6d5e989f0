"""What there is: entry points to plugin modules, plugin modules to strategies, models, sources, metrics, observers.

A plugin is an importable module that the entry-point group ``imbtk`` names, or a file given with ``--plugin``. It is
imported when something of it is asked for; one that fails is remembered with the reason and matters only if it was
asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk._version import __version__
from imbtk.authoring.plugin_files import PluginFile, read_plugin_file
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.plugin import HookManager, Plugin, call_module_hook, check_answer, load_plugin
from imbtk.errors import PlanError, PluginError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from imbtk.authoring.context import ExtraMetric

__all__ = ["Catalogue", "HookManager", "Plugin"]

GROUP = "imbtk"

Offered = Callable[[Plugin], Collection[str]]


def _loaded(plugin: Plugin) -> Collection[str]:
    return load_plugin(plugin).strategies


class Catalogue:
    """Everything that plugins offer.

    Parameters
    ----------
    files : sequence of path or PluginFile
        Plugins in files of their own, no packaging needed.
    built_in : sequence of str
        Names of core's own modules that offer models, sources and the like through the same hooks.
    points : sequence of EntryPoint, optional
        Instead of those installed: for tests.
    without : sequence of str
        Entry points to leave out.

    Raises
    ------
    PluginError
        If a file cannot be loaded: it was asked for.
    """

    def __init__(
        self,
        files: Sequence[str | Path | PluginFile] = (),
        built_in: Sequence[str] = (),
        points: Sequence[EntryPoint] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        self._built_in = [Plugin(name, name, "imbtk", __version__) for name in built_in]
        found = entry_points(group=GROUP) if points is None else points
        allowed = os.environ.get("IMBTK_PLUGINS")
        self._plugins: list[Plugin] = []
        self._switched_off: set[str] = set()
        for point in sorted(found, key=lambda p: (p.name, p.value)):
            if _is_switched_off(point.name, allowed, without):
                self._switched_off.add(point.name)
                continue
            distribution = point.dist
            self._plugins.append(
                Plugin(
                    point.name,
                    point.value,
                    distribution.name if distribution else "unknown distribution",
                    distribution.version if distribution else "",
                )
            )
        self._files = [
            self._load_file(file if isinstance(file, PluginFile) else read_plugin_file(file)) for file in files
        ]

    # Loading -----------------------------------------------------------------------------------------------------

    def _load_file(self, file: PluginFile) -> Plugin:
        provider = (file.path, f"sha256:{file.digest}")
        plugin = Plugin(Path(file.path).stem, file.module_name, *provider, file=file)
        load_plugin(plugin)
        if plugin.error:
            raise plugin.error
        return plugin

    def files(self) -> tuple[PluginFile, ...]:
        """Return the plugins in files of their own, with their sources: for another process."""
        return tuple(plugin.file for plugin in self._files if plugin.file is not None)

    def plugins(self) -> list[Plugin]:
        """Return every plugin, loaded: files first, then entry points by name. Failures carry their error."""
        return [*self._files, *(load_plugin(plugin) for plugin in self._plugins)]

    def module_names(self) -> list[str]:
        """Return the names of the plugins' modules, imported or not, core's own left out."""
        return [plugin.module_name for plugin in (*self._files, *self._plugins)]

    # Strategies --------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of entry points and files' strategies, without importing any entry point."""
        from_files = [name for plugin in self._files for name in plugin.strategies]
        return sorted({*from_files, *(plugin.name for plugin in self._plugins)})

    def find(self, name: str) -> tuple[type[Strategy], Plugin]:
        """Return the strategy class of a name, and the plugin that offers it; :meth:`offering` says how it is found."""
        plugin = self.offering(name)
        return plugin.strategies[name.replace("_", "-")], plugin

    def offering(self, name: str, offered: Offered = _loaded) -> Plugin:
        """Return the plugin that offers a strategy.

        Parameters
        ----------
        name : str
            ``focal-loss``; underscores count as dashes.
        offered : callable
            Tells the names of the strategies of a plugin, which may be known without loading it.

        Raises
        ------
        PlanError
            If no plugin offers it; the nearest names are given, and plugins that failed.
        PluginError
            If two plugins offer it, or the plugin of that name failed to load.
        """
        name = name.replace("_", "-")
        places = [plugin for plugin in self._files if name in plugin.strategies]
        for plugin in [plugin for plugin in self._plugins if plugin.name == name]:
            places += [plugin] if name in offered(plugin) else []
            if plugin.error:
                raise plugin.error
        if not places:
            places = [plugin for plugin in self._plugins if plugin.name != name and name in offered(plugin)]
        if len(places) > 1:
            raise PluginError(
                f"strategy '{name}' is offered by {' and by '.join(repr(p.provider) for p in places)}. Uninstall one, "
                "or leave one out with --without or IMBTK_PLUGINS."
            )
        if not places:
            raise PlanError(self._unknown(name))
        return places[0]

    def _unknown(self, name: str) -> str:
        known = [n for plugin in self.plugins() for n in plugin.strategies]
        failed = self.failed()
        text = f"unknown strategy '{name}'.{did_you_mean(name, known)}"
        if name in self._switched_off:
            return (
                f"strategy '{name}' is switched off, by --without or by IMBTK_PLUGINS. Take it out of there to use it."
            )
        if not known and not failed:
            text += " No plugin is installed or all are switched off (IMBTK_PLUGINS, --without)."
        if failed:
            text += " Plugins that failed to load: " + ", ".join(f"{p.name} ({p.provider})" for p in failed)
            text += ". 'imbtk strategies' says why."
        return text

    def strategies(self) -> dict[str, tuple[type[Strategy], Plugin]]:
        """Return all strategies by name, each with its plugin; failed plugins are passed over."""
        return {name: (plugin.strategies[name], plugin) for name, plugin in self.offers().items()}

    def offers(self, offered: Offered = _loaded) -> dict[str, Plugin]:
        """Return the plugin that offers each strategy, by the strategy's name; failed plugins are passed over.

        Where several plugins offer one name, it is the one that :meth:`find` takes, or the first if that refuses.

        Parameters
        ----------
        offered : callable
            Tells the names of the strategies of a plugin, which may be known without loading it.
        """
        found: dict[str, Plugin] = {}
        for plugin in (*self._files, *self._plugins):
            for name in offered(plugin):
                if name not in found or (found[name].file is None and found[name].name != name == plugin.name):
                    found[name] = plugin
        return dict(sorted(found.items()))

    def failed(self) -> list[Plugin]:
        """Return the installed plugins that failed, of those that were loaded so far."""
        return [plugin for plugin in self._plugins if plugin.error]

    def duplicates(self) -> dict[str, list[Plugin]]:
        """Return the names that more than one plugin offers, each with its plugins."""
        offering: dict[str, list[Plugin]] = {}
        for plugin in self.plugins():
            for name in plugin.strategies:
                offering.setdefault(name, []).append(plugin)
        return {name: plugins for name, plugins in offering.items() if len(plugins) > 1}

    def provider_of(self, cls: type[Strategy]) -> str:
        """Return who ships a strategy class, ``imbtk 0.1.0``, or the module of one defined on the spot."""
        for plugin in [*self._files, *self._plugins]:
            if cls in plugin.strategies.values() or cls.__module__ == plugin.module_name:
                return plugin.provider
        return f"defined in {cls.__module__}"

    # The other doors ---------------------------------------------------------------------------------------------

    def offered(self, hook: str, built_in_only: bool = False) -> Iterator[tuple[Any, Plugin]]:
        """Yield what plugin modules answer to a module hook, built-in modules first.

        An installed plugin whose answer fails is passed over, as one that cannot be imported is; its error is kept.

        Raises
        ------
        PluginError
            If the answer of a plugin in a file fails: it was asked for.
        """
        plugins = [load_plugin(plugin) for plugin in self._built_in]
        for plugin in plugins:
            if plugin.error:
                raise plugin.error
        if not built_in_only:
            plugins += self.plugins()
        for plugin in plugins:
            if plugin.module is None or not hasattr(plugin.module, hook):
                continue
            try:
                answer = call_module_hook(plugin, hook, getattr(plugin.module, hook))
                check_answer(plugin, hook, answer)
            except PluginError as error:
                if plugin in self._plugins:
                    plugin.error = error
                    continue
                raise
            if answer is not None:
                yield answer, plugin

    def extra_metrics(self) -> dict[str, ExtraMetric]:
        """Return the metrics that plugins offer, by name; one that raises is named with its plugin.

        Raises
        ------
        PluginError
            If two plugins offer one name.
        """
        found: dict[str, tuple[ExtraMetric, Plugin]] = {}
        for answer, plugin in self.offered("imbtk_metrics"):
            for name, metric in answer.items():
                if name in found:
                    raise PluginError(
                        f"metric '{name}' is offered by '{found[name][1].provider}' and by '{plugin.provider}'. "
                        "Uninstall one, or leave one out with --without or IMBTK_PLUGINS."
                    )
                found[name] = (_NamedMetric(plugin, metric), plugin)
        return {name: metric for name, (metric, _) in found.items()}


class _NamedMetric:
    """A plugin's metric, whose failures name the plugin."""

    def __init__(self, plugin: Plugin, metric: ExtraMetric) -> None:
        self._plugin, self._metric = plugin, metric
        self.higher_is_better = bool(getattr(metric, "higher_is_better", True))

    def __call__(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        value: float = call_module_hook(
            self._plugin, "imbtk_metrics", lambda: float(self._metric(labels, probabilities))
        )
        return value


def _is_switched_off(name: str, allowed: str | None, without: Sequence[str]) -> bool:
    if name in without:
        return True
    if allowed is None:
        return False
    return name not in {part.strip() for part in allowed.split(",")}
