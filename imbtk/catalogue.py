"""What there is: entry points to plugin modules, plugin modules to strategies, models, sources, metrics, observers.

A plugin is an importable module that the entry-point group ``imbtk`` names, or a file given with ``--plugin``. It is
imported when something of it is asked for; one that fails is remembered with the reason and matters only if it was
asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from imbtk import hookspecs
from imbtk._version import __version__
from imbtk.errors import ImbtkError, PlanError, PluginError, did_you_mean
from imbtk.hookspecs import API_VERSION, HOOKS
from imbtk.random_state import RandomStates
from imbtk.strategy import Strategy

__all__ = ["Catalogue", "HookManager", "Plugin", "guarded_import"]

GROUP = "imbtk"

_BY_NAME = ("imbtk_models", "imbtk_metrics", "imbtk_plans")
"""Module hooks that return a mapping; the others return a list."""


class HookManager(pluggy.PluginManager):
    """A pluggy manager that knows imbtk's hooks and looks only at attributes that can be one."""

    def __init__(self) -> None:
        super().__init__("imbtk")
        self.add_hookspecs(hookspecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Return pluggy's options of a hook implementation; None for everything that is not named like a hook."""
        return super().parse_hookimpl_opts(plugin, name) if name.startswith("imbtk_") else None


@dataclass
class Plugin:
    """One plugin module, loaded or not.

    Attributes
    ----------
    name : str
        The entry point's name, or the file's.
    module_name : str
    distribution, version : str
        Who ships it; the file's path and digest for a file.
    module : module, optional
        None until it is loaded, and if it failed.
    error : PluginError, optional
        Why it failed.
    """

    name: str
    module_name: str
    distribution: str
    version: str
    file: Path | None = None
    module: ModuleType | None = None
    error: PluginError | None = None
    strategies: dict[str, type[Strategy]] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """Who ships it, for people: ``imbtk 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()


class Catalogue:
    """Everything that plugins offer.

    Parameters
    ----------
    files : sequence of path
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
        files: Sequence[str | Path] = (),
        built_in: Sequence[str] = (),
        points: Sequence[EntryPoint] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        self._built_in = [Plugin(name, name, "imbtk", __version__) for name in built_in]
        found = entry_points(group=GROUP) if points is None else points
        allowed = os.environ.get("IMBTK_PLUGINS")
        self._plugins: list[Plugin] = []
        for point in sorted(found, key=lambda p: (p.name, p.value)):
            if _is_switched_off(point.name, allowed, without):
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
        self._files = [self._load_file(Path(file)) for file in files]

    # Loading -----------------------------------------------------------------------------------------------------

    def _load_file(self, path: Path) -> Plugin:
        if not path.is_file():
            raise PluginError(f"there is no plugin file '{path}'. Give the path of a Python file.")
        digest = sha256(path.read_bytes()).hexdigest()
        name = f"imbtk_file_{path.stem}_{digest[:8]}".replace("-", "_")
        plugin = Plugin(path.stem, name, str(path), f"sha256:{digest[:12]}", file=path)
        self._load(plugin)
        if plugin.error:
            raise plugin.error
        return plugin

    def _load(self, plugin: Plugin) -> Plugin:
        """Import a plugin once; a failure is kept in ``plugin.error``."""
        if plugin.module is not None or plugin.error is not None:
            return plugin
        try:
            module = guarded_import(plugin)
            _check_module(plugin, module)
            plugin.strategies = _offered_strategies(plugin, module)
            plugin.module = module
        except PluginError as error:
            plugin.error = error
        return plugin

    def plugins(self) -> list[Plugin]:
        """Return every plugin, loaded: files first, then entry points by name. Failures carry their error."""
        return [*self._files, *(self._load(plugin) for plugin in self._plugins)]

    # Strategies --------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of entry points and files' strategies, without importing any entry point."""
        from_files = [name for plugin in self._files for name in plugin.strategies]
        return sorted({*from_files, *(plugin.name for plugin in self._plugins)})

    def find(self, name: str) -> tuple[type[Strategy], Plugin]:
        """Return the strategy class of a name, and the plugin that offers it.

        Parameters
        ----------
        name : str
            ``focal-loss``; underscores count as dashes.

        Raises
        ------
        PlanError
            If no plugin offers it; the nearest names are given, and plugins that failed.
        PluginError
            If two plugins offer it, or the plugin of that name failed to load.
        """
        name = name.replace("_", "-")
        places = [plugin for plugin in self._files if name in plugin.strategies]
        named = [plugin for plugin in self._plugins if plugin.name == name]
        for plugin in named:
            if self._load(plugin).error:
                raise plugin.error  # type: ignore[misc]
        places += [plugin for plugin in named if name in plugin.strategies]
        if not places:
            others = (self._load(plugin) for plugin in self._plugins if plugin.name != name)
            places = [plugin for plugin in others if name in plugin.strategies]
        if len(places) > 1:
            raise PluginError(
                f"strategy '{name}' is offered by {' and by '.join(repr(p.provider) for p in places)}. Uninstall one, "
                "or leave one out with --without or IMBTK_PLUGINS."
            )
        if not places:
            raise PlanError(self._unknown(name))
        return places[0].strategies[name], places[0]

    def _unknown(self, name: str) -> str:
        known = [n for plugin in self.plugins() for n in plugin.strategies]
        failed = [plugin for plugin in self._plugins if plugin.error]
        text = f"there is no strategy '{name}'.{did_you_mean(name, known)}"
        if not known and not failed:
            text += " No plugin is installed or all are switched off (IMBTK_PLUGINS, --without)."
        if failed:
            text += " Plugins that failed to load: " + ", ".join(f"{p.name} ({p.provider})" for p in failed)
            text += ". 'imbtk strategies' says why."
        return text

    def strategies(self) -> dict[str, tuple[type[Strategy], Plugin]]:
        """Return all strategies by name, each with its plugin; failed plugins are passed over.

        Where several plugins offer one name, it is the one that :meth:`find` takes, or the first if that refuses.
        """
        found: dict[str, tuple[type[Strategy], Plugin]] = {}
        for plugin in sorted(self.plugins(), key=lambda p: p.file is None):
            for name, cls in plugin.strategies.items():
                if name not in found or (found[name][1].file is None and found[name][1].name != name == plugin.name):
                    found[name] = (cls, plugin)
        return dict(sorted(found.items()))

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

        Raises
        ------
        PluginError
            If an answer fails.
        """
        plugins = [self._load(plugin) for plugin in self._built_in]
        for plugin in plugins:
            if plugin.error:
                raise plugin.error
        if not built_in_only:
            plugins += self.plugins()
        for plugin in plugins:
            if plugin.module is None or not hasattr(plugin.module, hook):
                continue
            answer = _call(plugin, hook, getattr(plugin.module, hook))
            if answer is not None:
                _check_answer(plugin, hook, answer)
                yield answer, plugin


def _is_switched_off(name: str, allowed: str | None, without: Sequence[str]) -> bool:
    if name in without:
        return True
    if allowed is None:
        return False
    return name not in {part.strip() for part in allowed.split(",")}


def _call(plugin: Plugin, hook: str, function: Callable[[], Any]) -> Any:
    """Call a module hook; whatever goes wrong names plugin and hook."""
    try:
        return function()
    except ImbtkError:
        raise
    except Exception as error:  # a stranger's code may raise anything: it is named, and its cause kept
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) failed in {hook}: {type(error).__name__}: {error}. "
            "Report it to its author, or leave the plugin out with --without."
        ) from error


def _check_answer(plugin: Plugin, hook: str, answer: Any) -> None:
    """Refuse an answer of another form than the hook's."""
    wanted, form = (Mapping, "a mapping by name") if hook in _BY_NAME else (Sequence, "a list")
    if not isinstance(answer, wanted) or isinstance(answer, str):
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) returned {type(answer).__name__} from {hook}, which returns "
            f"{form}. Report it to its author, or leave the plugin out with --without."
        )


@contextlib.contextmanager
def _watched(plugin: Plugin) -> Iterator[None]:
    """Refuse an import that prints or draws from a global random state, and put that state back."""
    printed = io.StringIO()
    before = RandomStates.now()
    with contextlib.redirect_stdout(printed):
        yield
    if before.disturbed():
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) draws from or seeds a global random state when it is "
            "imported. Use the 'draw' that hooks are given."
        )
    if printed.getvalue():
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) prints when it is imported: "
            f"{printed.getvalue().strip()[:80]!r}. Take the print away: output of imbtk may be read by a program."
        )


def guarded_import(plugin: Plugin) -> ModuleType:
    """Import a plugin's module.

    Raises
    ------
    PluginError
        If it cannot be imported, leaves the program, prints, or disturbs a global random state.
    """
    known = plugin.module_name in sys.modules
    try:
        with _watched(plugin):
            if plugin.file is None:
                return importlib.import_module(plugin.module_name)
            spec = importlib.util.spec_from_file_location(plugin.module_name, plugin.file)
            if spec is None or spec.loader is None:
                raise ImportError(f"'{plugin.file}' is no Python file")
            module = importlib.util.module_from_spec(spec)
            sys.modules[plugin.module_name] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[plugin.module_name]
                raise
            return module
    except PluginError as error:
        if not known:
            sys.modules.pop(plugin.module_name, None)
        if str(error).startswith("plugin "):
            raise
        raise PluginError(f"plugin '{plugin.name}' ({plugin.provider}) cannot be used: {error}") from error
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything, sys.exit included
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) cannot be imported: {type(error).__name__}: {error}. "
            "Reinstall it, report it to its author, or leave it out with --without."
        ) from error


def _check_module(plugin: Plugin, module: ModuleType) -> None:
    """Refuse a module with hooks that core would not call, or written for a newer imbtk."""
    wanted = getattr(module, "imbtk_api", API_VERSION)
    if not isinstance(wanted, int) or wanted > API_VERSION:
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) was written for plugin API {wanted}; this imbtk "
            f"{__version__} has {API_VERSION}. Upgrade imbtk."
        )
    for name, value in vars(module).items():
        if name.startswith("imbtk_") and inspect.isroutine(value):
            if name not in HOOKS:
                raise PluginError(
                    f"plugin '{plugin.name}' ({plugin.provider}) answers a hook that does not exist, '{name}'."
                    + did_you_mean(name, HOOKS)
                )
            if not hasattr(value, "imbtk_impl"):
                raise PluginError(
                    f"plugin '{plugin.name}' ({plugin.provider}) has a function '{name}' that is not marked as a "
                    "hook. Write @hookimpl above it."
                )
    manager = HookManager()
    try:
        manager.register(module, name=plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin '{plugin.name}' ({plugin.provider}): {' '.join(str(error).split())}") from None


def _offered_strategies(plugin: Plugin, module: ModuleType) -> dict[str, type[Strategy]]:
    """Return the strategies of a module: those that its hook names, else those that it defines."""
    if hasattr(module, "imbtk_strategies"):
        classes = list(_call(plugin, "imbtk_strategies", module.imbtk_strategies) or [])
    else:
        classes = [v for v in vars(module).values() if inspect.isclass(v) and v.__module__ == module.__name__]
        classes = [cls for cls in classes if issubclass(cls, Strategy) and not cls.__name__.startswith("_")]
    found: dict[str, type[Strategy]] = {}
    for cls in classes:
        if not (inspect.isclass(cls) and issubclass(cls, Strategy)):
            raise PluginError(
                f"plugin '{plugin.name}' ({plugin.provider}) offers {cls!r} in imbtk_strategies, which is no class "
                "made from imbtk.Strategy."
            )
        if cls.name in found:
            raise PluginError(f"plugin '{plugin.name}' ({plugin.provider}) offers strategy '{cls.name}' twice.")
        if not cls.hooks():
            raise PluginError(
                f"strategy '{cls.name}' of plugin '{plugin.name}' ({plugin.provider}) answers no hook. Give it a "
                "method such as imbtk_class_weights, marked with @hookimpl."
            )
        found[cls.name] = cls
    return found
