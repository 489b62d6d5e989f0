"""How a strategy's class reaches another process, where neither its file nor a notebook's cell can be imported.

A plugin in a file is read once and carried with its source: what a worker runs is what was read here, wherever the
worker is and whatever is done to the file meanwhile. A class made in a notebook or a script is carried by value.
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.abc import ExecutionLoader
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from imbtk.errors import PluginError

__all__ = ["PluginFile", "class_recipe", "read_plugin_file"]


@dataclass(frozen=True)
class PluginFile(ExecutionLoader):
    """A plugin in a file of its own, with what stood in the file when it was read.

    Attributes
    ----------
    path : str
        As the user gave it.
    source : bytes
    """

    path: str
    source: bytes

    @property
    def digest(self) -> str:
        """Twelve hex digits that stand for the source."""
        return sha256(self.source).hexdigest()[:12]

    @property
    def module_name(self) -> str:
        """The name under which it is imported: another source is another module."""
        return f"imbtk_file_{Path(self.path).stem}_{self.digest[:8]}".replace("-", "_")

    def module(self) -> ModuleType:
        """Return the module, run once in a process."""
        name = self.module_name
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_loader(name, self)
        if spec is None:
            raise ImportError(f"'{self.path}' is no Python file")
        module = importlib.util.module_from_spec(spec)
        # Before it runs, as import does: what it defines finds its module, and pickles.
        sys.modules[name] = module
        try:
            self.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def get_filename(self, fullname: str) -> str:
        """Return the path, for tracebacks."""
        return self.path

    def get_source(self, fullname: str) -> str:
        """Return the source as text."""
        return importlib.util.decode_source(self.source)


def read_plugin_file(path: str | Path) -> PluginFile:
    """Read a plugin file.

    Raises
    ------
    PluginError
        If there is none.
    """
    if not Path(path).is_file():
        raise PluginError(f"there is no plugin file '{path}'. Give the path of a Python file.")
    return PluginFile(str(path), Path(path).read_bytes())


def class_recipe(cls: type) -> tuple[Any, ...] | None:
    """Return what makes a class anew in another process, ``(function, argument, …)``; None if it can import it.

    Raises
    ------
    PluginError
        If the class cannot be carried: it holds on to something that lives in this process.
    """
    module = sys.modules.get(cls.__module__)
    loader = getattr(module, "__loader__", None)
    if isinstance(loader, PluginFile):
        return _class_of_file, loader, cls.__qualname__
    if cls.__module__ != "__main__" and "<locals>" not in cls.__qualname__:
        return None
    import cloudpickle

    try:
        return pickle.loads, cloudpickle.dumps(cls)
    except Exception as error:  # whatever the class holds on to may say no in its own way
        raise PluginError(
            f"the strategy {cls.__qualname__}, defined in {cls.__module__}, cannot be handed to another process: "
            f"{type(error).__name__}: {error}. Put it into a file and give that as a plugin, or keep to one process."
        ) from error


def _class_of_file(file: PluginFile, qualname: str) -> type:
    found: type = attrgetter(qualname)(file.module())
    return found
