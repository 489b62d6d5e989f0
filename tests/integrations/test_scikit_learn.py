"""The classifier as scikit-learn's own checks, tools and users see it."""

from __future__ import annotations

import pickle
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as imblearn_pipeline
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import imbtk
from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.errors import DataError, OptionError, PlanError
from imbtk.integrations.scikit_learn import ImbalancedClassifier

ROOT = Path(__file__).resolve().parents[2]


def expected_failures(estimator: ImbalancedClassifier) -> dict[str, str]:
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "a row that stands twice is shown in two places of an epoch of mini-batches, among other rows, and counts "
            "twice in the mean and deviation that inputs are scaled by; its weight counts in the loss alone"
        )
    }


@parametrize_with_checks(
    [
        ImbalancedClassifier(epochs=10, lr=3e-3),
        ImbalancedClassifier(["oversample:power=0.5", "focal-loss:gamma=1@50%-"], "linear", epochs=8, lr=0.05),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


class Tilt(Strategy):
    """Weight rare classes."""

    power: float = option(1.0, "Exponent.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        self._seen = 1
        return context.class_counts.double().pow(-self.power)


def blobs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two overlapping Gaussians, 6:1."""
    x, y = make_blobs([120, 20], centers=[[0.0, 0.0], [2.0, 1.0]], random_state=seed)
    return x, y


def quick(strategies: Any = (), **options: Any) -> ImbalancedClassifier:
    return ImbalancedClassifier(strategies, **{"model": "linear", "epochs": 10, "lr": 0.05, **options})


@pytest.mark.parametrize("names", [["no", "yes"], [False, True], [-3, 7], [1.0, 2.0]])
def test_classes_of_any_type_come_back(names: list[Any]) -> None:
    x, y = blobs()
    model = quick().fit(x, np.array(names)[y])
    assert model.classes_.tolist() == names
    assert set(model.predict(x)) == set(names)
    assert model.predict(x).dtype == np.array(names).dtype


def test_pandas_in() -> None:
    x, y = blobs()
    frame = pd.DataFrame(x, columns=["age", "size"]).assign(sex=np.where(np.arange(len(x)) % 2, "f", "m"))
    frame.loc[3, "age"] = np.nan
    labels = pd.Series(np.where(y, "ill", "well"), index=np.arange(len(y)) + 100)
    model = quick().fit(frame, labels)
    assert model.feature_names_in_.tolist() == ["age", "size", "sex"]
    assert model.n_features_in_ == 3
    assert set(model.predict(frame)) == {"ill", "well"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["size", "age", "sex"]])
    only = quick().fit(frame[["age", "size"]], labels)
    assert only.predict_proba(frame[["age", "size"]]).shape == (140, 2)


@pytest.mark.parametrize("shape", [(40, 1, 8, 8), (40, 3, 9, 8), (40, 8, 8), (40, 8, 8, 3)])
def test_images(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    y = np.arange(40) % 4 == 0
    x = generator.random(shape) * 0.5 + y.reshape(-1, *[1] * (len(shape) - 1)) * 0.4
    model = ImbalancedClassifier(["augment:rotation=5"], "small-cnn", epochs=3, batch_size=8).fit(x, y)
    assert model.predict(x).shape == (40,)
    assert model.predict_proba((x * 255).round().astype(np.uint8)) == pytest.approx(model.predict_proba(x), abs=1e-5)
    with pytest.raises(DataError, match=r"X has samples of shape .*; the training ones had"):
        model.predict(x[:, :, :-1] if len(shape) == 3 else x[..., :-1, :])


def test_the_default_model_goes_by_the_data() -> None:
    x, y = blobs()
    assert ImbalancedClassifier(model=None, epochs=1).fit(x, y).network_.model_name == "table-mlp"
    images = np.zeros((8, 1, 8, 8), np.uint8)
    assert ImbalancedClassifier(model=None, epochs=1).fit(images, [0, 1] * 4).network_.model_name == "small-cnn"


def test_the_linear_model_is_near_logistic_regression() -> None:
    x, y = blobs()
    reference = LogisticRegression().fit(x, y)
    model = quick(epochs=60).fit(x, y)
    assert model.predict_proba(x) == pytest.approx(reference.predict_proba(x), abs=0.05)
    assert np.log(model.predict_proba(x)) == pytest.approx(model.predict_log_proba(x))


def test_weights_move_decisions_and_not_probabilities() -> None:
    x, y = blobs()
    plain, weighted = quick(epochs=60).fit(x, y), quick(["class-weights"], epochs=60).fit(x, y)
    assert (weighted.predict(x) == 1).sum() > (plain.predict(x) == 1).sum()
    assert weighted.predict_proba(x)[:, 1].mean() == pytest.approx(20 / 140, abs=0.04)
    assert log_loss(y, weighted.predict_proba(x)) < 1.2 * log_loss(y, plain.predict_proba(x))
    assert weighted.ledger_["effective"] == pytest.approx([0.5, 0.5])
    uniform = quick(["class-weights"], epochs=60, deploy="uniform").fit(x, y)
    assert uniform.predict_proba(x)[:, 1].mean() > weighted.predict_proba(x)[:, 1].mean() + 0.1


def test_sample_weights_are_ratios_and_zero_leaves_out() -> None:
    x, y = blobs()
    once = quick().fit(x, y).predict_proba(x)
    assert np.array_equal(quick().fit(x, y, sample_weight=np.full(140, 3.0)).predict_proba(x), once)
    odd = np.arange(140) % 3 > 0
    left_out = quick().fit(x, y, sample_weight=odd.astype(float)).predict_proba(x)
    assert np.array_equal(left_out, quick().fit(x[odd], y[odd]).predict_proba(x))


def test_sample_weights_make_a_class_more_frequent() -> None:
    x, y = blobs()
    model = quick(epochs=60).fit(x, y, sample_weight=np.where(y == 1, 6.0, 1.0))
    reference = LogisticRegression().fit(x, y, sample_weight=np.where(y == 1, 6.0, 1.0))
    assert model.ledger_["natural"] == pytest.approx([0.5, 0.5])
    assert model.predict_proba(x) == pytest.approx(reference.predict_proba(x), abs=0.06)
    weights = np.where(y == 1, 6.0, 1.0)
    on_top = quick(["class-weights"], epochs=60).fit(x, y, sample_weight=weights)
    assert on_top.ledger_["effective"] == pytest.approx([1 / 7, 6 / 7])
    assert np.average(on_top.predict_proba(x)[:, 1], weights=weights) == pytest.approx(0.5, abs=0.04)


def test_it_is_the_model_of_a_run() -> None:
    from imbtk.authoring.context import Split
    from imbtk.pipeline.prepare import prepare
    from imbtk.planning.config import make_config
    from imbtk.training.fitting import fit, make_network

    class AllButTwo(Strategy):
        """Train on all rows but the last two."""

        @hookimpl
        def imbtk_split(self, dataset: imbtk.Dataset) -> list[Split]:
            rows = torch.arange(len(dataset))
            return [Split(rows[:-2], rows[-2:-1], rows[-1:])]

    x, y = blobs()
    config = make_config({"model": "linear", "epochs": 10, "lr": 0.05, "device": "cpu", "seed": 2})
    run = fit(prepared := prepare(config, (x, y), [AllButTwo(), "class-weights"]), make_network(prepared))
    model = quick(["class-weights"], random_state=2, device="cpu").fit(x[:-2], y[:-2])
    assert [r["train_loss"] for r in model.history_] == [r["train_loss"] for r in run.history]


def test_nothing_is_written_printed_or_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    strategy = Tilt(power=0.5)
    before = torch.random.get_rng_state()
    model = quick([strategy]).fit(*blobs())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert not hasattr(strategy, "_seen")
    assert model.strategies[0] is strategy
    assert model.plan_ == ("tilt:power=0.5",)


def test_validation_rows() -> None:
    x, y = blobs()
    groups = np.arange(140) // 5
    model = quick(["focal-loss"], validation_fraction=0.2, early_stop="log_loss").fit(x, y)
    assert {"validation_log_loss", "kept"} <= set(model.history_[0])
    assert model._calibration.scale != 1.0
    grouped = quick(validation_fraction=0.2).fit(x, y, groups=groups)
    assert "validation_accuracy" in grouped.history_[0]
    with pytest.raises(DataError, match=r"groups have the shape \(3,\) and there are 140 rows"):
        quick().fit(x, y, groups=[1, 2, 3])
    with pytest.raises(OptionError, match=r"'validation_fraction' \(given: 2\) is a share between 0 and 1"):
        quick(validation_fraction=2).fit(x, y)


def test_deciding_strategies() -> None:
    x, y = blobs()
    with pytest.raises(PlanError, match="'threshold': fitted on rows that nothing is trained on: set validation_frac"):
        quick(["threshold"]).fit(x, y)
    with pytest.raises(PlanError, match="early_stop: fitted on rows"):
        quick(early_stop="log_loss", validation_fraction=None).fit(x, y)
    with pytest.raises(PlanError, match="'stratified-split' splits the data, which in scikit-learn cross-validation"):
        quick(["stratified-split"]).fit(x, y)
    costs = quick(["cost:matrix=[[0,1],[50,0]]"]).fit(x, y)
    assert (costs.predict(x) == 1).sum() > (quick().fit(x, y).predict(x) == 1).sum()
    abstaining = quick(["reject:rate=0.3"], validation_fraction=0.3).fit(x, y)
    assert np.array_equal(abstaining.predict(x), abstaining.predict_proba(x).argmax(axis=1))


def test_sets_of_classes() -> None:
    x, y = make_blobs([90, 60], centers=[[0.0], [2.0]], random_state=0)
    model = ImbalancedClassifier(["conformal:alpha=0.2"], epochs=5, validation_fraction=0.4).fit(x, y)
    sets = model.predict_sets(x)
    assert (sets.shape, sets.dtype) == ((150, 2), bool)
    assert sets[np.arange(150), y].mean() > 0.7
    plain = ImbalancedClassifier(epochs=5, validation_fraction=0.4).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    with pytest.raises(OptionError, match="no strategy of this classifier makes sets"):
        plain.predict_sets(x)


def test_errors_are_value_errors() -> None:
    x, y = blobs()
    for model, message in (
        (quick("class-weights"), r"'strategies' is a list of them, such as \['class-weights'\]"),
        (quick(["clas-weights"]), "unknown strategy 'clas-weights'.* Did you mean 'class-weights'"),
        (quick(model="resnet32"), "model 'resnet32' is for images, and these data are a table"),
        (quick(epochs=-1), "option 'epochs'"),
        (quick(["class-weights", "oversample"]), "corrects the class frequencies too far"),
        (quick(positive="2"), "unknown class '2'"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y)
    with pytest.raises(DataError, match="y holds one class, '0'"):
        quick().fit(x, np.zeros(140, int))
    with pytest.raises(DataError, match="sample_weight leaves rows of fewer than two classes"):
        quick().fit(x, y, sample_weight=(y == 0).astype(float))
    for value, told in ((1e300, r"1e\+300"), (np.inf, "inf")):
        with pytest.raises(DataError, match=rf"column 'x0' is infinite or too large .* in row 1 \({told}\)"):
            quick().fit(np.where(np.arange(140)[:, None] == 1, value, x), y)
    with pytest.warns(UserWarning, match="corrects the class frequencies too far"):
        quick([Tilt(power=2.0)]).fit(x, y)


def test_options_of_strategies_are_searched_as_lists() -> None:
    model = quick(["focal-loss", Tilt()])
    assert not any("__" in name for name in model.get_params())
    assert clone(model).set_params(strategies=["focal-loss:gamma=1.5"]).strategies == ["focal-loss:gamma=1.5"]
    with pytest.raises(ValueError, match=r'^.strategies__focal-loss__gamma. is no .*lists, {"strategies": \[\["focal'):
        model.set_params(**{"strategies__focal-loss__gamma": 1.5})
    with pytest.raises(ValueError, match="Invalid parameter 'gamma'"):
        model.set_params(gamma=3)


def test_a_search_with_groups_in_a_pipeline() -> None:
    x, y = blobs()
    groups = np.arange(140) // 4
    name = "imbalancedclassifier__strategies"
    grid = {name: [[], ["class-weights"], [Tilt(power=0.2)], [Tilt(power=0.8)]]}
    search = GridSearchCV(make_pipeline(StandardScaler(), quick(epochs=3)), grid, cv=GroupKFold(2), error_score="raise")
    search.fit(x, y, groups=groups)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    chances = cross_val_predict(search.best_estimator_, x, y, groups=groups, cv=GroupKFold(2), method="predict_proba")
    assert chances.sum(axis=1) == pytest.approx(np.ones(140))


def test_in_imbalanced_learns_pipeline() -> None:
    x, y = blobs()
    model = imblearn_pipeline(SMOTE(random_state=0), quick(["focal-loss"])).fit(x, y)
    assert model[-1].ledger_["natural"] == [0.5, 0.5]
    assert model.score(x, y) > 0.8


def test_a_pickle_predicts() -> None:
    x, y = blobs()
    model = quick(["class-weights", "focal-loss"]).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_random_states() -> None:
    x, y = blobs()
    fixed = [quick(random_state=seed).fit(x, y).decision_function(x) for seed in (0, 0, 1)]
    assert np.array_equal(fixed[0], fixed[1])
    assert not np.array_equal(fixed[0], fixed[2])
    state = np.random.RandomState(0)
    drawn = [quick(random_state=state).fit(x, y).decision_function(x) for _ in range(2)]
    assert not np.array_equal(drawn[0], drawn[1])


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = ROOT / "examples" / "sklearn_grid" / "grid.py"
    monkeypatch.setattr(sys, "argv", [str(example), "2"])
    runpy.run_path(str(example), run_name="__main__")
    printed = capsys.readouterr().out
    assert "{'network__strategies': ['focal-loss:gamma=2']}" in printed
    assert "log-loss of its probabilities on rows outside of training" in printed
