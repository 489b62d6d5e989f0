"""What a run begins with: the plugins there are, and the data, read by core or by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from imbtk.authoring.plugin_files import PluginFile
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.data.sources import Source
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import OptionError
from imbtk.models.registry import default_model, find_model
from imbtk.models.spec import ModelSpec
from imbtk.planning.config import RunConfig

__all__ = [
    "BUILT_IN_PLUGINS",
    "Progress",
    "choose_model",
    "make_catalogue",
    "offered_models",
    "offered_sources",
    "read_data",
]

BUILT_IN_PLUGINS = ("imbtk.models.builtin",)
"""Core's own modules that offer models through the hooks that strangers use."""

Progress = Callable[[str, int, int], None]
"""``(description, done, total)``."""


def make_catalogue(config: RunConfig, files: Sequence[PluginFile] = ()) -> Catalogue:
    """Return the catalogue of what is installed, what core offers, and the files that the configuration names.

    Where `files` are given, which were read already, they stand for those of the configuration.
    """
    return Catalogue(files or config.plugins, BUILT_IN_PLUGINS, without=config.without)


def read_data(
    config: RunConfig, data: Any = None, catalogue: Catalogue | None = None, progress: Progress | None = None
) -> tuple[RunConfig, Dataset]:
    """Read the data as the configuration says; return it, and the configuration with the image size that was meant.

    Parameters
    ----------
    config : RunConfig
    data : object, optional
        Instead of ``config.data``.
    catalogue : Catalogue, optional
    progress : callable, optional
        ``(description, done, total)``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with the data.
    """
    catalogue = catalogue or make_catalogue(config)
    config = _with_image_size(config, offered_models(config, catalogue))
    if isinstance(data, Dataset):
        return config, data
    source = config.data if data is None else data
    if source is None:
        raise OptionError("no data are given. Give a path, or builtin:digits to try imbtk out.")
    return config, load(source, config, sources=offered_sources(catalogue), progress=progress)


def offered_sources(catalogue: Catalogue) -> list[Source]:
    """Return the data formats that plugins offer."""
    return [source for answer, _ in catalogue.offered("imbtk_sources") for source in answer]


def choose_model(config: RunConfig, dataset: Dataset, catalogue: Catalogue) -> ModelSpec:
    """Return the model that the configuration names, or what suits the data.

    Raises
    ------
    ImbtkError
        If there is no such model, or it does not take such data.
    """
    return find_model(
        config.model or default_model(dataset.kind, len(dataset)),
        dataset.kind,
        dataset.sample_shape,
        offered_models(config, catalogue),
        pretrained=config.pretrained,
        weights_file=config.weights,
    )


def offered_models(config: RunConfig, catalogue: Catalogue) -> dict[str, ModelSpec]:
    """Return models by name; plugins are asked only if the user named a model."""
    offered: dict[str, ModelSpec] = {}
    for answer, _ in catalogue.offered("imbtk_models", built_in_only=config.model is None):
        offered.update(answer)
    return offered


def _with_image_size(config: RunConfig, offered: dict[str, ModelSpec]) -> RunConfig:
    """Return the configuration with the image size of the pretrained weights, where the user gave none."""
    if not config.pretrained or config.image_size is not None or config.model is None:
        return config
    spec = find_model(config.model, "images", (3, 224, 224), offered, pretrained=True, weights_file=config.weights)
    return config.model_copy(update={"image_size": spec.image_size})
