"""Names and windows to phases."""

from __future__ import annotations

import pytest
import torch

from imbtk import RunContext, Split, Strategy, hookimpl
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import PlanError
from imbtk.planning.plan import Plan


class Weigh(Strategy):
    """Weigh."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.ones(context.num_classes)


class Cut(Strategy):
    """Cut."""

    @hookimpl
    def imbtk_split(self, context: RunContext) -> list[Split]:
        return []


EMPTY = Catalogue(points=[])


def plan(*entries: object) -> Plan:
    return Plan.build(entries, EMPTY)  # type: ignore[arg-type]


def test_windows_cut_a_run_into_phases() -> None:
    first, second = Weigh(), Weigh()
    phases = plan(Cut(), first.at("0-60%"), second.at("60%-")).phases(10)
    assert [(p.phase.start, p.phase.stop) for p in phases] == [(0, 6), (6, 10)]
    assert [[i.label for i in p.items[1:]] for p in phases] == [["weigh"], ["weigh#2"]]
    assert [i.label for i in phases[1].items] == ["cut", "weigh#2"]


def test_an_empty_plan_is_one_phase() -> None:
    (only,) = plan().phases(7)
    assert (only.phase.start, only.phase.stop, only.items) == (0, 7, ())
    assert str(plan()) == "nothing"


@pytest.mark.parametrize(
    ("window", "message"),
    [("90%-", "is on in no epoch of a run of 4"), ("2-9", "ends after the run, which has 4 epochs")],
)
def test_windows_outside_the_run(window: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan(Weigh().at(window)).phases(4)


def test_what_acts_once_takes_no_window() -> None:
    with pytest.raises(PlanError, match=r"'cut' takes no window: it acts once in a run \(split\)"):
        plan(Cut().at("1-2"))


def test_something_else_in_the_list_is_refused() -> None:
    with pytest.raises(PlanError, match=r"'Weigh' is a class: give an instance of it, Weigh\(\), or its name"):
        plan(Weigh)
    with pytest.raises(PlanError, match=r"3 is no strategy"):
        plan(3)


def test_an_unknown_name_without_plugins_says_so() -> None:
    with pytest.raises(PlanError, match=r"unknown strategy 'focal-loss'. No plugin is installed"):
        plan("focal-loss")
