"""What runs, loops of one's own and scikit-learn have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from imbtk import CalibrationMap, DecisionRule, RunContext, Strategy, hookimpl, option
from imbtk.calibration.decisions import decide
from imbtk.errors import PlanError, PluginError, TrainingError
from imbtk.pipeline.documents import plan_document
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.plan import PlanItem
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import fit, head_maker, make_network, needs_rows, own_random_state

pytestmark = pytest.mark.filterwarnings("ignore:.*answers imbtk_refit:FutureWarning")


class Answers(Strategy):
    """Answer with something that is none."""

    @hookimpl
    def imbtk_head(self, in_features: int) -> Any:
        return "a head"

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Module) -> Any:
        return None


class Half(Strategy):
    """Decide by a number."""

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> Any:
        return 0.5


class Cost(Strategy):
    """Decide by what labels say."""

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, context: RunContext) -> DecisionRule:
        return DecisionRule(shift=logits.mean(0))


class Zero(Strategy):
    """Refit the head to zeros."""

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Linear, features: torch.Tensor) -> torch.nn.Module:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        return head


def prepared(*strategies: Strategy) -> PreparedRun:
    x = np.random.default_rng(0).normal(size=(60, 3))
    return prepare(make_config({"epochs": 2, "device": "cpu"}), (x, np.arange(60) % 3 // 2), strategies)


def test_training_leaves_the_callers_random_state_and_needs_no_folder() -> None:
    run = prepared()
    before = torch.random.get_rng_state()
    with own_random_state():
        fitted = fit(run, make_network(run))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [record["epoch"] for record in fitted.history] == [0, 1]
    assert fitted.logits(run.data.split.test).shape == (len(run.data.split.test), 2)


class Chooses(Strategy):
    """Choose something by the validation rows, which is refused where there are none."""

    @hookimpl
    def imbtk_finish(self, training: Any) -> None:
        if training.validation is None:
            raise PlanError("no validation rows")
        self._rows = len(training.validation.logits())


def test_the_dry_run_has_validation_rows_where_the_run_has_them() -> None:
    run = prepared(Chooses())
    make_network(run)
    nothing = torch.empty(0, dtype=torch.int64)
    split = dataclasses.replace(run.data.split, validation=nothing)
    with pytest.raises(PlanError, match="no validation rows"):
        make_network(dataclasses.replace(run, data=dataclasses.replace(run.data, split=split)))


def test_the_head_starts_at_the_prior() -> None:
    run = prepared()
    counts = run.plan.context.natural_counts.double()
    assert make_network(run).head.bias.tolist() == pytest.approx((counts / counts.sum()).log().tolist())


def test_the_head_is_refitted_and_what_to_write_instead_is_said() -> None:
    run = prepared(Zero())
    with pytest.warns(
        FutureWarning, match=r"'zero' answers imbtk_refit, .* write imbtk_finish\(self, network, training"
    ):
        fitted = fit(run, make_network(run))
    assert np.abs(fitted.logits(run.data.split.test)).max() == 0


def test_rules_that_look_at_rows() -> None:
    cost, half = (PlanItem(strategy, None, "acme", "x") for strategy in (Cost(), Half()))
    assert (needs_rows(cost, "imbtk_decide"), needs_rows(half, "imbtk_decide")) == (True, False)
    logits = np.array([[1.0, 3.0]])
    assert decide(prepared(), logits, CalibrationMap()).rule == DecisionRule()


def test_wrong_answers_are_named() -> None:
    run = prepared(Answers())
    with pytest.raises(PluginError, match=r"strategy 'answers' .* returned str, not a torch Module, from imbtk_head"):
        make_network(run)
    with pytest.raises(PluginError, match=r"strategy 'answers' .* returned str, not a torch Module, from imbtk_head"):
        head_maker(run.plan.strategies.items, run.plan.context)(3)
    with pytest.raises(PluginError, match=r"'half' .* returned float, not a DecisionRule, from imbtk_decide"):
        prepared(Half())
    with pytest.raises(PluginError, match=r"'answers' .* returned NoneType, not a torch Module, from imbtk_refit"):
        fit(run, make_network(prepared()))


class Broken(torch.nn.Linear):
    """A head that fails in one way."""

    how = ""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits = super().forward(features)
        if self.how == "raises" or (self.how == "raises in training" and self.training):
            raise KeyError("oops")
        if self.how == "raises late" and len(features) > 2:
            raise KeyError("late")
        if self.how == "sums":
            return logits.sum()
        return logits.log() * float("nan") if self.how == "not a number" else logits


class BadHead(Strategy):
    """Make a head that fails."""

    how: str = option("", "How it fails.")
    classes: int = option(2, "Its classes.")

    @hookimpl
    def imbtk_head(self, in_features: int) -> torch.nn.Module:
        head = Broken(in_features, self.classes)
        head.how = self.how
        return head


class BadRefit(Strategy):
    """Refit the head to one of other classes."""

    @hookimpl
    def imbtk_refit(self, features: torch.Tensor) -> torch.nn.Module:
        return torch.nn.Linear(features.shape[1], 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "raises"}, r"fails on features of shape \(2, 67\): KeyError: 'oops'"),
        ({"how": "raises in training"}, r"fails on features of shape \(2, 67\) in training: KeyError: 'oops'"),
        ({"how": "sums"}, r"gives shape \(\) for features of shape \(2, 67\) instead of logits \(2, 2\)"),
        ({"how": "not a number"}, r"gives values that are not finite for features of shape \(2, 67\)"),
        ({"classes": 7}, r"gives shape \(2, 7\) for features of shape \(2, 67\) instead of logits \(2, 2\)"),
    ],
)
def test_a_head_that_fails_is_named_with_its_strategy_when_it_is_built(options: dict[str, Any], message: str) -> None:
    remedy = r"\. docs/hooks/head.md says what is wanted. Report it to its author, or run without 'bad-head'\."
    with pytest.raises(
        PluginError,
        match=rf"head 'Broken' of strategy 'bad-head' \(.*test_fitting\) from imbtk_head {message}.*{remedy}",
    ):
        make_network(prepared(BadHead(**options)))


def test_a_head_that_fails_in_training_is_named_with_its_strategy() -> None:
    run = prepared(BadHead(how="raises late"))
    network = make_network(run)
    with pytest.raises(
        PluginError,
        match=r"head 'Broken' of strategy 'bad-head' .* from imbtk_head fails on features of shape \(\d+, 67\): "
        r"KeyError: 'late'\. .* run without 'bad-head'",
    ) as caught:
        fit(run, network)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_refitted_head_that_fails_is_named() -> None:
    run = prepared(BadRefit())
    with pytest.raises(
        PluginError,
        match=r"head 'Linear' of strategy 'bad-refit' .* from imbtk_refit gives shape \(2, 5\) .* docs/hooks/refit.md",
    ):
        fit(run, make_network(run))


def test_a_head_whose_logits_are_not_finite_is_named_beside_the_loss() -> None:
    run = prepared(BadHead())
    network = make_network(run)
    torch.nn.init.constant_(network.head.weight, float("inf"))
    with pytest.raises(
        TrainingError, match=r"not finite in epoch 1.*Features are finite; the logits from the head of strategy 'bad-h"
    ):
        fit(run, network)


class Fresh(Strategy):
    """Put a new head in the place of the old one."""

    noise: bool = option(False, "Whether to draw from NumPy's global state.")

    @hookimpl
    def imbtk_refit(self, features: torch.Tensor) -> torch.nn.Module:
        if self.noise:
            np.random.rand()  # noqa: NPY002
        return torch.nn.Linear(features.shape[1], 2)


def test_a_new_head_from_a_refit_hangs_on_the_seed_alone() -> None:
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with own_random_state():
            run = prepared(Fresh())
            network = make_network(run)
            fit(run, network)
        weights.append(network.head.weight.detach())
    assert torch.equal(*weights)


def test_a_refit_draws_from_no_other_global_state() -> None:
    run = prepared(Fresh(noise=True))
    with pytest.raises(PluginError, match=r"'fresh' .* global random state of NumPy in imbtk_refit"):
        fit(run, make_network(run))


@pytest.mark.parametrize(
    ("options", "decay"),
    [
        # 38 training rows are one batch: 100 epochs are 100 steps of the 2000 at which the decay of mlp is whole.
        ({"epochs": None}, 0.075),
        ({"epochs": 5000}, 1.5),
        ({"epochs": None, "lr": 1e-2}, 0.0075),
        ({"weight_decay": 0.3}, 0.3),
        ({"weight_decay": 0.0}, 0.0),
        ({"optimizer": "sgd"}, 0.0002),
        ({"model": "linear", "lr": 0.5}, 0.0002),
    ],
)
def test_the_models_own_weight_decay_is_resolved_and_used(options: dict[str, Any], decay: float) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    run = prepare(make_config({"device": "cpu", "model": "mlp", **options}), (x, np.arange(60) % 3 // 2))
    assert run.model.config.weight_decay == decay
    assert f"weight decay {decay:g}," in dict(map(tuple, plan_document(run)["defaults"]))["training"]


def test_the_resolved_weight_decay_is_what_training_uses() -> None:
    weights = []
    for decay in (None, 0.03, 5.0):
        x = np.random.default_rng(0).normal(size=(60, 3))
        config = make_config({"model": "mlp", "epochs": 40, "device": "cpu", "weight_decay": decay})
        run = prepare(config, (x, np.arange(60) % 3 // 2))
        with own_random_state():
            network = fit(run, make_network(run)).network
        weights.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_network_that_overflows_on_new_rows_is_no_traceback() -> None:
    x, y = np.arange(80, dtype=np.float32).reshape(40, 2), np.arange(40) % 2
    prepared = prepare(make_config({"epochs": 1, "model": "linear"}), (x, y))
    fitted = fit(prepared, make_network(prepared))
    with torch.no_grad():
        fitted.network.head.weight.fill_(torch.inf)  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingError, match=r"logits that are not finite for 6 of 6 rows .* Lower --lr"):
        fitted.logits(prepared.data.split.validation)
