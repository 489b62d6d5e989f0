"""What a run begins with: plugins, data, a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imbtk.authoring.plugin_files import PluginFile
from imbtk.data.dataset import Dataset
from imbtk.errors import ImbtkError, OptionError
from imbtk.planning.config import make_config
from imbtk.planning.reading import choose_model, make_catalogue, offered_models, offered_sources, read_data

PLUGIN = """
from torch import nn

from imbtk import ModelSpec, hookimpl


@hookimpl
def imbtk_models():
    return {"plain": ModelSpec("plain", lambda shape: nn.Flatten(), "any")}
"""

TABLE = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def test_files_that_were_read_stand_for_those_that_are_named(plugin: Path) -> None:
    config = make_config({"plugins": ["gone.py"], "model": "plain"})
    with pytest.raises(ImbtkError, match=r"gone\.py"):
        make_catalogue(config).plugins()
    catalogue = make_catalogue(config, [PluginFile("gone.py", PLUGIN.encode())])
    assert "plain" in offered_models(config, catalogue)


def test_a_plugins_models_are_asked_for_only_where_a_model_is_named(plugin: Path) -> None:
    named, unnamed = (make_config({"plugins": [str(plugin)], **more}) for more in ({"model": "plain"}, {}))
    assert "plain" in offered_models(named, make_catalogue(named))
    found = offered_models(unnamed, make_catalogue(unnamed))
    assert "plain" not in found
    assert {"linear", "small-cnn"} <= set(found)


def test_data_are_those_that_are_handed_over_or_named() -> None:
    with pytest.raises(OptionError, match=r"no data are given\. Give a path, or builtin:digits"):
        read_data(make_config({}))
    config, dataset = read_data(make_config({"data": "builtin:digits"}), TABLE)
    assert (dataset.kind, len(dataset)) == ("table", 30)
    assert read_data(config, dataset)[1] is dataset


def test_a_model_is_the_one_named_or_suits_the_data(plugin: Path) -> None:
    _, table = read_data(make_config({}), TABLE)
    config = make_config({"plugins": [str(plugin)], "model": "plain"})
    assert choose_model(config, table, make_catalogue(config)).name == "plain"
    plain = make_config({})
    assert choose_model(plain, table, make_catalogue(plain)).kind in ("table", "any")
    images = Dataset(
        "made up", "images", torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 2), ("a", "b")
    )
    assert choose_model(plain, images, make_catalogue(plain)).kind in ("images", "any")
    wrong = make_config({"model": "small-cnn"})
    with pytest.raises(ImbtkError, match="small-cnn"):
        choose_model(wrong, table, make_catalogue(wrong))


def test_of_no_plugin_with_formats_there_are_none(plugin: Path) -> None:
    config = make_config({"plugins": [str(plugin)]})
    assert offered_sources(make_catalogue(config)) == []
