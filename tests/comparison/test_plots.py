"""The figures say what the document says."""

from __future__ import annotations

import copy

import pytest

from imbtk.comparison import plots
from imbtk.comparison.comparison import Comparison


def texts(figure) -> str:  # type: ignore[no-untyped-def]
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_forest_has_a_line_for_each_plan_with_its_verdict(finished: Comparison) -> None:
    figure = plots.forest(finished.document)
    said = texts(figure)
    for row in finished.document["rows"]:
        if row["kind"] != "baseline":
            assert row["name"] in said
            assert row["verdict"] in said
    axes = figure.axes[0]
    drawn = sorted(line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "o")
    expected = [100 * r["difference"]["value"] for r in finished.document["rows"] if r["kind"] != "baseline"]
    assert drawn == pytest.approx(sorted(expected))


def test_confusions_have_a_matrix_for_each_row(finished: Comparison) -> None:
    figure = plots.confusions(finished.document)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == len(finished.document["rows"])


def test_the_decision_only_row_has_no_curves_of_its_own(finished: Comparison) -> None:
    for figure in (plots.roc_curves(finished.document), plots.reliability_curves(finished.document)):
        assert "decision moved" not in texts(figure)


def test_of_many_plans_the_best_are_drawn_beside_baseline_and_decision(finished: Comparison) -> None:
    document = copy.deepcopy(finished.document)
    plan = next(row for row in document["rows"] if row["kind"] == "plan")
    document["rows"] += [{**plan, "name": f"more {i}"} for i in range(12)]
    rows = plots.judged_rows(document, plots.MOST_PLANS)
    assert len(rows) == plots.MOST_PLANS
    assert {"baseline", "decision"} <= {row["kind"] for row in rows}


def test_a_row_that_is_not_complete_is_in_no_figure(finished: Comparison) -> None:
    document = copy.deepcopy(finished.document)
    document["rows"].append({"name": "broken", "kind": "plan", "complete": False, "reason": "x"})
    for draw in (plots.forest, plots.sensitivities, plots.confusions, plots.cost):
        assert "broken" not in texts(draw(document))
