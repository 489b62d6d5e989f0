"""Decisions of whole runs: refused before training where they cannot be made, and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import imbtk
from imbtk import DecisionRule, RunContext, Strategy, hookimpl
from imbtk.authoring.prediction import ABSTAIN
from imbtk.errors import ConflictError, DataError, OptionError
from imbtk.evaluation.intervals import korn_graubard
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import RunConfig

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [150, 50])
X = (RNG.normal(size=(200, 2)) + 2.0 * LABELS[:, None]).astype(np.float32)
DATA = (X, np.array(["benign", "malignant"])[LABELS], np.arange(200) // 2)


class Floor(Strategy):
    """Look at validation rows and groups; keep a floor and abstain."""

    seen: ClassVar[list[Any]] = []

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, labels: np.ndarray, groups: np.ndarray | None) -> DecisionRule:
        self._seen = [len(logits), None if groups is None else len(np.unique(groups))]
        type(self).seen = self._seen
        return DecisionRule("logits", np.array([0.0, 0.5]), reject_below=0.55, name="mine", floor=(1, 0.8))


class Fixed(Strategy):
    """Decide without looking at rows."""

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> DecisionRule:
        return DecisionRule("probabilities", cost=1 - np.eye(context.num_classes), name="fixed")


class Sets(Strategy):
    """Say which classes cannot be ruled out."""

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray) -> DecisionRule:
        return DecisionRule(sets=np.array([1.0, np.inf]), name="a stranger's sets")


class Never(Strategy):
    """Refuse."""

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray) -> DecisionRule:
        raise DataError(f"not on {len(labels)} rows")


class Fails(Strategy):
    """Fail on logits that are too good."""

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray) -> DecisionRule:
        if logits.max() > 15:
            raise FloatingPointError("overflow")
        return DecisionRule(name="survived")


def document(strategies: list[Any], folder: Path, **options: Any) -> dict[str, Any]:
    run = imbtk.run(DATA, strategies, epochs=1, model="linear", out=str(folder / "run"), quiet=True, **options)
    found: dict[str, Any] = json.loads((run.folder / "decision.json").read_text())
    return found


def test_what_a_rule_was_fitted_on_and_whether_its_floor_held(tmp_path: Path) -> None:
    found = document([Floor()], tmp_path)
    rows, groups = Floor.seen
    assert (found["fitted_on"], found["rows"], found["groups"]) == ("validation rows", rows, groups)
    assert (found["by"], found["on"], found["name"]) == ("floor", "logits", "mine")
    run = imbtk.load(tmp_path / "run")
    import csv

    with (run.folder / "predictions.csv").open() as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    ill = [row for row in test if row["truth"] == "malignant" and row["predicted"]]
    hits = np.array([row["predicted"] == "malignant" for row in ill])
    figure = found["floor"]["test"]
    assert figure["value"] == pytest.approx(hits.mean())
    assert figure["interval"] == pytest.approx(
        korn_graubard(hits, np.unique([r["group"] for r in ill], return_inverse=True)[1])
    )
    assert found["floor"]["held_on_test"] == (hits.mean() >= 0.8)
    assert found["floor"]["confirmed_on_test"] == (figure["interval"][0] >= 0.8)
    assert found["reject"]["share"]["test"] == pytest.approx(np.mean([not row["predicted"] for row in test]))
    curve = found["reject"]["risk_coverage"]["test"]
    assert curve["coverage"][-1] == 1.0
    assert run.predictor.decision.floor == (1, 0.8)


def test_sets_join_the_rule_that_decides_and_are_fitted_on_their_own(tmp_path: Path) -> None:
    found = document([Sets(), Fixed()], tmp_path)
    assert (found["by"], found["name"], found["fitted_on"]) == ("fixed", "fixed; a stranger's sets", None)
    sets = found["sets"]
    assert (sets["by"], sets["fitted_on"], sets["always"]) == ("sets", "validation rows", ["malignant"])
    run = imbtk.load(tmp_path / "run")
    assert run.predictor.decision.cost is not None
    assert all("malignant" in of_row for of_row in run.predict_sets(X))
    assert "in every set" in (run.folder / "report.html").read_text()


@pytest.mark.parametrize(("wanted", "name"), [("trained", "as trained"), ("balanced", "the class with the largest")])
def test_sets_join_what_core_decides(tmp_path: Path, wanted: str, name: str) -> None:
    found = document([Sets()], tmp_path, decide=wanted)
    assert found["name"].startswith(name)
    assert found["name"].endswith("; a stranger's sets")
    assert (found["by"], found["fitted_on"], found["sets"]["by"]) == (None, None, "sets")


def test_two_that_make_sets_conflict() -> None:
    with pytest.raises(ConflictError, match=r"claimed by 'sets' .* and 'sets'"):
        prepare(RunConfig(epochs=1, model="linear"), DATA, [Sets(), Sets()])


def test_without_sets_there_are_none_to_predict(tmp_path: Path) -> None:
    assert document([], tmp_path)["sets"] is None
    with pytest.raises(OptionError, match="this model has no sets of classes"):
        imbtk.load(tmp_path / "run").predict_sets(X)


def test_a_rule_that_looks_at_no_row_was_fitted_on_none(tmp_path: Path) -> None:
    found = document([Fixed()], tmp_path)
    assert (found["fitted_on"], found["rows"], found["groups"]) == (None, None, None)
    assert (found["on"], found["floor"], found["reject"]) == ("probabilities", None, None)


def test_deploy_picks_the_most_probable_class_at_the_deployment_prior(tmp_path: Path) -> None:
    found = document([], tmp_path, decide="deploy", deploy="benign=0.01,malignant=0.99")
    assert found["name"] == "the most probable class at the deployment prior"
    assert found["by"] is None
    run = imbtk.load(tmp_path / "run")
    named = np.array(["benign", "malignant"])[run.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(run.predict(X), named)
    assert (named == "malignant").mean() > 0.5


def test_as_trained_is_the_default(tmp_path: Path) -> None:
    found = document([], tmp_path)
    assert (found["name"], found["on"], found["fitted_on"]) == ("as trained", "logits", None)


@pytest.mark.parametrize(
    ("strategies", "options", "error", "message"),
    [
        ([Fixed(), Floor()], {}, ConflictError, "decision is claimed by 'fixed' .* and 'floor' .* Enable one of them"),
        (
            [Fixed()],
            {"decide": "deploy"},
            OptionError,
            "'fixed' decides, and --decide deploy as well: leave one of them",
        ),
        ([Never()], {}, DataError, r"not on \d+ rows"),
    ],
)
def test_what_cannot_be_decided_is_refused_before_training(
    strategies: list[Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare(RunConfig(epochs=1, model="linear", **options), DATA, strategies)


def test_the_rehearsal_leaves_the_strategies_alone_and_says_who_decides() -> None:
    prepared = prepare(RunConfig(epochs=1, model="linear"), DATA, [Floor()])
    assert prepared.plan.strategies.items[0].strategy.state_dict() == {}
    assert prepared.plan.decision == "by floor, fitted on validation rows"
    assert prepare(RunConfig(epochs=1, model="linear"), DATA, [Fixed()]).plan.decision == "by fixed"


def test_a_strategy_that_cannot_take_perfect_logits_runs_all_the_same(tmp_path: Path) -> None:
    assert document([Fails()], tmp_path)["name"] == "survived"


def test_abstentions_are_left_out_of_sensitivities() -> None:
    from imbtk.calibration.decisions import _Units

    rule = DecisionRule(reject_below=0.9)
    logits = np.array([[0.0, 9.0], [0.0, 0.1], [9.0, 0.0]])
    units = _Units(rule, logits, logits, np.array([1, 1, 1]), None)
    assert units.decided.tolist() == [1, ABSTAIN, 0]
    figure = units.sensitivity(1)
    assert figure is not None
    assert (figure["value"], figure["n"]) == (0.5, 2)
    assert units.sensitivity(0) is None
