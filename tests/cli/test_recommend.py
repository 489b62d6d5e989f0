"""``imbtk recommend``: what is printed, that its command runs as it stands, and ``--run``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]

OFFER = '''
from imbtk import Recipe, Strategy, Suits, hookimpl

class Tilt(Strategy):
    """Weight classes."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return context.class_counts.double().clamp(min=1).rsqrt()

@hookimpl
def imbtk_plans():
    few = Suits("They are few.", kind="table", rarest_groups=(None, 10), priority=1)
    many = Suits("They are many.", rarest_groups=(1000, None), priority=9)
    return {"gentle": Recipe("tilt", "Weight gently.", evidence="0.7 beside 0.6.", suits=few),
            "late": Recipe("tilt@50%-", "Weight late.", suits=Suits("Why not.", imbalance=(2, None))),
            "bold": Recipe("tilt@10%-", "Weight soon.", suits=many), "silent": Recipe("tilt@20%-", "Weight.")}
'''
QUICK = ("--epochs", 1, "--repeats", 1, "--model", "linear")


@pytest.fixture
def offer(tmp_path: Path) -> Path:
    path = tmp_path / "offer.py"
    path.write_text(OFFER, encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table of 20 patients with two rows each, of whom four are ill; its path has a space."""
    rows = [
        f"p{p},{p % 7 + 3 * (p < 4)},{p % 3 + row},{'ill' if p < 4 else 'well'}" for p in range(20) for row in (0, 1)
    ]
    path = tmp_path / "my study.csv"
    path.write_text("\n".join(["patient,a,b,label", *rows]), encoding="utf-8")
    return path


def test_plans_with_reasons_evidence_and_the_command(call: Call, offer: Path, table: Path) -> None:
    found = call("recommend", table, "--group-column", "patient", "--plugin", offer, "--quiet", "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert [plan["name"] for plan in document["plans"]] == ["gentle", "late"]
    assert document["plans"][0]["reasons"] == ["this is a table", "'ill' has 4 patients"]
    assert document["facts"]["imbalance"] == 4.0

    lines = " ".join(call("recommend", table, "--group-column", "patient", "--plugin", offer).stdout.split())
    for part in (
        "40 rows in 2 classes. The rarest, 'ill', has 8, the most frequent 4.0 times as many.",
        "0. nothing, with the decision moved It costs no training",
        "1. gentle tilt Weight gently. Because: This is a table; 'ill' has 4 patients. They are few. Published: 0.7",
        "2. late tilt@50%- Weight late.",
        "Published: no figure is known.",
        "None of this was measured on your data.",
        "--plan gentle --plan late",
    ):
        assert part in lines
    assert "bold" not in lines
    assert "silent" not in lines


def test_the_printed_command_runs_as_it_stands(call: Call, offer: Path, table: Path) -> None:
    options = ("--group-column", "patient", "--plugin", offer, *QUICK, "--no-drop-leaks", "--class-names", "ill=so ill")
    printed = call("recommend", table, *options).stdout.rstrip().split("\n")[-1]
    program, *arguments = shlex.split(printed)
    assert program == "imbtk"
    # Four patients are ill: five folds would be refused.
    assert arguments[arguments.index("--folds") + 1] == "4"
    compared = call(*arguments, "--jobs", 1, "--json")
    assert compared.exit_code == 0, compared.output
    assert {row["name"] for row in json.loads(compared.stdout)["rows"]} >= {"nothing", "tilt", "tilt@50%-"}


def test_run_ends_with_a_comparison(call: Call, offer: Path) -> None:
    options = ("--plugin", offer, *QUICK, "--folds", 2, "--induce-imbalance", 4, "--top", 1, "--out", "study")
    found = call("recommend", "builtin:breast-cancer", *options, "--run", "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["comparison"] == "study"
    assert document["command"].endswith("--out study --folds 2 --repeats 1")
    assert {row["name"] for row in json.loads(Path("study/comparison.json").read_text())["rows"]} >= {
        "nothing",
        "tilt@50%-",
    }


def test_where_nothing_is_offered_the_moved_decision_is_left(call: Call) -> None:
    said = call("recommend", "builtin:breast-cancer")
    assert said.exit_code == 0
    assert "0. nothing, with the decision moved" in said.stdout
    assert "No installed plan is stated to suit these data." in said.stdout
    started = call("recommend", "builtin:breast-cancer", "--run")
    assert started.exit_code == 2
    assert "so there is nothing to compare" in started.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no file or folder nowhere."),
        ((), "no data are given."),
        (("builtin:digits", "--top", 0), "invalid value for '--top'"),
        (("builtin:digits", "--folds", 1), "option 'folds' (given: 1)"),
    ],
)
def test_mistakes_are_one_paragraph(call: Call, arguments: tuple[object, ...], message: str) -> None:
    found = call("recommend", *arguments)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stderr.count("Error:") == 1


def test_conditions_of_another_form_are_the_plugins_fault(call: Call, offer: Path) -> None:
    offer.write_text(OFFER.replace("suits=few", "suits={'kind': 'table'}"), encoding="utf-8")
    found = call("recommend", "builtin:breast-cancer", "--plugin", offer)
    assert found.exit_code == 2
    assert "says what data it suits as a dict: write imbtk.Suits(…)." in found.stderr
