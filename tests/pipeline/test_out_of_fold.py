"""Decisions on out-of-fold rows, against a loop by hand; what they may not see, and what they may not change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

import imbtk
from imbtk import CalibrationMap, Criterion, DecisionRule, RunContext, Split, Strategy, hookimpl
from imbtk.authoring.context import Rows
from imbtk.calibration.decisions import decide
from imbtk.console.progress import RunProgress
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.errors import DataError, TrainingError
from imbtk.pipeline.out_of_fold import out_of_fold_logits
from imbtk.pipeline.prepare import prepare, prepare_split
from imbtk.pipeline.run import run_for_comparison
from imbtk.planning.config import RunConfig
from imbtk.planning.plan import Plan
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import make_catalogue
from imbtk.runs.schemas import schema
from imbtk.training.fitting import fit, make_network, own_random_state

K, ROWS = 4, 160
RNG = np.random.default_rng(0)
LABELS = np.where(np.arange(ROWS) % 5 == 0, 1, 0)
X = (RNG.normal(size=(ROWS, 3)) + 1.5 * LABELS[:, None]).astype(np.float32)
GROUPS = np.arange(ROWS) // 2
NAMES = np.array(["benign", "malignant"])
DATA = (X, NAMES[LABELS], GROUPS)
FOLD_OF = GROUPS % K


class Folds(Strategy):
    """Deal groups into folds by their number alone; the last eighth of the other rows validates."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> list[Split]:
        fold = torch.from_numpy(FOLD_OF)
        splits = []
        for i in range(K):
            rest = torch.nonzero(fold != i)[:, 0]
            splits.append(Split(rest[: -ROWS // 8], rest[-ROWS // 8 :], torch.nonzero(fold == i)[:, 0]))
        return splits


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


class Fixed(Strategy):
    """Look at no row."""

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> DecisionRule:
        return DecisionRule(name="fixed")


def config(**options: Any) -> RunConfig:
    return RunConfig(**{"epochs": 3, "model": "mlp", "batch_size": 16, "fold": 1, "device": "cpu", **options})


def ready(*strategies: Any, data: Any = DATA, **options: Any) -> PreparedRun:
    return prepare(config(**options), data, [Folds(), *strategies])


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
    x[test] = 100 * RNG.normal(size=(test.sum(), 3))
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
    tail = Tail()
    run = ready(tail)
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


def test_without_need_or_folds_there_are_no_inner_models() -> None:
    for strategies in ([Folds()], [Folds(), Fixed()], ["threshold"], ["stratified-split:folds=2", "threshold"]):
        assert prepare(config(fold=0), DATA, strategies).inner == ()
    fitted = prepare(config(fold=0), DATA, ["threshold"])
    assert fitted.plan.decision == "by threshold, fitted on validation rows"
    assert torch.equal(fitted.decision_rows, fitted.data.split.validation)
    assert (
        prepare(config(fold=0), DATA, ["stratified-split:folds=2", "threshold"]).plan.decision == fitted.plan.decision
    )
    assert len(prepare(config(fold=4), DATA, ["stratified-split:folds=5", "reject"]).inner) == 4


def given(*sides: int) -> Dataset:
    """Return the data with folds of groups put on given sides."""
    return dataclasses.replace(load(DATA), given_split=torch.from_numpy(np.array(sides)[FOLD_OF]))


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


def test_what_becomes_of_a_given_split_is_said() -> None:
    from imbtk.pipeline.documents import plan_document

    def said(data: Dataset, *strategies: str) -> str:
        document = plan_document(prepare(config(fold=0), data, strategies))
        return str(dict(map(tuple, document["defaults"]))["split"])

    by = "by stratified-split"
    assert said(given(0, 1, 2, 0), by[3:]) == f"{by}, the data's own train, validation and test rows kept"
    folds = f"{by}:folds=3"
    assert said(given(0, 1, 2, 0), folds[3:]) == (
        f"{folds}, the data's own test rows kept, train and validation rows dealt anew, fold 0 of 3"
    )
    assert said(given(0, 1, 1, 0), folds[3:]) == f"{folds}, the given train and validation rows dealt anew, fold 0 of 3"
    assert said(load(DATA), folds[3:]) == f"{folds}, fold 0 of 3"


class Overlap(Strategy):
    """Three folds that all have the first eighth as test rows, and validate on overlapping rows."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> list[Split]:
        rows = torch.arange(ROWS)
        return [Split(rows[60 + i :], rows[20 : 60 + i], rows[:20]) for i in range(3)]


def test_folds_that_allow_no_out_of_fold_rows_are_told_of() -> None:
    data = (X, NAMES[LABELS])
    run = prepare(config(fold=0), data, [Overlap(), "threshold"])
    assert run.inner == ()
    assert any("fitted on validation rows, although the split has 3 folds" in said for said in run.plan.warnings)
    assert not prepare(config(fold=0), data, [Overlap()]).plan.warnings
    with pytest.raises(DataError, match=r"stratified-split:folds=5\)\. Beware: .*although the split has 3 folds"):
        prepare(config(fold=0), data, [Overlap(), 'threshold:floor="malignant>=0.99",bound=lower-limit'])


def test_the_rehearsal_is_with_those_rows() -> None:
    # 24 malignant rows of 24 patients outside of the fold: 0.025 ** (1 / 24) = 0.857. Few of them validate.
    floor = 'threshold:floor="malignant>=0.8",bound=lower-limit'
    ready(floor)
    with pytest.raises(DataError, match=r"0\.9 on its 24 out-of-fold rows of 24 groups.* reachable is 0\.857"):
        ready('threshold:floor="malignant>=0.9",bound=lower-limit')
    with pytest.raises(DataError, match="validation rows"):
        prepare(config(fold=0), DATA, [floor])


class Small(Strategy):
    """Refuse few rows, or fail on them."""

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Rows:
        if len(rows.labels) < 100:
            raise DataError(f"{len(rows.labels)} rows are too few")
        return rows


class Explodes(Strategy):
    """Give a loss that is not finite where few rows are trained on, but for the two of a rehearsal."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        rows = len(context.labels)

        def exploding(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            losses = criterion(logits, target)
            return losses * float("inf") if rows < 100 and len(losses) > 2 else losses

        return exploding


def test_what_inner_models_cannot_be_trained_on_is_refused_before_training() -> None:
    with pytest.raises(DataError, match=r"inner model 1 of 3, which the decision needs .* rows: \d+ rows are too few"):
        ready(Small(), "threshold")
    ready(Small())


def test_an_inner_model_that_fails_is_named() -> None:
    run = ready(Explodes(), "threshold")
    with pytest.raises(TrainingError, match=r"inner model 1 of 3, trained for the out-of-fold decision: the loss is n"):
        out_of_fold_logits(run)


class Overflows(Strategy):
    """Cannot take the logits of a rehearsal."""

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray) -> DecisionRule:
        if logits.max() > 15:
            raise FloatingPointError("overflow")
        return DecisionRule()


def test_a_rule_that_only_perfect_logits_break_still_has_inner_models() -> None:
    run = ready(Overflows())
    assert len(run.inner) == 3
    assert run.plan.decision == "by overflows, fitted on 120 out-of-fold rows of 3 inner models"


def test_an_induced_imbalance_reaches_the_inner_training_rows() -> None:
    run = ready("threshold", induce_imbalance="10:step")
    for inner in (run, *run.inner):
        benign, malignant = inner.plan.context.natural_counts.tolist()
        assert malignant == benign // 10 > 0
    assert len(run.decision_rows) == 120
