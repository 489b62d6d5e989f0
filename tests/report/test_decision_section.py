"""The section on decisions: every state of a floor, abstentions, predictive values, and broken records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imbtk.errors import RunFolderError
from imbtk.report.blocks import Banner, Facts, Plot, Section, Text
from imbtk.report.decision_section import decision_section
from imbtk.report.drawings import Drawings
from imbtk.runs.reading import read_run

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "class_names": ["benign", "malignant"],
    "name": "the rule",
    "by": "threshold",
    "on": "logits",
    "fitted_on": "validation rows",
    "rows": 60,
    "groups": 20,
    "rule": {},
    "floor": None,
    "reject": None,
}


def figure(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "interval": [low, high], "n": 50, "groups": 20}


def section(make_run: Callable[..., Path], **changes: Any) -> tuple[Section, Drawings]:
    folder = make_run(classes=["benign", "malignant"], rows=300, patients=60)
    (folder / "decision.json").write_text(json.dumps({**DOCUMENT, **changes}))
    drawings = Drawings()
    return decision_section(read_run(folder), drawings), drawings


def banner(found: Section) -> Banner:
    (only,) = [block for block in found.blocks if isinstance(block, Banner)]
    return only


def test_what_the_rule_is_and_what_it_rests_on(make_run: Callable[..., Path]) -> None:
    found, drawings = section(make_run)
    facts = dict(next(block for block in found.blocks if isinstance(block, Facts)).pairs)
    assert facts["Rule"] == "the rule"
    assert facts["Fitted on"] == "60 validation images, 20 patients"
    assert "the deployment prior does not move it" in facts["Looks at"]
    inner, _ = section(make_run, schema_version=2, fitted_on="out-of-fold rows", rows=300, groups=60, inner_models=4)
    facts = dict(next(block for block in inner.blocks if isinstance(block, Facts)).pairs)
    assert facts["Fitted on"] == (
        "300 out-of-fold images, 60 patients, each predicted by one of 4 inner models that had not seen it"
    )
    assert {"predictive_values.svg", "predictive_values.csv"} <= set(drawings.files)
    plain, _ = section(make_run, fitted_on=None, by=None)
    facts = dict(next(block for block in plain.blocks if isinstance(block, Facts)).pairs)
    assert facts["Fitted on"].startswith("nothing")
    assert "Asked for by" not in facts


@pytest.mark.parametrize(
    ("test", "held", "confirmed", "level", "title"),
    [
        (figure(0.97, 0.95, 0.99), True, True, "ok", "The floor held on test rows"),
        (figure(0.97, 0.85, 0.99), True, False, "warning", "The floor held on test rows, and might not on others"),
        (figure(0.80, 0.65, 0.90), False, False, "error", "The floor did not hold on test rows"),
        (None, None, None, "warning", "Floor not tested"),
    ],
)
def test_a_floor_is_told_with_its_interval(
    make_run: Callable[..., Path], test: Any, held: Any, confirmed: Any, level: str, title: str
) -> None:
    floor = {
        "class": "malignant",
        "floor": 0.9,
        "validation": figure(0.96, 0.91, 0.99),
        "test": test,
        "held_on_test": held,
        "confirmed_on_test": confirmed,
    }
    found, _ = section(make_run, floor=floor)
    said = banner(found)
    assert (said.level, said.title) == (level, title)
    assert "0.96 (0.91–0.99)" in said.text
    assert "guarantee" not in said.text
    assert "On validation images: 0.96" in said.text
    assert "a little too good, since the threshold was chosen on them" in said.text
    if test is not None:
        assert f"{test['interval'][0]:.2f}–{test['interval'][1]:.2f}" in said.text
    inner, _ = section(make_run, schema_version=2, floor={**floor, "out_of_fold": figure(0.93, 0.90, 0.95)})
    assert "On out-of-fold images: 0.93 (0.90–0.95), a little too good" in banner(inner).text


def test_abstentions_come_with_their_curve(make_run: Callable[..., Path]) -> None:
    curve = {"coverage": [0.5, 1.0], "risk": [0.0, 0.2]}
    reject = {
        "reject_below": 0.6,
        "share": {"out_of_fold": 0.05, "validation": 0.1, "test": 0.08},
        "risk_coverage": {"test": curve},
    }
    found, drawings = section(make_run, reject=reject)
    texts = [block.text for block in found.blocks if isinstance(block, Text)]
    assert texts == [
        "Left to a human: 5.0 % of the out-of-fold images, 10 % of the validation images and 8.0 % of the test images."
    ]
    assert sum(isinstance(block, Plot) for block in found.blocks) == 2
    assert drawings.files["risk_coverage.csv"].decode().splitlines() == [
        "side,coverage,risk", "test,0.5,0", "test,1,0.2",
    ]  # fmt: skip


def test_more_than_two_classes_have_no_predictive_values(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b", "c"], rows=300)
    found = decision_section(read_run(folder), Drawings())
    assert [type(block) for block in found.blocks] == [Text]


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"schema_version": 9}', "schema_version 9; this imbtk reads up to 2"), ("{", "cannot be read")],
)
def test_broken_and_newer_records_are_refused(make_run: Callable[..., Path], text: str, message: str) -> None:
    folder = make_run(classes=["a", "b"], rows=200)
    (folder / "decision.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        decision_section(read_run(folder), Drawings())
