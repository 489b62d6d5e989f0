"""Several models in one run: alone the plain run, together the mean by hand, and nothing judged by who has seen it."""

from __future__ import annotations

import csv
import json
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer

import imbtk
from imbtk import Member, Strategy, hookimpl
from imbtk.errors import PlanError, PluginError
from imbtk.models.ensemble import Ensemble
from imbtk.models.saving import load_network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.members import fit_all, make_networks
from imbtk.wording import ended_words

DATA = "builtin:breast-cancer"


def run(folder, plan, **options):
    given = {"epochs": 3, "model": "linear", "quiet": True, "device": "cpu", **options}
    return imbtk.run(DATA, plan, out=str(folder), **given)


def prepared(plan, **options):
    config = {"data": DATA, "epochs": 2, "model": "linear", "device": "cpu", **options}
    return prepare(make_config(config), None, plan)


def test_one_model_is_the_plain_run_to_the_byte(tmp_path) -> None:
    for name, plan in (("plain", []), ("one", ["ensemble:n=1"])):
        run(tmp_path / name, ["class-weights", "threshold", *plan])
    for file in ("predictions.csv", "model/weights.safetensors", "calibration.json", "metrics.json"):
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "one" / file).read_bytes()


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return run(tmp_path_factory.mktemp("three") / "run", ["class-weights", "ensemble:n=3", "threshold"])


def test_the_prediction_is_the_mean_of_models_that_are_each_a_run(three, tmp_path) -> None:
    whole, description = load_network(three.folder / "model")
    assert isinstance(whole, Ensemble)
    assert description["members"] == 3
    x = torch.randn(4, *whole.sample_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone = [load_network(three.folder / "model" / f"member-{n}")[0](x) for n in (1, 2, 3)]
        torch.testing.assert_close(whole(x), sum(alone) / 3)
        first, _ = load_network(run(tmp_path / "first", ["class-weights"]).folder / "model")
        assert torch.equal(first(x), alone[0])
    assert not torch.equal(alone[0], alone[1])


def test_the_saved_ensemble_says_without_plugins_what_the_run_wrote(three, monkeypatch) -> None:
    monkeypatch.setenv("IMBTK_PLUGINS", "")
    written = pd.read_csv(three.folder / "predictions.csv")
    rows = load_breast_cancer().data[written["row"]].astype(np.float32)
    assert np.abs(imbtk.load(three.folder).predict_proba(rows) - written.filter(like="p:").to_numpy()).max() < 1e-5


def test_history_and_page_tell_members_apart(three) -> None:
    with (three.folder / "history.csv").open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    assert [float(record["member"]) for record in records] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [float(record["epoch"]) for record in records] == [0, 1, 2] * 3
    assert sorted(p.name for p in (three.folder / "checkpoint").iterdir()) == ["member-1", "member-2", "member-3"]
    page = (three.folder / "report.html").read_text()
    assert "3 models that predict as one" in page


def test_over_folds_each_row_is_judged_by_the_model_that_has_not_seen_it(tmp_path) -> None:
    ready = prepared(["ensemble:n=3,over=folds", "class-weights"])
    networks = make_networks(ready)
    fitted = fit_all(ready, networks)
    split, known = ready.data.split, ready.known
    assert ready.covered
    assert torch.equal(ready.calibration_rows, known)
    logits = fitted.logits(known)
    for member, part in zip(ready.members, fitted.members, strict=True):
        assert not torch.isin(member.unseen, member.run.data.split.train).any()
        assert not torch.isin(split.test, member.run.data.split.train).any()
        places = torch.isin(known, member.unseen).numpy()
        assert np.array_equal(logits[places], part.logits(member.unseen))
    assert sum(len(member.unseen) for member in ready.members) == len(known)
    test = np.mean([part.logits(split.test) for part in fitted.members], axis=0)
    np.testing.assert_allclose(fitted.logits(split.test), test)


def test_over_folds_decisions_and_probabilities_are_fitted_on_all_rows(tmp_path) -> None:
    made = run(tmp_path / "run", ["ensemble:n=3,over=folds", "threshold"])
    decision = json.loads((made.folder / "decision.json").read_text())
    calibration = json.loads((made.folder / "calibration.json").read_text())
    split = pd.read_csv(made.folder / "split.csv")["split"]
    assert decision["fitted_on"] == "out-of-fold rows"
    assert decision["rows"] == calibration["rows"] == (split != "test").sum()
    assert decision["inner_models"] == 3
    assert set(calibration["before"]) == {"out_of_fold", "validation", "test"}


def test_who_learns_from_validation_rows_stops_by_rows_of_its_own(tmp_path) -> None:
    ready = prepared(["ensemble:n=3,over=folds"], epochs=None)
    for member in ready.members:
        own = member.run.data.split
        assert len(own.validation)
        assert not torch.isin(own.validation, torch.cat([own.train, member.unseen])).any()
    for member in prepared(["ensemble:n=2"], epochs=None).members:
        assert torch.equal(member.run.data.split.validation, ready.data.split.validation)


def test_groups_stay_whole() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    groups = np.arange(len(y)) // 4
    config = make_config({"epochs": 1, "model": "linear", "device": "cpu"})
    ready = prepare(config, (x.astype(np.float32), y, groups), ["ensemble:n=3,over=folds"])
    for member in ready.members:
        seen = set(ready.data.dataset.groups[member.run.data.split.train].tolist())
        assert not seen & set(ready.data.dataset.groups[member.unseen].tolist())


def test_balanced_selections_are_known_to_the_ledger() -> None:
    ready = prepared(["bagging:n=3"])
    for member in ready.members:
        counts = torch.bincount(ready.data.dataset.labels[member.run.data.split.train])
        assert counts[0] == counts[1]
    ledger = ready.plan.phases[-1].ledger
    assert torch.allclose(ledger.effective, torch.tensor([0.5, 0.5]).double())
    assert ledger.natural[0] != ledger.natural[1]
    assert ledger.known_index == pytest.approx(1.0)
    assert len({tuple(member.run.data.split.train.tolist()) for member in ready.members}) == 3
    assert not ready.covered


class Told(Strategy):
    """Note epochs, each copy its own."""

    heard: ClassVar[list[tuple[int, int]]] = []

    @hookimpl
    def imbtk_epoch_end(self, epoch, record):
        Told.heard.append((id(self), epoch))


def test_each_copy_of_a_strategy_hears_of_its_own_epochs(tmp_path) -> None:
    Told.heard.clear()
    run(tmp_path / "run", ["ensemble:n=2", Told()], epochs=2)
    who = [copy for copy, _ in Told.heard]
    assert [epoch for _, epoch in Told.heard] == [0, 1, 0, 1]
    assert who[0] == who[1] != who[2] == who[3]


class Odd(Strategy):
    """A small and a large network."""

    @hookimpl
    def imbtk_members(self, split, context):
        return [Member(split.train, 0, {"model": "mlp", "epochs": 1}), Member(split.train, 0, {"lr": 0.5})]


def test_members_may_differ_in_network_and_training(tmp_path) -> None:
    made = run(tmp_path / "run", [Odd()])
    models = [load_network(made.folder / "model" / f"member-{n}")[1]["model"] for n in (1, 2)]
    assert models == ["mlp", "linear"]
    assert len(made.history) == 1 + 3


class Cheats(Strategy):
    """Learn from test rows."""

    @hookimpl
    def imbtk_members(self, split, context):
        return [Member(torch.cat([split.train, split.test[:1]]), 0)]


class Greedy(Strategy):
    """Let every member learn from a validation row."""

    @hookimpl
    def imbtk_members(self, split, context):
        rows = torch.cat([split.train, split.validation[:1]])
        return [Member(rows, seed) for seed in (0, 1)]


def test_what_is_refused() -> None:
    with pytest.raises(PlanError, match=r"'greedy' lets all 2 members learn from 1 of \d+ validation rows \(row \d+\)"):
        prepared([Greedy()])
    with pytest.raises(PluginError, match=r"'cheats'.*member 1 with test rows to learn from"):
        prepared([Cheats()])
    with pytest.raises(PlanError, match=r"'ensemble' acts on the members only.*train several models"):
        imbtk.compose(["ensemble"], np.array([0, 0, 1]))


def test_the_estimator_takes_several() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    options = {"epochs": 5, "model": "linear", "random_state": 0}
    several = imbtk.ImbalancedClassifier(["ensemble:n=3"], **options).fit(x, y)
    assert isinstance(several.network_, Ensemble)
    assert several.score(x, y) > 0.9
    weights = np.where(y == 0, 3.0, 1.0)
    weighted = imbtk.ImbalancedClassifier(["ensemble:n=2,over=folds"], **options).fit(x, y, sample_weight=weights)
    assert weighted.score(x, y) > 0.9


def test_members_that_ran_out_of_time_are_told_of() -> None:
    history = [{"member": 1, "epoch": 0, "out_of_time": 1.0}, {"member": 2, "epoch": 0}, {"member": 2, "epoch": 1}]
    plan = {"phases": [{"start": 0, "stop": 2, "strategies": []}]}
    assert "training ended after epoch 1 of 2" in ended_words(history, plan, 3.0)
    assert ended_words(history[1:], plan, 3.0) is None


def test_chance_in_the_split_is_no_correction() -> None:
    ready = prepared(["ensemble:n=3,over=folds"])
    counts = torch.bincount(ready.data.dataset.labels[ready.known])
    assert torch.equal(ready.plan.context.natural_counts, counts)
    assert ready.plan.phases[-1].ledger.known_index == pytest.approx(0.0, abs=0.02)
    np.testing.assert_allclose(ready.plan.deployment, (counts / counts.sum()).numpy())
    plain = prepared(["ensemble:n=2"])
    assert torch.equal(plain.plan.context.natural_counts, torch.bincount(plain.plan.context.labels))


def test_pages_speak_of_the_members(tmp_path) -> None:
    made = run(tmp_path / "run", ["ensemble:n=3,over=folds", "threshold"])
    decision = json.loads((made.folder / "decision.json").read_text())
    assert decision["of_members"]
    page = " ".join((made.folder / "report.html").read_text().split())
    assert "Train 3 networks linear, which predict as one, for 3 epochs each on " in page
    assert "each predicted by one of 3 members that had not seen it" in page
    assert "A line for each of 3 members." in page
    assert "inner models" not in page
