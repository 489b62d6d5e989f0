"""What plans are recommended for: each condition by itself, the order, and the facts that are asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import imbtk
from imbtk import Recipe, Suits
from imbtk.comparison.recommend import DataFacts, facts_of, rank, reasons
from imbtk.data.dataset import Dataset, InducedImbalance
from imbtk.discovery.recipes import NamedPlan
from imbtk.errors import OptionError, PlanError

FACTS = DataFacts(
    kind="images",
    classes=2,
    rows=370,
    rarest="ill",
    rarest_rows=37,
    imbalance=9.0,
    fewest="ill",
    rarest_groups=12,
    groups_known=True,
    pretrained=False,
    group_name="patient",
)


def named(name: str, priority: int, plan: str = "") -> NamedPlan:
    return NamedPlan(name, Recipe(plan or f"{name}-strategy", "Does it.", suits=Suits("So.", priority=priority)), "x")


@pytest.mark.parametrize(
    ("suiting", "other", "said"),
    [
        ({"kind": "images"}, {"kind": "table"}, "these are images"),
        ({"classes": (2, 2)}, {"classes": (3, None)}, "there are 2 classes"),
        ({"imbalance": (9, None)}, {"imbalance": (None, 8.9)}, "the most frequent class is 9.0 times as frequent as"),
        ({"rarest_rows": (None, 37)}, {"rarest_rows": (38, None)}, "the rarest class, 'ill', has 37 images"),
        ({"rarest_groups": (12, 12)}, {"rarest_groups": (None, 11)}, "'ill' has 12 patients"),
        ({"pretrained": False}, {"pretrained": True}, "training starts from random weights"),
    ],
)
def test_a_condition_holds_with_its_reason_or_not_at_all(suiting, other, said: str) -> None:
    (reason,) = reasons(Suits("Because.", **suiting), FACTS) or ("",)
    assert reason.startswith(said)
    assert reasons(Suits("Because.", **other), FACTS) is None
    assert reasons(Suits("Because.", **(suiting | {"classes": (5, 9)})), FACTS) is None


def test_no_condition_suits_all_data() -> None:
    assert reasons(Suits("Always."), FACTS) == ()


def test_without_known_groups_rows_stand_for_them() -> None:
    facts = dataclasses.replace(FACTS, groups_known=False, rarest_groups=37)
    assert reasons(Suits("Few.", rarest_groups=(None, 40)), facts) == ("'ill' has 37 images",)


def test_the_order_is_by_priority_then_name_whatever_order_they_come_in() -> None:
    plans = [named("b", 1), named("a", 1), named("c", 5), NamedPlan("silent", Recipe("tilt", "Does it."), "x")]
    for given in (plans, plans[::-1]):
        assert [advice.plan.name for advice in rank(given, FACTS)] == ["c", "a", "b"]


def test_of_two_names_for_one_plan_the_first_is_kept() -> None:
    found = rank([named("a", 1, "tilt"), named("b", 2, "tilt")], FACTS)
    assert [advice.plan.name for advice in found] == ["b"]


def dataset(labels: list[int], groups: list[int] | None = None, **more: object) -> Dataset:
    numbers = None if groups is None else torch.tensor(groups)
    x = torch.zeros(len(labels), 1)
    return Dataset("d", "table", x, torch.tensor(labels), ("a", "b", "c"), groups=numbers, **more)


def test_the_class_with_the_fewest_groups_may_be_another_than_the_rarest() -> None:
    facts = facts_of(dataset([0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 1, 2, 3, 4, 4, 4, 5, 6]))
    assert (facts.rarest, facts.rarest_rows, facts.imbalance) == ("c", 2, 2.0)
    assert (facts.fewest, facts.rarest_groups, facts.groups_known) == ("b", 1, True)


def test_groups_that_identical_images_alone_made_are_not_known() -> None:
    facts = facts_of(dataset([0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 1, 2], description={"groups_known": False}))
    assert (facts.groups_known, facts.rarest_groups) == (False, 1)


def test_an_induced_imbalance_counts_as_induced() -> None:
    facts = facts_of(dataset([0] * 100 + [1] * 100 + [2] * 100, induced=InducedImbalance(25.0, "long-tail", 0)))
    assert (facts.rarest, facts.rarest_rows, facts.imbalance) == ("c", 4, 25.0)


def test_data_that_no_plan_suits_are_told_when_a_comparison_is_asked_for(monkeypatch) -> None:
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    found = imbtk.recommend("builtin:breast-cancer", quiet=True)
    assert found.advice == ()
    with pytest.raises(PlanError, match="no installed plan is stated to suit 'builtin:breast-cancer'"):
        found.compare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, r"option 'top' \(given: 0\)"),
        ({"plan": ["tilt"]}, "option 'plan' says what is compared, which a recommendation finds"),
        ({"folder": "x"}, "unknown option 'folder'"),
    ],
)
def test_options_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        imbtk.recommend("builtin:breast-cancer", quiet=True, **options)


def test_weights_from_a_file_are_pretrained(tmp_path: Path) -> None:
    found = imbtk.recommend("builtin:breast-cancer", quiet=True, weights=tmp_path / "w.pth")
    assert found.facts.pretrained
