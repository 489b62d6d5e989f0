"""Data that come with scikit-learn: real, small, at hand without a network."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np

from imbtk.authoring.options import parse_spec
from imbtk.data.arrays import dataset_from_arrays
from imbtk.data.dataset import Dataset
from imbtk.data.options import DataOptions
from imbtk.data.store import Progress
from imbtk.errors import DataError, OptionError, did_you_mean

__all__ = ["BUILTIN_NAMES", "BuiltinSource"]

BUILTIN_NAMES = ("digits", "breast-cancer")
DIGITS_IMBALANCE = 20.0
"""n_max / n_min that ``builtin:digits`` gets unless told: 144 rows of the first digit leave about 7 of the last."""


class BuiltinSource:
    """``builtin:digits`` and ``builtin:breast-cancer``."""

    name = "builtin"
    summary = "builtin:digits (8×8 images, imbalance induced) or builtin:breast-cancer (a table)"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` begins with ``builtin:``."""
        return isinstance(data, str) and data.startswith("builtin:")

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If there is none of that name.
        OptionError
            If it has no such option.
        """
        text = str(data).removeprefix("builtin:")
        name = text.partition(":")[0]
        if name not in BUILTIN_NAMES:
            raise DataError(f"unknown built-in data set builtin:{name}.{did_you_mean(name, BUILTIN_NAMES)}")
        given = parse_spec(text).options
        return _digits(given, options) if name == "digits" else _breast_cancer(given, options)


def _refuse_others(given: dict[str, Any], known: tuple[str, ...], name: str) -> None:
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known) or " It has none."
            raise OptionError(f"unknown option '{key}' of builtin:{name}.{hint}")


def _digits(given: dict[str, Any], options: DataOptions) -> Dataset:
    from imbtk.data.imbalance import with_induced

    _refuse_others(given, ("imbalance", "profile", "seed"), "digits")
    images, labels = _read_digits()
    # Pixels are whole numbers in 0..16, so that no two of them meet in 0..255.
    pixels = np.rint(images * (255 / 16)).astype(np.uint8)
    plain = options.model_copy(update={"domain": "digits" if options.domain == "auto" else options.domain})
    dataset = dataset_from_arrays(pixels, labels, None, plain, name="builtin:digits")
    dataset.description.update({"source": "builtin"})
    if options.induce_imbalance is not None:
        if "imbalance" in given or "profile" in given:
            raise OptionError(
                "builtin:digits has its imbalance from the option in its name and from --induce-imbalance: give one."
            )
        return dataset
    seed = given.get("seed", options.seed)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise OptionError(f"builtin:digits: seed={seed} is no whole number from 0 on.")
    factor, profile = given.get("imbalance", DIGITS_IMBALANCE), given.get("profile", "long-tail")
    return with_induced(dataset, f"{factor}:{profile}", seed, is_default="imbalance" not in given)


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 8, 8) and labels (N,) as ``load_digits`` does: loading scikit-learn takes a second, and pandas.

    Raises
    ------
    DataError
        If scikit-learn comes without its data.
    """
    path = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    try:
        values = np.loadtxt(path, delimiter=",", dtype=np.int64)
    except OSError as error:
        raise DataError(
            f"the digits that come with scikit-learn cannot be read: {error}. Install it again "
            "(pip install --force-reinstall scikit-learn)."
        ) from None
    return values[:, :-1].reshape(-1, 8, 8), values[:, -1]


def _breast_cancer(given: dict[str, Any], options: DataOptions) -> Dataset:
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    from imbtk.data.table import dataset_from_table

    _refuse_others(given, (), "breast-cancer")
    options.refuse_unused(set(), "builtin:breast-cancer, which is a table")
    bunch = load_breast_cancer()
    return dataset_from_table(
        pd.DataFrame(bunch.data, columns=list(bunch.feature_names)),
        [str(bunch.target_names[number]) for number in bunch.target],
        name="builtin:breast-cancer",
        where="builtin:breast-cancer",
        description={"source": "builtin"},
    )
