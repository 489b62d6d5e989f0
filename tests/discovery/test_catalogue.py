"""Plugins, good and broken: each failure names plugin and remedy, and the others go on."""

from __future__ import annotations

import random
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import PlanError, PluginError

GOOD = """
import torch
from imbtk import RunContext, Strategy, hookimpl, option

class SqrtWeights(Strategy):
    '''Weight each class by a power of its inverse frequency.'''

    power: float = option(0.5, "Exponent on the inverse frequency.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)
"""

HEAD = "from imbtk import Strategy, hookimpl\n"

BROKEN = {
    "import error": ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
    "exit": ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
    "print": ("print('hello')", "prints when it is imported: 'hello'"),
    "random state": ("import torch; torch.manual_seed(0); torch.rand(1)", "global random state"),
    "python's random state": ("import random; random.random()", "global random state"),
    "api": ("imbtk_api = 99", "was written for plugin API 99; this imbtk"),
    "unmarked": (HEAD + "def imbtk_models():\n    return {}", "is not marked as one. Write @hookimpl above it"),
    "misspelt": (HEAD + "@hookimpl\ndef imbtk_model():\n    return {}", "Did you mean 'imbtk_models'"),
    "argument": (
        HEAD + "@hookimpl\ndef imbtk_models(extra):\n    return {}",
        r"plugin 'argument' \(.*\): imbtk_models asks for 'extra', which there is not. It has no arguments.",
    ),
    "no hook": (HEAD + "class Idle(Strategy):\n    'Idle.'", "strategy 'idle' .* answers no hook"),
    "no class": (HEAD + "@hookimpl\ndef imbtk_strategies():\n    return [3]", "offers 3 in imbtk_strategies"),
    "raises": (
        HEAD + "@hookimpl\ndef imbtk_strategies():\n    raise KeyError('x')",
        "failed in imbtk_strategies: KeyError",
    ),
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path; what is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("plug_", "imbtk_file_")):
            del sys.modules[name]


def point(folder: Path, name: str, text: str) -> EntryPoint:
    module = "plug_" + name.replace("-", "_").replace(" ", "_").replace("'", "")
    (folder / f"{module}.py").write_text(text)
    return EntryPoint(name, module, "imbtk")


def test_a_name_is_found_without_importing_the_others(modules: Path) -> None:
    catalogue = Catalogue(points=[point(modules, "sqrt-weights", GOOD), point(modules, "other", "import nothing_here")])
    assert catalogue.names() == ["other", "sqrt-weights"]
    cls, plugin = catalogue.find("sqrt_weights")
    assert cls(power=1).power == 1.0
    assert plugin.name == "sqrt-weights"
    assert "plug_other" not in sys.modules


def test_a_strategy_under_another_entry_is_found(modules: Path) -> None:
    cls, plugin = Catalogue(points=[point(modules, "acme", GOOD)]).find("sqrt-weights")
    assert (cls.name, plugin.name) == ("sqrt-weights", "acme")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_go_on(kind: str, modules: Path) -> None:
    text, message = BROKEN[kind]
    catalogue = Catalogue(points=[point(modules, kind, text), point(modules, "good", GOOD)])
    assert list(catalogue.strategies()) == ["sqrt-weights"]
    (failed,) = [plugin for plugin in catalogue.plugins() if plugin.error]
    assert failed.name == kind
    with pytest.raises(PluginError, match=message):
        catalogue.find(kind)
    with pytest.raises(PlanError, match=f"Plugins that failed to load: {kind}"):
        catalogue.find("quite-another")


def test_the_random_state_is_put_back(modules: Path) -> None:
    before, before_torch = random.getstate(), torch.random.get_rng_state()
    list(Catalogue(points=[point(modules, "r", "import torch, random; torch.rand(3); random.random()")]).plugins())
    assert random.getstate() == before
    assert torch.equal(torch.random.get_rng_state(), before_torch)


def test_two_plugins_with_one_name_are_both_named(modules: Path) -> None:
    catalogue = Catalogue(points=[point(modules, "one", GOOD), point(modules, "two", GOOD)])
    with pytest.raises(PluginError, match=r"strategy 'sqrt-weights' is offered by .* and by"):
        catalogue.find("sqrt-weights")


def test_a_file_needs_no_packaging(modules: Path) -> None:
    path = modules / "mine.py"
    path.write_text(GOOD)
    catalogue = Catalogue(files=[path], points=[])
    cls, plugin = catalogue.find("sqrt-weights")
    assert plugin.version.startswith("sha256:")
    assert catalogue.provider_of(cls) == plugin.provider
    with pytest.raises(PluginError, match=r"there is no plugin file"):
        Catalogue(files=[modules / "missing.py"], points=[])
    (modules / "bad.py").write_text("1/0")
    with pytest.raises(
        PluginError, match=r"ZeroDivisionError: division by zero. Mend the file; --traceback shows"
    ) as e:
        Catalogue(files=[modules / "bad.py"], points=[])
    # It was never installed, and nobody leaves a file out that was given on purpose.
    assert "Reinstall" not in str(e.value)
    assert "--without" not in str(e.value)


@pytest.mark.parametrize(("setting", "names"), [("none", []), ("one", ["one"]), ("one, two", ["one", "two"])])
def test_discovery_is_switched_off(
    setting: str, names: list[str], modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [point(modules, "one", GOOD), point(modules, "two", GOOD)]
    monkeypatch.setenv("IMBTK_PLUGINS", setting)
    assert Catalogue(points=points).names() == names
    monkeypatch.delenv("IMBTK_PLUGINS")
    catalogue = Catalogue(points=points, without=["one"])
    assert catalogue.names() == ["two"]
    with pytest.raises(PlanError, match=r"strategy 'one' is switched off, by --without or by IMBTK_PLUGINS"):
        catalogue.find("one")


def test_models_are_offered_through_the_hook(modules: Path) -> None:
    text = HEAD + "@hookimpl\ndef imbtk_models():\n    return {'acme-net': 1}"
    catalogue = Catalogue(points=[point(modules, "acme", text)])
    assert [answer for answer, _ in catalogue.offered("imbtk_models")] == [{"acme-net": 1}]
