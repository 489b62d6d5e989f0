"""What is offered by all plugins together, found by name; those that fail are named, and the others go on."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

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


def test_a_broken_plugin_is_named_and_the_others_go_on(modules: Path) -> None:
    points = [point(modules, "broken", "import nothing_of_that_name"), point(modules, "good", GOOD)]
    catalogue = Catalogue(points=points)
    assert list(catalogue.strategies()) == ["sqrt-weights"]
    (failed,) = [plugin for plugin in catalogue.plugins() if plugin.error]
    assert failed.name == "broken"
    with pytest.raises(PluginError, match="cannot be imported: ModuleNotFoundError"):
        catalogue.find("broken")
    with pytest.raises(PlanError, match="Plugins that failed to load: broken"):
        catalogue.find("quite-another")


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
    text = "from imbtk import hookimpl\n@hookimpl\ndef imbtk_models():\n    return {'acme-net': 1}"
    catalogue = Catalogue(points=[point(modules, "acme", text)])
    assert [answer for answer, _ in catalogue.offered("imbtk_models")] == [{"acme-net": 1}]
