"""What finding the positive class costs stands in table, CSV and page; rankings where alarms are few can be tested."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_score, roc_auc_score

from imbtk.comparison.comparison import Comparison, compare
from imbtk.comparison.config import check_primary, make_comparison_config, metric_of, parse_primary
from imbtk.comparison.curves import plan_curves
from imbtk.comparison.table import csv_text
from imbtk.errors import OptionError


@pytest.fixture(scope="module")
def costly(patients_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a comparison of a plan that states costs, tested by a partial AUROC."""
    return compare(
        patients_csv,
        ["cost:matrix=[[0,1],[20,0]]"],
        primary="partial-auroc@fpr=0.3",
        epochs=2,
        folds=3,
        repeats=1,
        group_column="patient",
        jobs=1,
        quiet=True,
        out=tmp_path_factory.mktemp("costly") / "study",
    )


def test_figures_are_those_of_the_predictions(costly: Comparison) -> None:
    document = costly.document
    names, matrix = document["data"]["class_names"], np.array([[0, 1], [20, 0]])
    for row in document["rows"]:
        if row["kind"] == "decision":
            continue
        cells = sorted(costly.folder.glob(f"cells/{row['name'].split(':')[0]}*/*/predictions.csv"))
        tables = [frame[frame["split"] == "test"] for frame in map(pd.read_csv, cells)]
        pooled = pd.concat(tables)
        truth, called = (pooled[column].map(names.index).to_numpy() for column in ("truth", "predicted"))
        figures = {key: figure["value"] for key, figure in row["figures"].items()}
        assert figures["alarm_rate"] == pytest.approx((called == 1).mean())
        assert figures["expected_cost"] == pytest.approx(matrix[truth, called].mean())
        if (called == 1).any():
            assert figures["precision"] == pytest.approx(precision_score(truth, called))
        partial = [roc_auc_score(frame["truth"] == "ill", frame["p:ill"], max_fpr=0.3) for frame in tables]
        assert figures["partial-auroc@fpr=0.3"] == pytest.approx(np.mean(partial))
    alone = {entry["name"]: entry["value"] for entry in document["costs"]["all_alike"]}
    shares = np.array(document["data"]["class_counts"]) / document["data"]["rows"]
    assert alone == {"healthy": pytest.approx(20 * shares[1]), "ill": pytest.approx(shares[0])}


def test_they_stand_in_the_file_and_on_the_page(costly: Comparison) -> None:
    lines = {line["plan"]: line for line in csv.DictReader(io.StringIO(csv_text(costly.document)))}
    plan = next(line for name, line in lines.items() if name.startswith("cost"))
    assert float(plan["alarms_per_1000 ill"]) == pytest.approx(1000 * float(plan["alarm_rate ill"]))
    assert float(plan["expected_cost low"]) < float(plan["expected_cost"]) < float(plan["expected_cost high"])
    assert "precision ill" in plan
    page = (costly.folder / "report.html").read_text()
    for text in ("alarms per 1,000 rows", "precision (ill)", "expected cost", "Deciding all cases alike would cost"):
        assert text in page
    assert (costly.folder / "plots" / "precision_recall.csv").is_file()


def test_the_mean_precision_of_the_curve_is_the_average_precision(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(0, patients=(60, 40), repeats=1, folds=2)
    curve = plan_curves(rows, outcome, positive=1)["precision_recall"]
    folds = [rows.fold[0] == f for f in (0, 1)]
    expected = [average_precision_score(rows.labels[f] == 1, outcome.probabilities[0, f, 1]) for f in folds]
    assert np.mean(curve["y"]) == pytest.approx(np.mean(expected), abs=0.02)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("auprc", "auprc"),
        ("log-loss", "log_loss"),
        ("partial-auroc", "partial-auroc@fpr=0.1"),
        ("sensitivity@specificity=0.95", "sensitivity@specificity=0.95"),
    ],
)
def test_primary(text: str, key: str) -> None:
    assert parse_primary(text) == key
    assert make_comparison_config({"primary": text}).primary == key


@pytest.mark.parametrize(
    "text", ["sensitivity@specificity=1.5", "sensitivity@specificity", "partial-auroc@fpr=x", "no"]
)
def test_no_primary(text: str) -> None:
    with pytest.raises(OptionError, match=r"unknown metric.*sensitivity@specificity=0.9, partial-auroc"):
        check_primary(make_comparison_config({"primary": text}), {})


def test_a_figure_of_the_positive_class_needs_two_classes() -> None:
    assert metric_of("auroc", 3) == "macro_auroc"
    with pytest.raises(
        OptionError, match=r"'partial-auroc@fpr=0.1'\) is a metric of the positive class; these are 3 cl"
    ):
        metric_of("partial-auroc@fpr=0.1", 3)
