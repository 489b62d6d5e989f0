"""One plugin: what it offers, and why it is refused, in words that name it and what its user can do."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest
import torch

from imbtk import hookimpl
from imbtk.discovery.plugin import HookManager, Plugin, load_plugin

HEAD = "from imbtk import Strategy, hookimpl\n"

WEIGHS = f"""{HEAD}
class Weighs(Strategy):
    'Weigh all classes alike.'

    @hookimpl
    def imbtk_class_weights(self, context):
        return None

"""

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
        r"plugin 'acme' \(acme-imb 1.2\): imbtk_models asks for 'extra', which there is not. It has no arguments.",
    ),
    "no hook": (HEAD + "class Idle(Strategy):\n    'Idle.'", "strategy 'idle' .* answers no hook"),
    "no class": (HEAD + "@hookimpl\ndef imbtk_strategies():\n    return [3]", "offers 3 in imbtk_strategies"),
    "raises": (
        HEAD + "@hookimpl\ndef imbtk_strategies():\n    raise KeyError('x')",
        "failed in imbtk_strategies: KeyError",
    ),
}


def loaded(folder: Path, text: str) -> Plugin:
    """Return what became of a plugin whose module holds `text`."""
    (folder / "plug_acme.py").write_text(text)
    return load_plugin(Plugin("acme", "plug_acme", "acme-imb", "1.2"))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_refused_by_name(kind: str, modules: Path) -> None:
    text, message = BROKEN[kind]
    plugin = loaded(modules, text)
    assert re.search(message, str(plugin.error))
    assert "plugin 'acme' (acme-imb 1.2)" in str(plugin.error)
    assert (plugin.module, plugin.strategies) == (None, {})


def test_what_was_refused_at_import_is_not_left_among_the_modules(modules: Path) -> None:
    package = modules / "plug_acme"
    package.mkdir()
    (package / "__init__.py").write_text("import plug_library\nfrom plug_acme import inner\nprint('hello')")
    (package / "inner.py").write_text("")
    (modules / "plug_library.py").write_text("")
    plugin = load_plugin(Plugin("acme", "plug_acme", "acme-imb", "1.2"))
    assert "prints when it is imported" in str(plugin.error)
    assert not {"plug_acme", "plug_acme.inner"} & set(sys.modules)
    assert "plug_library" in sys.modules, "others may have taken it into use"


def test_the_random_state_is_put_back(modules: Path) -> None:
    before, before_torch = random.getstate(), torch.random.get_rng_state()
    assert loaded(modules, "import torch, random; torch.rand(3); random.random()").error is not None
    assert random.getstate() == before
    assert torch.equal(torch.random.get_rng_state(), before_torch)


def test_a_library_that_draws_when_it_is_first_imported_is_not_the_plugins_doing(modules: Path) -> None:
    (modules / "plug_library.py").write_text("import random; random.random()")
    before = random.getstate()
    plugin = loaded(modules, f"import plug_library\n{WEIGHS}")
    assert plugin.error is None
    assert list(plugin.strategies) == ["weighs"]
    assert random.getstate() == before


def test_a_plugin_is_imported_once(modules: Path) -> None:
    plugin = loaded(modules, WEIGHS)
    module = plugin.module
    assert module is not None
    (modules / "plug_acme.py").unlink()
    del sys.modules["plug_acme"]
    assert load_plugin(plugin) is plugin
    assert (plugin.module, plugin.error) == (module, None)


def test_strategies_are_those_that_the_module_defines_unless_it_says_which(modules: Path) -> None:
    more = "class _Base(Weighs):\n    'Hidden.'\n\nclass Other(_Base):\n    'Another.'\n"
    imported = "from plug_elsewhere import Weighs as Foreign\n"
    (modules / "plug_elsewhere.py").write_text(WEIGHS)
    assert list(loaded(modules, imported + WEIGHS + more).strategies) == ["weighs", "other"]
    del sys.modules["plug_acme"]
    said = "@hookimpl\ndef imbtk_strategies():\n    return [Foreign, _Base]\n"
    assert list(loaded(modules, imported + WEIGHS + more + said).strategies) == ["weighs", "_base"]
    del sys.modules["plug_acme"]
    twice = loaded(modules, WEIGHS + "@hookimpl\ndef imbtk_strategies():\n    return [Weighs, Weighs]\n")
    assert str(twice.error) == "plugin 'acme' (acme-imb 1.2) offers strategy 'weighs' twice."


def test_only_what_is_named_like_a_hook_is_one() -> None:
    class Offers:
        @hookimpl
        def observers(self) -> list[object]:
            return ["never asked"]

        @hookimpl
        def imbtk_observers(self) -> list[object]:
            return ["found"]

    manager, plugin = HookManager(), Offers()
    manager.register(plugin)
    assert manager.hook.imbtk_observers() == [["found"]]
    assert [caller.name for caller in manager.get_hookcallers(plugin) or ()] == ["imbtk_observers"]
