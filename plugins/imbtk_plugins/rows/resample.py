"""Imbalanced-learn's samplers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import JsonValue, model_validator

from imbtk import Rows, RunContext, Strategy, hookimpl, option
from imbtk.errors import DataError, OptionError, PlanError, did_you_mean

__all__ = ["Resample"]

_CATEGORICAL = ("SMOTEN", "SMOTENC")
"""Samplers that are told which columns hold categories."""

_BY_CHANCE = ("RandomOverSampler", "RandomUnderSampler")
_STEPS = {"smote": "SMOTE", "tomek": "TomekLinks", "enn": "EditedNearestNeighbours"}
"""What the steps of combined samplers are, by the name of the parameter."""

Targets = Literal["auto", "minority", "not minority", "not majority", "majority", "all"] | float | dict[str, int]


class Resample(Strategy):
    """Resample the training rows once, before the first epoch, with one of imbalanced-learn's samplers.

    Notes
    -----
    Samplers that select rows (``RandomOverSampler``, ``RandomUnderSampler``, ``TomekLinks``, ``NearMiss``,
    ``EditedNearestNeighbours``, …) work on all data, by row numbers. Those that make up rows (``SMOTE``, ``ADASYN``,
    ``SMOTENC``, ``SMOTETomek``, ``ClusterCentroids``, …) work on tables only: a new row is

        x + u · (x' - x), u uniform in [0, 1]

    for SMOTE, with x' one of the k nearest neighbours of x in its class; between two images there is no image. They see
    training rows only, after the split, each column scaled to mean 0 and deviation 1; on images distances are between
    scaled pixels, which all have to fit in memory. Columns of 0 and 1 that stand for categories come out of most with
    values in between. ``SMOTENC`` is given such columns as the one column of categories that they were, and a missing
    category as one more; a new row has the commonest category of its neighbours. ``SMOTEN`` wants nothing but
    categories. Which columns those are is known of a table that imbtk encoded (``--categorical A,B``), columns of
    truths among them. Numbers come from the run's seed; the global random state is not used.

    When to use
    -----------
    Tables with a few hundred rows of a rare class or fewer, ``SMOTE`` where columns are numbers and ``SMOTENC`` where
    some are categories; on images only to leave rows out. Where rows shall change from epoch to epoch, and for plain
    random resampling, an epoch order (``oversample``, ``undersample``) does the same without fixing the rows.

    Cost
    ----
    One search for neighbours before training, quadratic in the rows at worst, with all features in memory. An epoch is
    as much longer or shorter as there are rows.

    Not with
    --------
    Class weights, a balanced order or a shifted loss at full strength: the rows are balanced already, and the plan is
    refused as an over-correction. Made-up rows have no patient and no file, so what looks at single rows sees them as
    unknown.

    Evidence
    --------
    SMOTE raised the area under the ROC curve over plain undersampling on most of nine tables (Chawla 2002), with
    decision trees and rules. For networks the gain over class weights is not established.

    References
    ----------
    Lemaître, Nogueira & Aridas 2017, "Imbalanced-learn: a Python toolbox to tackle the curse of imbalanced datasets in
    machine learning". Chawla et al. 2002, "SMOTE: synthetic minority over-sampling technique", section 4.2 and the
    figure of the algorithm there. The page of each sampler in imbalanced-learn's documentation names its own paper.
    """

    method: str = option("RandomOverSampler", "Name of the sampler's class in imbalanced-learn.")
    sampling_strategy: Targets = option(
        "auto", "Which classes to resample, as in imbalanced-learn: a word, a ratio, or rows by class name."
    )
    params: dict[str, JsonValue] = option(
        {}, "Further parameters of the sampler: {k_neighbors: 3}, or of its steps: {smote: {k_neighbors: 3}}."
    )

    @model_validator(mode="after")
    def _check_sampler(self) -> Self:
        _check_name(self.method, _families(), "imbalanced-learn has no sampler")
        _check_parameters(self.method, self.params)
        for name, step in _STEPS.items():
            if isinstance(parameters := self.params.get(name), dict):
                _check_parameters(step, parameters)
        return self

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Rows:
        """Return the rows that the sampler selects, and those that it makes up.

        Raises
        ------
        PlanError
            If a sampler that makes up rows is to work on images.
        OptionError
            If a class of `sampling_strategy` does not exist.
        DataError
            If a class has too few rows for the neighbours asked for, the table has no columns of the kind that the
            sampler is for, or the sampler refuses the rows.
        """
        if context.kind == "images" and self._makes_up_rows():
            raise PlanError(
                f"strategy '{self.name}' with method={self.method} makes up rows between neighbours, and the data are "
                "images: the average of two images of tissue is no image of tissue. Use a method that selects rows, "
                "such as RandomOverSampler or TomekLinks, or show rare classes more often with -s oversample and vary "
                "them with -s augment."
            )
        labels = rows.all_labels.numpy()
        sampler = self._build(context)
        # Chance looks at no pixel, so none is read.
        by_chance = self.method in _BY_CHANCE and not self._makes_up_rows()
        features = np.zeros((len(labels), 1), dtype=np.float32) if by_chance else rows.features()
        told = _Categories(features, rows.categories) if self.method in _CATEGORICAL else None
        if told is not None:
            features = self._check_categories(sampler, told)
        try:
            made, made_labels = sampler.fit_resample(features, labels)
        except (ValueError, RuntimeError) as error:
            raise DataError(self._explain(error, sampler, labels, context.class_names)) from error
        return self._assemble(rows, sampler, made if told is None else told.back(made), made_labels)

    def _check_categories(self, sampler: Any, told: _Categories) -> np.ndarray:
        """Return the features as SMOTENC and SMOTEN want them, who are told which of them are categories."""
        start = f"strategy '{self.name}' with method={self.method} is for "
        if not told.blocks:
            raise DataError(
                f"{start}columns of categories, and the table has none that are known: name them with --categorical "
                "A,B, or use method=SMOTE."
            )
        if self.method == "SMOTEN" and len(told.numbers):
            raise DataError(
                f"{start}tables of categories alone, and {len(told.numbers)} columns of this one are numbers: use "
                "method=SMOTENC, or take them as categories with --categorical A,B."
            )
        if self.method == "SMOTENC":
            if not len(told.numbers):
                raise DataError(f"{start}columns of numbers beside those of categories: use method=SMOTEN.")
            sampler.set_params(categorical_features=told.places)
        return told.features

    def _makes_up_rows(self) -> bool:
        if self.method == "RandomOverSampler":
            return bool(self.params.get("shrinkage"))
        return self.method == "ClusterCentroids" or _families()[self.method] != "under_sampling"

    def _build(self, context: RunContext) -> Any:
        """Return the sampler, with numbers from the run's seed."""
        targets: Any = self.sampling_strategy
        if isinstance(targets, dict):
            for name in targets:
                if name not in context.class_names:
                    raise OptionError(
                        f"option 'sampling_strategy' of strategy '{self.name}' names the class '{name}', which the "
                        f"data do not have.{did_you_mean(name, context.class_names)}"
                    )
            targets = {context.class_names.index(name): rows for name, rows in targets.items()}
        seed = int(context.draw.numpy().integers(2**31))
        parameters: dict[str, Any] = dict(self.params)
        for name, step in _STEPS.items():
            if isinstance(given := parameters.get(name), dict):
                goal = targets if name == "smote" else "all"
                parameters[name] = _make(step, {"sampling_strategy": goal, **given}, seed)
        told: dict[str, Any] = {"categorical_features": []} if self.method == "SMOTENC" else {}
        return _make(self.method, {"sampling_strategy": targets, **told, **parameters}, seed)

    def _assemble(self, rows: Rows, sampler: Any, made: np.ndarray, made_labels: np.ndarray) -> Rows:
        """Return the rows of the data that are still there, by number, and the made-up ones, by value."""
        labels = rows.all_labels.numpy()
        n = len(labels)
        if not self._makes_up_rows():
            return rows.take(torch.from_numpy(np.asarray(sampler.sample_indices_, dtype=np.int64)))
        if self.method == "ClusterCentroids":
            replaced = list(sampler.sampling_strategy_)
            kept, new = np.flatnonzero(~np.isin(labels, replaced)), np.isin(made_labels, replaced)
        elif _families()[self.method] == "combine":
            # The second step chooses among the data's rows followed by those of SMOTE, and says which.
            chosen = (sampler.tomek_ if hasattr(sampler, "tomek_") else sampler.enn_).sample_indices_
            kept, new = chosen[chosen < n], chosen >= n
        else:
            kept, new = np.arange(n), np.arange(len(made_labels)) >= n
        return rows.take(torch.from_numpy(kept)).with_synthetic(made[new], made_labels[new])

    def _explain(self, error: Exception, sampler: Any, labels: np.ndarray, class_names: tuple[str, ...]) -> str:
        """Return what to do about the sampler's error; too few neighbours are the usual one."""
        step = getattr(sampler, "smote_", sampler)
        option_name = "k_neighbors" if hasattr(step, "k_neighbors") else "n_neighbors"
        neighbours = getattr(step, option_name, None)
        if "n_neighbors" in str(error) and isinstance(neighbours, int):
            counts = {int(c): int(rows) for c, rows in zip(*np.unique(labels, return_counts=True), strict=True)}
            # NearMiss measures distances to the rarest class; the others look within the classes that they fill up.
            near = self.method == "NearMiss"
            looked_at = counts if near else [c for c, more in step.sampling_strategy_.items() if more > 0]
            needed = neighbours if near else neighbours + 1
            worst = min(looked_at, key=lambda c: counts[c])
            rows, most = counts[worst], counts[worst] - (needed - neighbours)
            if rows < needed:
                inner = f"{{{option_name}: {most}}}"
                fix = f"params={{smote: {inner}}}" if step is not sampler else f"params={inner}"
                return (
                    f"class '{class_names[worst]}' has {rows} training row{'s' * (rows != 1)}, and {self.method} with "
                    f"{option_name}={neighbours} needs at least {needed}. "
                    + (f"Set {fix}, or use" if most >= 1 else "One row has no neighbour: use")
                    + " method=RandomOverSampler, or leave the class out by sampling_strategy."
                )
        return f"imbalanced-learn's {self.method} cannot resample these rows: {error}"


class _Categories:
    """Features (n, D) as columns of numbers followed by one column of codes for each of their `blocks`, and back."""

    def __init__(self, features: np.ndarray, blocks: tuple[tuple[int, int], ...]) -> None:
        self.blocks, self._width = blocks, features.shape[1]
        inside = {column for start, stop in blocks for column in range(start, stop)}
        self.numbers = np.array([column for column in range(self._width) if column not in inside], dtype=np.int64)
        self._patterns, codes = [], []
        for start, stop in blocks:
            values = features[:, start:stop]
            # What stands in the columns is a category as it is, one that is missing included. Made-up rows of a
            # sampler before differ in the last digits.
            _, first, code = np.unique(values.round(3), axis=0, return_index=True, return_inverse=True)
            self._patterns.append(values[first])
            codes.append(code.reshape(-1))
        self.features = np.column_stack([features[:, self.numbers], *codes])
        self.places = list(range(len(self.numbers), self.features.shape[1]))

    def back(self, features: np.ndarray) -> np.ndarray:
        """Return rows (m, …) of such columns in the columns that there were, (m, D)."""
        made = np.empty((len(features), self._width), dtype=np.float32)
        made[:, self.numbers] = features[:, : len(self.numbers)]
        for (start, stop), patterns, place in zip(self.blocks, self._patterns, self.places, strict=True):
            made[:, start:stop] = patterns[features[:, place].astype(np.int64)]
        return made


def _families() -> dict[str, str]:
    """Return the module of imbalanced-learn that each sampler is in, by the sampler's name."""
    modules = ("over_sampling", "under_sampling", "combine")
    return {name: module for module in modules for name in importlib.import_module(f"imblearn.{module}").__all__}


def _make(method: str, parameters: dict[str, Any], seed: int) -> Any:
    """Return a sampler by name, seeded if it draws numbers at all."""
    sampler = getattr(importlib.import_module(f"imblearn.{_families()[method]}"), method)
    seeded = {"random_state": seed} if "random_state" in inspect.signature(sampler).parameters else {}
    return sampler(**parameters, **seeded)


def _check_parameters(method: str, parameters: dict[str, Any]) -> None:
    sampler = getattr(importlib.import_module(f"imblearn.{_families()[method]}"), method)
    decided = {
        "random_state": "the run's seed",
        "sampling_strategy": "the option of that name",
        "categorical_features": "the table, whose columns of categories --categorical names",
    }
    for name in parameters:
        if name in decided:
            raise ValueError(f"'{name}' in 'params' is decided by {decided[name]}")
        _check_name(name, set(inspect.signature(sampler).parameters) - set(decided), f"{method} has no parameter")


def _check_name(name: str, known: Iterable[str], what: str) -> None:
    known = set(known)
    if name not in known:
        raise ValueError(f"{what} '{name}'.{did_you_mean(name, known)}".rstrip("."))
