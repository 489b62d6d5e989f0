"""Decisions on out-of-fold rows, against a loop by hand; what they may not see, and what they may not change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from runs_on_folds import DATA, FOLD_OF, GROUPS, LABELS, NAMES, ROWS, Folds, K, X, config, given, ready

import imbtk
from imbtk import CalibrationMap, Criterion, DecisionRule, RunContext, Split, Strategy, hookimpl
from imbtk.authoring.context import Rows
from imbtk.calibration.decisions import decide
from imbtk.console.progress import RunProgress
from imbtk.errors import TrainingError
from imbtk.pipeline.out_of_fold import out_of_fold_logits
from imbtk.pipeline.prepare import prepare, prepare_split
from imbtk.pipeline.run import run_for_comparison
from imbtk.planning.plan import Plan
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import make_catalogue
from imbtk.runs.schemas import schema
from imbtk.training.fitting import fit, make_network, own_random_state


class Weights(Strategy):
    """Weight classes by their rows."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return 1 / context.class_counts.double()


class Twice(Strategy):
    """Show every row of the rare class twice."""

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Rows:
        places = torch.arange(len(rows.labels))
        return rows.take(torch.cat([places, places[rows.labels == 1]]))


class Tail(Strategy):
    """Leave a quarter open, on probabilities."""

    @hookimpl
    def imbtk_decide(self, probabilities: np.ndarray, groups: np.ndarray, context: RunContext) -> DecisionRule:
        self._told = [len(probabilities), len(np.unique(groups)), context.decision_rows]
        return DecisionRule("probabilities", reject_below=float(np.quantile(probabilities.max(axis=1), 0.25)))


def by_hand(run: PreparedRun, fold: int, strategies: list[Any]) -> np.ndarray:
    """Return out-of-fold logits of all rows (N, K), NaN on the test rows of the fold, from first principles."""
    fold_of, logits = torch.from_numpy(FOLD_OF), np.full((ROWS, 2), np.nan)
    for other in range(K):
        if other == fold:
            continue
        rest = torch.nonzero(fold_of != other)[:, 0]
        train, validation = rest[: -ROWS // 8], rest[-ROWS // 8 :]
        split = Split(
            train[fold_of[train] != fold],
            validation[fold_of[validation] != fold],
            torch.nonzero(fold_of == other)[:, 0],
        )
        settings = config(early_stop=run.model.config.early_stop, weight_decay=run.model.config.weight_decay)
        catalogue = make_catalogue(settings)
        plan, nothing = Plan.build(strategies, catalogue), torch.empty(0, dtype=torch.int64)
        inner = prepare_split(settings, catalogue, run.data.dataset, plan, run.model.spec, split, nothing)
        with own_random_state():
            logits[split.test] = fit(inner, make_network(inner)).logits(split.test)
    return logits


@pytest.mark.parametrize("early_stop", [None, "balanced_accuracy"])
def test_the_same_as_a_loop_by_hand(early_stop: str | None) -> None:
    run = ready(Weights(), Twice(), "threshold", early_stop=early_stop)
    assert len(run.inner) == K - 1
    reference = by_hand(run, 1, [Weights(), Twice()])
    rows = run.decision_rows.numpy()
    assert sorted(rows.tolist()) == np.flatnonzero(FOLD_OF != 1).tolist()
    logits = out_of_fold_logits(run)
    np.testing.assert_array_equal(logits, reference[rows])
    found = decide(run, logits, CalibrationMap()).rule
    (threshold,) = [item.strategy for item in run.plan.strategies.items if item.strategy.name == "threshold"]
    context = run.plan.phases[-1].context
    wanted = threshold.imbtk_decide(reference[rows], LABELS[rows], GROUPS[rows], context)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.shift, wanted.shift)


def trained(folder: Path, *strategies: Any, data: Any = DATA, **options: Any) -> Path:
    """Train as a cell of a comparison does: everything but bootstrap and page."""
    prepared = ready(*strategies, data=data, out=str(folder), **options)
    return run_for_comparison(prepared, RunProgress(quiet=True)).folder


@pytest.mark.parametrize("decision", ["threshold:metric=mcc", "tail"])
def test_test_rows_leave_no_trace(tmp_path: Path, decision: str) -> None:
    """Neither their features nor their labels: not by scale, class counts, weights, early stopping or calibration."""
    test = FOLD_OF == 1
    x, labels = X.copy(), LABELS.copy()
    x[test] = 100 * np.random.default_rng(1).normal(size=(test.sum(), 3))
    labels[test] = 1 - labels[test]
    options = {"early_stop": "balanced_accuracy", "positive": "malignant", "deploy": "uniform"}
    written = []
    for number, data in enumerate((DATA, (x, NAMES[labels], GROUPS))):
        strategies: list[Any] = [Weights(), Twice(), Tail() if decision == "tail" else decision]
        folder = trained(tmp_path / f"{number}", *strategies, data=data, **options)
        written.append(json.loads((folder / "decision.json").read_text())["rule"])
    assert written[0] == written[1]
    assert written[0]["shift"] != [0.0, 0.0]


def test_the_runs_own_network_does_not_know_of_inner_models(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", Weights())
    inner, again = (trained(tmp_path / name, Weights(), "threshold") for name in ("inner", "again"))
    for file in ("model/weights.safetensors", "calibration.json"):
        assert (plain / file).read_bytes() == (inner / file).read_bytes()
    for file in ("decision.json", "predictions.csv", "metrics.json"):
        assert (again / file).read_bytes() == (inner / file).read_bytes()


def test_training_inner_models_leaves_the_random_state_and_the_strategies_alone() -> None:
    run = ready(Tail())
    (tail,) = [item.strategy for item in run.plan.strategies.items if item.strategy.name == "tail"]
    before = torch.random.get_rng_state()
    logits = out_of_fold_logits(run)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not hasattr(tail, "_told")
    assert all(item.strategy is not tail for inner in run.inner for item in inner.plan.strategies.items)
    decide(run, logits, CalibrationMap())
    assert tail._told == [120, 60, "out-of-fold rows"]


def test_probabilities_are_the_runs_own(tmp_path: Path) -> None:
    """The pooled logits go through the calibration map of the run's network, at its deployment prior."""
    settings = config(out=str(tmp_path / "run"), deploy="uniform")
    run = imbtk.run(DATA, [Folds(), Tail()], config=settings, quiet=True)
    prepared = ready(Tail(), deploy="uniform")
    document = json.loads((run.folder / "decision.json").read_text())
    said = run.predictor.calibration.probabilities(out_of_fold_logits(prepared)).max(axis=1)
    assert document["rule"]["reject_below"] == pytest.approx(np.quantile(said, 0.25))
    assert document["reject"]["share"]["out_of_fold"] == pytest.approx(0.25, abs=0.02)
    assert (document["fitted_on"], document["rows"], document["groups"]) == ("out-of-fold rows", 120, 60)
    assert document["inner_models"] == 3
    jsonschema.Draft202012Validator.check_schema(schema("decision"))
    jsonschema.validate(document, schema("decision"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "guaranteed": True}, schema("decision"))


def test_what_is_going_to_happen_is_said_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from imbtk.pipeline.documents import plan_document

    run = ready("threshold")
    assert run.plan.decision == "by threshold, fitted on 120 out-of-fold rows of 3 inner models"
    document = plan_document(run)
    assert document["inner_models"] == 3
    told = dict(map(tuple, document["defaults"]))
    assert told["inner models"].startswith("3 more trainings, ")
    imbtk.run(DATA, [Folds(), "threshold"], config=config(out=str(tmp_path / "run")))
    shown = capsys.readouterr()
    assert [f"threshold: inner model {number} of 3" in shown.err for number in (1, 2, 3)] == [True] * 3
    assert "fitted on 120 out-of-fold rows, 60 groups, each predicted by one of 3" in " ".join(shown.out.split())
    assert "120 out-of-fold rows, 60 groups, each predicted by one of 3 inner models" in (
        tmp_path / "run" / "report.html"
    ).read_text(encoding="utf-8")


def test_with_a_given_test_side_each_fold_is_predicted_by_a_model_that_has_seen_neither_it_nor_the_test_rows() -> None:
    data = given(0, 1, 2, 0)
    run = prepare(config(fold=1), data, ["stratified-split:folds=3", "threshold"])
    assert data.given_split is not None
    test = torch.nonzero(data.given_split == 2)[:, 0]
    assert torch.equal(run.data.split.test, test)
    assert not run.plan.warnings
    assert run.plan.decision == "by threshold, fitted on 120 out-of-fold rows of 3 inner models"
    # Every row beside the test rows is predicted once, training and validation rows of the data alike.
    assert torch.equal(run.decision_rows.sort().values, torch.nonzero(data.given_split != 2)[:, 0])
    for number, inner in enumerate(run.inner):
        sides = (inner.data.split.train, inner.data.split.validation, inner.data.split.test)
        assert [len(side) for side in sides] == [40, 40, 40]
        assert len(torch.cat([*sides, test]).unique()) == ROWS
        groups = [set(GROUPS[side].tolist()) for side in sides]
        assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
        fold = prepare(config(fold=number), data, ["stratified-split:folds=3"]).data.split
        assert torch.equal(inner.data.split.test, fold.validation)
    assert len(out_of_fold_logits(run)) == 120


class Explodes(Strategy):
    """Give a loss that is not finite where few rows are trained on, but for the two of a rehearsal."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        rows = len(context.labels)

        def exploding(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            losses = criterion(logits, target)
            return losses * float("inf") if rows < 100 and len(losses) > 2 else losses

        return exploding


def test_an_inner_model_that_fails_is_named() -> None:
    run = ready(Explodes(), "threshold")
    with pytest.raises(TrainingError, match=r"inner model 1 of 3, trained for the out-of-fold decision: the loss is n"):
        out_of_fold_logits(run)
