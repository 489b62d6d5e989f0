"""Plans of papers and other words: each is made of what there is, and reached from where a user stands."""

from __future__ import annotations

import json

import pytest

import imbtk
from imbtk.authoring.options import parse_spec, split_specs
from imbtk.cli.program import program
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import make_rows
from imbtk.comparison.recommend import DataFacts, rank
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import NamedPlan
from imbtk.planning.config import read_config
from imbtk.planning.plan import Plan
from imbtk_plugins.plans.published_plans import PLANS, WORDS


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_made_of_strategies_with_their_options(name: str) -> None:
    written = PLANS[name].plan
    assert str(Plan.build([name], Catalogue())) == str(Plan.build(split_specs(written), Catalogue()))
    assert str(Plan.build([name], Catalogue())) == written
    assert PLANS[name].when
    assert PLANS[name].evidence
    assert PLANS[name].source


def facts(**more: object) -> DataFacts:
    told = {"kind": "images", "classes": 2, "rows": 2000, "rarest": "a", "rarest_rows": 200, "imbalance": 9.0}
    rest = {"fewest": "a", "rarest_groups": 200, "groups_known": True, "pretrained": False}
    return DataFacts(**(told | rest | more))


@pytest.mark.parametrize(
    ("data", "first", "never"),
    [
        (facts(rarest_rows=60, rarest_groups=12), "folds-and-threshold", "decoupled"),
        (facts(), "decoupled", "drw"),
        (facts(classes=100, imbalance=100.0), "decoupled", "weighted"),
        (facts(kind="table", classes=10, imbalance=20.0, rarest_rows=9), "adjusted", "drs"),
        (facts(imbalance=1.7), "weighted", "adjusted"),
    ],
)
def test_what_comes_first_on_which_data(data: DataFacts, first: str, never: str) -> None:
    names = [advice.plan.name for advice in rank((NamedPlan(n, r, "x") for n, r in PLANS.items()), data)]
    assert names[0] == first
    assert never not in names


@pytest.mark.parametrize("word", WORDS)
def test_another_word_is_a_strategy_with_its_options(word: str) -> None:
    spec = parse_spec(WORDS[word])
    strategy = Catalogue().find(spec.name)[0](**spec.options)
    assert strategy.options(changed_only=True) == spec.options


def test_a_run_takes_a_plan_by_name_and_writes_what_it_stands_for(tmp_path) -> None:
    out = str(tmp_path / "run")
    options = {"epochs": 5, "model": "linear", "quiet": True, "out": out}
    imbtk.run("builtin:breast-cancer", ["focal-loss:gamma=1@0-1"], plan="drw", **options)
    config = read_config(tmp_path / "run" / "config.toml")
    assert config["strategies"] == [PLANS["drw"].plan, "focal-loss:gamma=1.0@0-1"]
    assert "plan" not in config
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["phases"][-1]["strategies"] == [PLANS["drw"].plan]


def test_a_comparison_takes_plans_by_name_beside_others() -> None:
    config = make_comparison_config({"plan": ["drw", "drs augment"], "each": ["decoupled,focal-loss"]})
    names = [row.name for row in make_rows(config, Catalogue())]
    assert names == ["nothing", PLANS["drw"].plan, f"{PLANS['drs'].plan} augment", "crt@90%-", "focal-loss"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("drw", "class-weights:scheme=effective,beta=0.9999@80%-"),
        ("logit_shift", "logit-adjust:mode=posthoc"),
        ("smote", "resample:method=SMOTE"),
    ],
)
def test_strategies_finds_what_goes_by_another_name(capsys, word: str, said: str) -> None:
    with pytest.raises(SystemExit):
        program.main(["strategies", word])
    assert f"'{word}' is written so: {said}" in capsys.readouterr().out
