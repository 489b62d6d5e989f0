"""What a run says of itself before training."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sklearn
import torch
from runs_on_folds import DATA, LABELS, NAMES, X, config, given, ready

from imbtk import __version__
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.pipeline.documents import environment, plan_document
from imbtk.pipeline.prepare import prepare
from imbtk.planning.prepared import PreparedRun


def defaults(run: PreparedRun) -> dict[str, str]:
    return dict(map(tuple, plan_document(run)["defaults"]))


def test_what_becomes_of_a_given_split_is_said() -> None:
    def said(data: Dataset, *strategies: str) -> str:
        return defaults(prepare(config(fold=0), data, strategies))["split"]

    by = "by stratified-split"
    assert said(given(0, 1, 2, 0), by[3:]) == f"{by}, the data's own train, validation and test rows kept"
    folds = f"{by}:folds=3"
    assert said(given(0, 1, 2, 0), folds[3:]) == (
        f"{folds}, the data's own test rows kept, train and validation rows dealt anew, fold 0 of 3"
    )
    assert said(given(0, 1, 1, 0), folds[3:]) == f"{folds}, the given train and validation rows dealt anew, fold 0 of 3"
    assert said(load(DATA), folds[3:]) == f"{folds}, fold 0 of 3"


def test_the_split_is_counted_and_says_what_it_takes_for_granted() -> None:
    run = prepare(config(fold=0, group_name="person", induce_imbalance="10:step"), DATA)
    found = plan_document(run)["split"]
    train, side = run.data.split.train.numpy(), run.data.split.test.numpy()
    assert found["class_counts"]["test"] == np.bincount(LABELS[side]).tolist()
    assert found["class_counts"]["train"] == np.bincount(LABELS[train]).tolist()
    assert found["train"] + found["validation"] + found["test"] + found["dropped"] == len(LABELS)
    assert found["dropped"] > 0
    assert found["groups"]["test"] == len(np.unique(DATA[2][side]))
    assert (found["group_name"], found["note"]) == ("person", "No person is on two sides.")
    unknown = plan_document(prepare(config(fold=0), (X, NAMES[LABELS])))["split"]
    assert unknown["groups"] is None
    assert unknown["note"].startswith("Groups are not known: these metrics assume that no two rows come from one group")


def test_precision_is_said_as_far_as_it_is_known() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    images = (pixels, np.arange(60) % 2)
    options = {"fold": 0, "model": "linear", "precision": "fp32", "memory_format": "channels-last"}
    assert defaults(prepare(config(**options), images))["precision"] == "fp32, channels-last"
    assert defaults(prepare(config(**options), DATA))["precision"] == "fp32"
    auto = prepare(config(**options | {"precision": "auto"}), images)
    assert defaults(auto)["precision"] == "chosen before the first step"


def test_strategies_are_told_with_their_window_options_and_phases() -> None:
    document = plan_document(prepare(config(fold=0, epochs=4), DATA, ["class-weights@50%-", "stratified-split"]))
    weights, split = document["strategies"]
    assert (weights["spec"], weights["window"], weights["stages"]) == ("class-weights@50%-", "50%-", ["class weights"])
    assert set(weights["options"]) >= {"scheme"}
    assert weights["summary"].endswith(".")
    assert split["window"] is None
    assert [(phase["start"], phase["stop"], phase["strategies"]) for phase in document["phases"]] == [
        (0, 2, ["stratified-split"]), (2, 4, ["class-weights@50%-", "stratified-split"]),
    ]  # fmt: skip
    before, after = (entry["rows"]["effective"] for entry in document["ledger"])
    assert before == document["ledger"][0]["rows"]["natural"]
    assert after == pytest.approx([0.5, 0.5])


def test_the_environment_is_what_repeating_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["imbtk", "run", "data.csv"])
    run = ready("class-weights")
    found = environment(run)
    assert (found["imbtk"], found["numpy"], found["scikit-learn"]) == (
        __version__,
        np.__version__,
        sklearn.__version__,
    )
    assert torch.__version__.startswith(found["torch"])
    assert found["python"] == sys.version.split()[0]
    assert (found["device"], found["gpu"], found["command"]) == ("cpu", None, "run data.csv")
    assert set(found["plugins"]) == {"folds", "class-weights"}
    assert found["data"] == run.data.dataset.description
