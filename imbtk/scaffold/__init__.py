"""A new plugin: a complete, installable, tested package, written from templates."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from imbtk._version import __version__
from imbtk.authoring.hookspecs import HOOKS, strategy_hooks
from imbtk.authoring.strategy import strategy_name
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError, PluginError, did_you_mean
from imbtk.runs.unfinished import unfinished_path
from imbtk.scaffold.source import ExampleSource, strategy_source

__all__ = ["example", "new_plugin", "short_name"]


def short_name(hook: str) -> str:
    """Return the name of a hook on the command line: ``class-weights`` of ``imbtk_class_weights``."""
    return hook.removeprefix("imbtk_").replace("_", "-")


def example(hook: str) -> str:
    """Return the source of the minimal strategy that answers a hook, as its page in the documentation shows it."""
    return (files("imbtk.scaffold.hooks") / f"{hook.removeprefix('imbtk_')}.py").read_text(encoding="utf-8")


def new_plugin(name: str, hooks: Sequence[str], parent: Path, catalogue: Catalogue | None = None) -> Path:
    """Write a package with one strategy; all of it, or nothing.

    Parameters
    ----------
    name : str
        Of the strategy: lower-case words with dashes between, ``margin-loss``.
    hooks : sequence of str
        What it answers: ``criterion``, ``imbtk_class_weights``; class weights if empty.
    parent : Path
        The folder in which the package's folder, ``imbtk-NAME``, is made.
    catalogue : Catalogue, optional
        What is installed.

    Returns
    -------
    Path
        The package's folder.

    Raises
    ------
    PluginError
        If the name is none, or is taken; if the folder exists; if a hook does not exist or is none of a strategy's.
    """
    name = _checked_name(name)
    chosen = [_hook(hook) for hook in dict.fromkeys(hooks or ["class-weights"])]
    module = name.replace("-", "_")
    package, distribution = f"imbtk_{module}", f"imbtk-{name}"
    _check_free(name, package, catalogue or Catalogue())
    folder = parent / distribution
    taken = next((path for path in (folder, unfinished_path(folder)) if path.exists()), None)
    if taken is not None:
        raise PluginError(f"'{taken}' exists already, and nothing is overwritten. Take another name, or move it away.")
    class_name = "".join(word.capitalize() for word in name.split("-"))
    fixed_name = None if strategy_name(class_name) == name else name
    source = strategy_source([ExampleSource(example(hook)) for hook in chosen], class_name, fixed_name)
    values = {
        "name": name, "module": module, "package": package, "distribution": distribution, "class_name": class_name,
        "summary": source.summary, "imbtk": __version__,
        "data": "digits" if "imbtk_augment" in chosen else "breast-cancer",
    }  # fmt: skip
    _write(folder, _files(values, source.text))
    return folder


def _files(values: dict[str, str], source: str) -> dict[str, str]:
    """Return the package's files by their path."""
    package, module = values["package"], values["module"]
    written = {
        "pyproject.toml": _filled("pyproject.toml.txt", values),
        "README.md": _filled("README.md.txt", values),
        ".gitignore": _filled("gitignore.txt", values),
        ".github/workflows/tests.yml": _filled("ci.yml.txt", values),
        f"tests/test_{module}.py": _filled("test_strategy.py.txt", values),
    }
    written[f"src/{package}/__init__.py"] = f'"""{values["summary"]}"""\n'
    written[f"src/{package}/{module}.py"] = source
    written[f"src/{package}/py.typed"] = ""
    return written


def _filled(template: str, values: dict[str, str]) -> str:
    text = (files("imbtk.scaffold") / "package" / template).read_text(encoding="utf-8")
    return re.sub(r"@([a-z_]+)@", lambda match: values[match[1]], text)


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write all files beside the folder, then give it its name: nothing half-done is left."""
    unfinished = unfinished_path(folder)
    try:
        for path, text in texts.items():
            target = unfinished / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        unfinished.rename(folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise PluginError(f"'{folder}' cannot be written: {error.strerror}. Choose another folder.") from error


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*", name):
        proposal = re.sub(r"[^a-z0-9]+", "-", strategy_name(name)).strip("-0123456789")
        hint = f" '{proposal}' would do." if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*", proposal) else ""
        raise PluginError(
            f"'{name}' is no name for a strategy: it is lower-case words of letters and digits, each beginning with a "
            f"letter, with dashes between, such as margin-loss.{hint}"
        )
    if keyword.iskeyword(name):
        raise PluginError(f"'{name}' is a word of Python, and no module can have that name. Take another.")
    return name


def _check_free(name: str, package: str, catalogue: Catalogue) -> None:
    try:
        plugin = catalogue.find(name)[1]
    except ImbtkError:
        plugin = next((p for p in catalogue.plugins() if p.name == name), None)  # type: ignore[assignment]
    if plugin is not None:
        raise PluginError(
            f"the name '{name}' is taken: {plugin.provider} offers a strategy of that name. Take another."
        )
    if package in sys.modules or find_spec(package) is not None:
        raise PluginError(f"the name '{name}' is taken: a package '{package}' is installed already. Take another.")


def _hook(name: str) -> str:
    hook = "imbtk_" + name.removeprefix("imbtk_").replace("-", "_")
    known = {short_name(h.name): h.name for h in strategy_hooks(lasting=True)}
    if hook in known.values():
        return hook
    if hook in HOOKS and HOOKS[hook].successor:
        raise PluginError(f"'{name}' goes with the next release: take '{short_name(HOOKS[hook].successor)}'.")
    if hook in HOOKS:
        raise PluginError(
            f"'{name}' is answered by a plugin module, not by a strategy. Write the function {hook} beside the "
            "strategy in its file; the hook's page shows how."
        )
    raise PluginError(f"unknown hook '{name}'.{did_you_mean(name, known)}")
