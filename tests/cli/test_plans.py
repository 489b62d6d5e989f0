"""Tests of ``imbtk plans`` and of plans by name, with a plugin that offers some."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]

OFFER = '''
from imbtk import Recipe, Strategy, hookimpl

class Tilt(Strategy):
    """Weight classes."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return context.class_counts.double().clamp(min=1).rsqrt()

@hookimpl
def imbtk_plans():
    return {"late": Recipe("tilt@50%-", "Weights late.", when="Often.", source="A paper."),
            "just-before-the-end": Recipe("tilt@75%-", "Weights later."), "leaning": "tilt", "some": ["tilt", "late"]}
'''


@pytest.fixture
def offer(tmp_path: Path) -> Path:
    path = tmp_path / "offer.py"
    path.write_text(OFFER, encoding="utf-8")
    return path


def test_the_list_has_plans_sets_and_words(call: Call, offer: Path) -> None:
    lines = [" ".join(line.split()) for line in call("plans", "--plugin", offer).stdout.split("\n")]
    for line in ("late Weights late.", "tilt@50%-", "some tilt", "late", "leaning tilt"):
        assert line in lines


def test_one_plan_and_json(call: Call, offer: Path) -> None:
    page = call("plans", "late", "--plugin", offer).stdout
    assert all(part in page for part in ("Weights late.", "When to use", "Often.", "A paper.", "--plan late"))
    assert json.loads(call("plans", "late", "--plugin", offer, "--json").stdout)[0]["plan"] == "tilt@50%-"
    result = call("plans", "lat", "--plugin", offer)
    assert result.exit_code == 2
    assert "no plugin offers a plan 'lat'. Did you mean 'late'?" in result.stderr


def test_a_run_of_a_named_plan(call: Call, offer: Path) -> None:
    options = ("builtin:breast-cancer", "--plugin", offer, "--epochs", 4, "--dry-run", "--json")
    by_name = call("run", *options, "--plan", "late")
    assert by_name.exit_code == 0, by_name.stderr
    assert by_name.stdout == call("run", *options, "-s", "late").stdout
    assert by_name.stdout == call("run", *options, "-s", "tilt@50%-").stdout
    assert json.loads(by_name.stdout)["strategies"][0]["window"] is not None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("late:power=2", "'late' is a plan of several strategies and takes no options and no window"),
        ("leaning", "'leaning' is called tilt here: write that."),
        ("lte", "unknown strategy 'lte'. Did you mean the plan 'late'?"),
        ("nowhere", "unknown strategy 'nowhere'."),
    ],
)
def test_what_is_no_strategy(call: Call, offer: Path, spec: str, said: str) -> None:
    result = call("run", "builtin:breast-cancer", "--plugin", offer, "-s", spec, "--dry-run")
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"tilt": Recipe("tilt", "Itself.")}', "'tilt', which plugin 'offer'"),
        ('{"late": 3}', "offers 'late' in imbtk_plans as a int: it is a list of plans for a set, a Recipe"),
    ],
)
def test_an_offer_of_another_form_is_refused(call: Call, offer: Path, answer: str, said: str) -> None:
    offer.write_text(OFFER[: OFFER.index('    return {"late')] + f"    return {answer}\n", encoding="utf-8")
    result = call("plans", "--plugin", offer)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_name_may_have_underscores(call: Call, offer: Path) -> None:
    options = ("--plugin", offer, "--epochs", 8, "--dry-run", "--json")
    run = call("run", "builtin:breast-cancer", "-s", "just_before_the_end", *options)
    assert run.exit_code == 0, run.stderr
    assert json.loads(run.stdout)["strategies"][0]["spec"] == "tilt@75%-"
    for command in ("plans", "strategies"):
        assert "Weights later." in call(command, "just_before_the_end", "--plugin", offer).stdout
