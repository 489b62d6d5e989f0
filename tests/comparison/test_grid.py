"""Which plans are compared, and the cells that it takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import BASELINE, grid, make_rows
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import PlanError

PLUGIN = '''
import torch
from imbtk import Strategy, hookimpl, option


class Alpha(Strategy):
    """First."""

    power: float = option(1.0, "x")

    @hookimpl
    def imbtk_class_weights(self, context):
        return torch.ones(context.num_classes)


class Beta(Strategy):
    """Second."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return torch.ones(context.num_classes)


class Halves(Strategy):
    """Splits."""

    @hookimpl
    def imbtk_split(self, dataset, context):
        return []


@hookimpl
def imbtk_plans():
    return {"default": ["alpha", "alpha beta@50%-"], "more": ["beta"]}
'''


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    path = tmp_path / "three.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return Catalogue([path], points=[])


def names(catalogue: Catalogue, **values: object) -> list[str]:
    return [row.name for row in make_rows(make_comparison_config(values), catalogue)]


def test_baseline_is_always_the_first_row(catalogue: Catalogue) -> None:
    assert names(catalogue, plan=("beta",)) == [BASELINE, "beta"]


def test_plans_are_split_at_spaces_outside_brackets(catalogue: Catalogue) -> None:
    assert names(catalogue, plan=("alpha:power=2 beta@10%-",)) == [BASELINE, "alpha:power=2.0 beta@10%-"]


def test_without_a_plan_those_that_plugins_offer_by_default(catalogue: Catalogue) -> None:
    rows = make_rows(make_comparison_config({}), catalogue)
    assert [row.name for row in rows] == [BASELINE, "alpha", "alpha beta@50%-"]
    assert not any(row.required for row in rows[1:])


def test_another_set_by_name(catalogue: Catalogue) -> None:
    assert names(catalogue, plan_set="more") == [BASELINE, "beta"]


def test_each_and_pairs(catalogue: Catalogue) -> None:
    rows = make_rows(make_comparison_config({"each": ("alpha:power=2,beta",), "pairs": True}), catalogue)
    assert [row.name for row in rows] == [BASELINE, "alpha:power=2.0", "beta", "alpha:power=2.0 beta"]
    assert rows[3].parts == ("alpha:power=2.0", "beta")
    assert [row.required for row in rows] == [True, True, True, False]


def test_plans_from_python_may_hold_instances(catalogue: Catalogue) -> None:
    beta = catalogue.find("beta")[0]()
    rows = make_rows(make_comparison_config({}), catalogue, [["alpha", beta]])
    assert rows[1].name == "alpha beta"
    fresh = rows[1].strategies()
    assert fresh[1] is not beta
    assert type(fresh[1]) is type(beta)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"plan": ("alpha", "alpha")}, "the plan 'alpha' is named twice. Leave one out: a plan has one row."),
        ({"plan": ("alpha:power=1", "alpha")}, "the plan 'alpha' is named twice."),
        ({"plan": ("nothing",)}, "'nothing' is the baseline, which is always a row: leave --plan nothing out."),
        ({"plan": (" ",)}, "a plan is empty. The baseline, with no strategy, is always a row."),
        (
            {"plan": ("alpha halves",)},
            "the plan 'alpha halves' holds 'halves', which splits. In a comparison every plan",
        ),
        ({"plan": ("alpa",)}, "unknown strategy 'alpa'. Did you mean 'alpha'?"),
        ({"plan_set": "mroe"}, "no plugin offers a set of plans 'mroe'. Did you mean 'more'?"),
    ],
)
def test_refused(catalogue: Catalogue, values: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=re.escape(message)):
        names(catalogue, **values)


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(PlanError, match=r"there is no plan to compare with the baseline\. Give one or more: --plan"):
        make_rows(make_comparison_config({}), Catalogue(points=[]))


def test_cells_of_one_split_stand_together_and_have_names_of_their_own(catalogue: Catalogue) -> None:
    config = make_comparison_config({"folds": 2, "repeats": 2, "also_ungrouped": True})
    rows = make_rows(config, catalogue)
    cells = grid(rows, config)
    assert len(cells) == 3 * 2 * 2 * 2
    assert len({cell.name for cell in cells}) == len(cells)
    assert [cell.plan.name for cell in cells[:3]] == [row.name for row in rows]
    assert {(cell.repeat, cell.fold, cell.ungrouped) for cell in cells[:3]} == {(0, 0, False)}
    assert cells[0].words == "'nothing', repeat 1, fold 1"
    assert cells[-1].words == "'alpha beta@50%-', repeat 2, fold 2, groups ignored"
