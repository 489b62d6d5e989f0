"""Tests of the descriptions that are kept between calls."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from imbtk.cli.program import program
from imbtk.discovery import descriptions
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.descriptions import Descriptions
from imbtk.errors import PlanError, PluginError

MODULE = '''"""A plugin."""
from typing import Literal

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from {package}.bounds import LARGEST


class Tilt(Strategy):
    """Tilt the weights."""

    power: float = option(0.5, "Exponent.", ge=0, le=LARGEST)
    way: Literal["up", "down"] = option("up", "Where to.")
    classes: tuple[str, ...] = option((), "Which.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return tilted weights."""
        return context.class_counts.double().pow(-self.power)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of an importable package with a plugin ``tilt`` and a module that its options rest on."""
    folder = tmp_path / "acme_tilt"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "bounds.py").write_text("LARGEST = 2\n")
    (folder / "tilt.py").write_text(MODULE.format(package=folder.name))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    forget()


def forget() -> None:
    """Forget the package's modules, as a new process would."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_tilt"]:
        del sys.modules[name]


def catalogue() -> Catalogue:
    forget()
    return Catalogue(points=[EntryPoint("tilt", "acme_tilt.tilt", "imbtk")])


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of each plugin that is loaded to be described."""
    seen: list[str] = []
    load = descriptions.load_plugin

    def loading(plugin: descriptions.Plugin) -> descriptions.Plugin:
        seen.append(plugin.name)
        return load(plugin)

    monkeypatch.setattr(descriptions, "load_plugin", loading)
    monkeypatch.setenv("IMBTK_PLUGINS", "tilt")
    return seen


def test_the_second_call_loads_no_plugin_and_says_the_same(package: Path, tmp_path: Path, loads: list[str]) -> None:
    made = Descriptions(catalogue(), tmp_path / "kept").all()
    assert loads == ["tilt"]
    assert [d.name for d in made] == ["tilt"]
    assert made[0].options[1].choices == ("up", "down")
    second = Descriptions(catalogue(), tmp_path / "kept")
    assert second.all() == made
    assert second.find("tilt") == made[0]
    assert loads == ["tilt"]
    assert "acme_tilt.tilt" not in sys.modules


@pytest.mark.parametrize("changed", ["tilt.py", "bounds.py"])
def test_a_module_that_changed_is_described_anew(package: Path, tmp_path: Path, loads: list[str], changed: str) -> None:
    Descriptions(catalogue(), tmp_path / "kept").all()
    text = (package / changed).read_text()
    (package / changed).write_text(text.replace("Tilt the weights", "Tip the weights").replace("= 2\n", "= 31\n"))
    found = Descriptions(catalogue(), tmp_path / "kept").find("tilt")
    assert loads == ["tilt", "tilt"]
    assert (found.summary, found.options[0].maximum) in [("Tip the weights.", 2), ("Tilt the weights.", 31)]


def test_what_was_installed_since_counts(
    package: Path, tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    Descriptions(catalogue(), tmp_path / "kept").all()
    Descriptions(catalogue(), tmp_path / "kept").all()
    assert loads == ["tilt"]
    os.utime(place, ns=(1, 1))
    Descriptions(catalogue(), tmp_path / "kept").all()
    assert loads == ["tilt", "tilt"]


def _of_numbers(text: str) -> str:
    document = json.loads(text)
    document["strategies"]["tilt"]["summary"] = 3
    return json.dumps(document)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "[]",
        lambda text: "\x00\x80",
        lambda text: "[" * 100_000,
        lambda text: "import os; os.abort()",
        lambda text: text.replace('"installed"', '"instaled"'),
        _of_numbers,
    ],
)
def test_what_is_spoiled_is_made_anew(
    package: Path, tmp_path: Path, loads: list[str], spoil: Callable[[str], str]
) -> None:
    made = Descriptions(catalogue(), tmp_path / "kept").all()
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_text()
    file.write_text(spoil(whole))
    assert Descriptions(catalogue(), tmp_path / "kept").all() == made
    assert loads == ["tilt", "tilt"]
    assert json.loads(file.read_text()) == json.loads(whole)


def test_where_nothing_can_be_written_all_is_told(package: Path, tmp_path: Path, loads: list[str]) -> None:
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "deeper"):
        assert [d.name for d in Descriptions(catalogue(), folder).all()] == ["tilt"]
    assert loads == ["tilt", "tilt"]


def test_many_that_write_at_once_leave_one_whole_file(package: Path, tmp_path: Path) -> None:
    known = catalogue()
    known.plugins()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Descriptions(known, tmp_path / "kept").all(), range(16)))
    assert all(one == found[0] for one in found)
    (file,) = (tmp_path / "kept").iterdir()
    assert json.loads(file.read_text())["strategies"].keys() == {"tilt"}


def test_a_plugin_that_fails_is_not_kept(package: Path, tmp_path: Path, loads: list[str]) -> None:
    (package / "bounds.py").write_text("raise ImportError('no bounds')\n")
    for _ in range(2):
        broken = catalogue()
        told = Descriptions(broken, tmp_path / "kept")
        assert told.all() == []
        assert [plugin.name for plugin in broken.failed()] == ["tilt"]
        with pytest.raises(PluginError, match="no bounds"):
            told.find("tilt")
        with pytest.raises(PlanError, match="Plugins that failed to load: tilt"):
            told.find("tolt")
    assert loads.count("tilt") == 2


@pytest.mark.parametrize("arguments", [(), ("--json",), ("NAME",), ("NAME", "--json"), ("NAME", "--source")])
def test_every_answer_is_the_same_with_and_without_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.delenv("IMBTK_PLUGINS", raising=False)
    monkeypatch.setenv("IMBTK_CACHE", str(tmp_path))
    for name in Catalogue().offers() if "NAME" in arguments else [""]:
        words = ["strategies", *(name if word == "NAME" else word for word in arguments)]
        first, second = (CliRunner().invoke(program, words, catch_exceptions=False) for _ in range(2))
        assert first.exit_code == 0
        assert first.stdout == second.stdout
