"""One plugin: imported with care, checked, and asked what it offers."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from imbtk._version import __version__
from imbtk.authoring import hookspecs
from imbtk.authoring.hookspecs import API_VERSION
from imbtk.authoring.implementations import check_implementations
from imbtk.authoring.plugin_files import PluginFile
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.random_state import RandomStates
from imbtk.errors import ImbtkError, PluginError, StrangersCode, as_sentence

__all__ = ["HookManager", "Plugin", "call_module_hook", "check_answer", "guarded_import", "load_plugin"]

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
    file: PluginFile | None = None
    module: ModuleType | None = None
    error: PluginError | None = None
    strategies: dict[str, type[Strategy]] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """Who ships it, for people: ``imbtk 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()


def load_plugin(plugin: Plugin) -> Plugin:
    """Import a plugin once; what it offers, or why it failed, is kept in it."""
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


def guarded_import(plugin: Plugin) -> ModuleType:
    """Import a plugin's module.

    A library that the module imports for the first time may draw a number meanwhile (rich does), which is not the
    plugin's doing: where a random state was disturbed, the plugin's own modules are imported once more by themselves.

    Raises
    ------
    PluginError
        If it cannot be imported, leaves the program, prints, or disturbs a global random state. Its modules are
        forgotten again.
    """
    before = set(sys.modules)
    try:
        module, disturbed, printed = _import(plugin)
        if disturbed:
            _forget(plugin, before)
            module, disturbed, _ = _import(plugin)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything, sys.exit included
        _forget(plugin, before)
        raise PluginError(_why_not_imported(plugin, error)) from error
    problem = ""
    if disturbed:
        problem = (
            "draws from or seeds a global random state when it is imported. Its author can use the 'draw' that hooks "
            "are given"
        )
    elif printed:
        problem = (
            f"prints when it is imported: {printed[:80]!r}. Output of imbtk may be read by a program: its author can "
            "take the print away"
        )
    if problem:
        _forget(plugin, before)
        # A file is given with --plugin by the one who can mend it; --without leaves out what is installed.
        until = "." if plugin.file is not None else "; until then leave it out with --without."
        raise PluginError(f"plugin '{plugin.name}' ({plugin.provider}) {problem}{until}")
    return module


def _why_not_imported(plugin: Plugin, error: BaseException) -> str:
    """Return what a failed import was, and what its user can do."""
    who = f"plugin '{plugin.name}' ({plugin.provider})"
    if isinstance(error, ImbtkError):
        # What imbtk itself refused, such as a misspelt hook: said already, with the remedy for the author.
        text = f"{who} is refused: {as_sentence(str(error))}"
        return text if plugin.file is not None else f"{text} Report it to its author, or leave it out with --without."
    what = as_sentence(f"{type(error).__name__}: {error}")
    if plugin.file is not None:
        mend = "Install what it imports, or mend the file" if isinstance(error, ImportError) else "Mend the file"
        return f"{who} cannot be imported: {what} {mend}; --traceback shows where it fails."
    remedy = "Report it to its author, or leave it out with --without."
    if isinstance(error, ImportError):
        remedy = "Reinstall it, report it to its author, or leave it out with --without."
    return f"{who} cannot be imported: {what} {remedy}"


def _import(plugin: Plugin) -> tuple[ModuleType, str, str]:
    """Return the module, the library whose random state was disturbed and put back, and what was printed."""
    printed, states = io.StringIO(), RandomStates.now()
    try:
        with contextlib.redirect_stdout(printed):
            module = importlib.import_module(plugin.module_name) if plugin.file is None else plugin.file.module()
    finally:
        disturbed = states.disturbed()
    return module, disturbed, printed.getvalue().strip()


def _forget(plugin: Plugin, before: set[str]) -> None:
    """Take the modules that came with a plugin's import, of its own package, out of those that are imported."""
    package = plugin.module_name.partition(".")[0]
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == package:
            del sys.modules[name]


def _check_module(plugin: Plugin, module: ModuleType) -> None:
    """Refuse a module with hooks that core would not call, or written for a newer imbtk."""
    wanted = getattr(module, "imbtk_api", API_VERSION)
    if not isinstance(wanted, int) or wanted > API_VERSION:
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) was written for plugin API {wanted}; this imbtk "
            f"{__version__} has {API_VERSION}. Upgrade imbtk, or run without the plugin."
        )
    check_implementations(module, f"plugin '{plugin.name}' ({plugin.provider})")


def _offered_strategies(plugin: Plugin, module: ModuleType) -> dict[str, type[Strategy]]:
    """Return the strategies of a module: those that its hook names, else those that it defines."""
    if hasattr(module, "imbtk_strategies"):
        classes = list(call_module_hook(plugin, "imbtk_strategies", module.imbtk_strategies) or [])
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


def call_module_hook(plugin: Plugin, hook: str, function: Callable[[], Any]) -> Any:
    """Call a module hook; whatever goes wrong names plugin and hook."""
    with StrangersCode(f"plugin '{plugin.name}' ({plugin.provider})", hook, _remedy(plugin)):
        return function()


def check_answer(plugin: Plugin, hook: str, answer: Any) -> None:
    """Refuse an answer of another form than the hook's."""
    wanted, form = (Mapping, "a mapping by name") if hook in _BY_NAME else (Sequence, "a list")
    if answer is not None and (not isinstance(answer, wanted) or isinstance(answer, str)):
        raise PluginError(
            f"plugin '{plugin.name}' ({plugin.provider}) returned {type(answer).__name__} from {hook}, which returns "
            f"{form}. {_remedy(plugin)}"
        )


def _remedy(plugin: Plugin) -> str:
    """Return what the user of a plugin whose module hook failed can do."""
    if plugin.file is not None:
        return "Mend the file, or run without --plugin."
    return "Report it to its author, or leave the plugin out with --without."
