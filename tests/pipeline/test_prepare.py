"""Everything before the first batch: what is chosen, what is tried, and what is refused before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from runs_on_folds import DATA, LABELS, NAMES, ROWS, Folds, X, config, ready

from imbtk import DecisionRule, RunContext, Split, Strategy, hookimpl
from imbtk.authoring.context import Rows
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.errors import DataError, OptionError
from imbtk.models.spec import ModelSpec
from imbtk.pipeline.prepare import prepare, prepare_split
from imbtk.planning.plan import Plan
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import make_catalogue


class Fixed(Strategy):
    """Look at no row."""

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> DecisionRule:
        return DecisionRule(name="fixed")


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


def test_what_inner_models_cannot_be_trained_on_is_refused_before_training() -> None:
    with pytest.raises(DataError, match=r"inner model 1 of 3, which the decision needs .* rows: \d+ rows are too few"):
        ready(Small(), "threshold")
    ready(Small())


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


def split_by_hand(data: Any, model: ModelSpec, **sides: torch.Tensor) -> PreparedRun:
    """Return a run without strategies on rows that are split 40 / 10 / 10 unless another side is given."""
    settings = config(fold=0)
    catalogue = make_catalogue(settings)
    rows = torch.arange(60)
    split = Split(**{"train": rows[:40], "validation": rows[40:50], "test": rows[50:], **sides})
    plan, nothing = Plan.build([], catalogue), torch.empty(0, dtype=torch.int64)
    return prepare_split(settings, catalogue, load(data), plan, model, split, nothing)


PRETRAINED = ModelSpec("net", lambda shape: torch.nn.Flatten(), "any", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1))


@pytest.mark.parametrize(
    ("shape", "mean", "std"),
    [((60, 8, 8, 3), [0.5, 0.4, 0.3], [0.2, 0.3, 0.1]), ((60, 8, 8), [0.4], [0.2])],
)
def test_images_are_normalised_as_pretrained_weights_ask(
    shape: tuple[int, ...], mean: list[float], std: list[float]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = split_by_hand((pixels, np.arange(60) % 2), PRETRAINED).data.normalisation
    assert found.mean.tolist() == pytest.approx(mean)
    assert found.std.tolist() == pytest.approx(std)


def test_a_table_is_normalised_by_its_training_rows_alone() -> None:
    values = np.random.default_rng(0).normal(size=(60, 2))
    values[40:] += 100
    found = split_by_hand((values, np.arange(60) % 2), PRETRAINED).data.normalisation
    np.testing.assert_allclose(found.mean, values[:40].mean(0), rtol=1e-4, atol=1e-6)


def test_hooks_are_told_how_samples_are_made_and_normalised() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    prepared = split_by_hand((pixels, np.arange(60) % 2), PRETRAINED)
    context = prepared.plan.phases[0].context
    assert context.preprocessing == {"kind": "images", "size": 8, "resize": "pad", "channels": 1}
    assert context.normalisation is not None
    assert [part.tolist() for part in context.normalisation] == [pytest.approx([0.4]), pytest.approx([0.2])]


def test_no_split_with_a_row_on_two_sides_is_trained_on() -> None:
    values = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(DataError, match="train and test"):
        split_by_hand((values, np.arange(60) % 2), PRETRAINED, test=torch.arange(39, 60))


def test_the_positive_class_is_the_rarer_one_in_training_unless_named() -> None:
    # Class 1 is the rarer one of all rows, class 0 of the training rows.
    labels = np.array([0] * 15 + [1] * 25 + [0] * 20)
    data = (np.random.default_rng(0).normal(size=(60, 2)), labels)
    validation, test = torch.arange(38, 52), torch.cat([torch.arange(36, 38), torch.arange(52, 60)])
    run = split_by_hand(data, PRETRAINED, train=torch.arange(36), validation=validation, test=test)
    assert run.plan.context.positive == 0
    assert run.model.config.positive == "0"
    assert prepare(config(fold=0), DATA).model.config.positive == "malignant"
    assert prepare(config(fold=0, positive="benign"), DATA).plan.context.positive == 0


def test_only_two_classes_have_a_positive_one() -> None:
    three = (X, np.array(["a", "b", "c"])[np.arange(ROWS) % 3])
    assert prepare(config(fold=0), three).model.config.positive is None
    with pytest.raises(OptionError, match=r"'positive' is for two classes; '.*' has 3\."):
        prepare(config(fold=0, positive="b"), three)
    with pytest.raises(OptionError, match=r"unknown class 'benin'\. Did you mean 'benign'"):
        prepare(config(fold=0, positive="benin"), DATA)
