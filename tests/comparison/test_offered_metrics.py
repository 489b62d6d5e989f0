"""A plugin's metric as the one that is tested: it takes no weights, so its rows are repeated."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.metrics import log_loss, roc_auc_score

from imbtk.comparison.comparison import compare, make_comparison_report
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.judging import Judge
from imbtk.comparison.metrics import Resampling, whole_weights
from imbtk.errors import OptionError, RunFolderError
from imbtk.evaluation.resampling import bootstrap_weights, make_strata

PLUGIN = '''
import numpy as np
from imbtk import hookimpl


def missed(labels, probabilities):
    """Return the share of rows that are called wrongly."""
    return float((probabilities.argmax(1) != labels).mean())


missed.higher_is_better = False


@hookimpl
def imbtk_metrics():
    """Offer the metric."""
    return {"missed_share": missed}
'''


def test_whole_weights_keep_the_sums_of_strata_and_the_expectation() -> None:
    labels = np.repeat([0, 1], [7, 4])
    strata = make_strata(labels, None, 2)
    weights = bootstrap_weights(strata, 40_000, np.random.default_rng(0))
    whole = whole_weights(weights, strata.stratum)
    assert (whole == whole.astype(int)).all()
    assert (np.abs(whole - weights) < 1).all()
    assert (whole[:7].sum(axis=0) == 7).all()
    assert (whole[7:].sum(axis=0) == 4).all()
    np.testing.assert_allclose(whole.mean(axis=1), 1, atol=0.03)
    zeros_and_ones = np.eye(11)
    np.testing.assert_array_equal(whole_weights(zeros_and_ones, strata.stratum), zeros_and_ones)


@pytest.mark.parametrize("key", ["auroc", "log_loss"])
def test_a_metric_of_ours_offered_by_a_stranger_is_judged_alike(simulate: Any, key: str) -> None:
    # Called thousands of times, so written out, and scikit-learn's once: see below.
    def theirs(labels: np.ndarray, probabilities: np.ndarray) -> float:
        if key == "log_loss":
            return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
        positive = int(labels.sum())
        if positive in (0, len(labels)):
            return float("nan")
        ranks = rankdata(probabilities[:, 1])[labels == 1].sum() - positive * (positive + 1) / 2
        return float(ranks / (positive * (len(labels) - positive)))

    theirs.higher_is_better = key == "auroc"  # type: ignore[attr-defined]
    rows, outcomes = simulate(0, repeats=1)
    p = outcomes[0].probabilities[0]
    reference = roc_auc_score(rows.labels, p[:, 1]) if key == "auroc" else log_loss(rows.labels, p, labels=[0, 1])
    assert theirs(rows.labels, p) == pytest.approx(reference, abs=1e-12)
    renamed = [replace(outcome, name=name) for outcome, name in zip(outcomes, ("nothing", "plan"), strict=True)]
    entries: dict[str, dict[str, Any]] = {}
    for name, extra in ((key, {}), ("theirs", {"theirs": theirs})):
        config = make_comparison_config({"primary": name, "repeats": 1})
        judge = Judge(replace(rows, asked=(name,), extra=extra), config)
        for outcome in renamed:
            judge.add(outcome)
        found: list[dict[str, Any]] = [{"name": outcome.name} for outcome in renamed]
        judge.compare(found)
        entries[name] = found[1]
    ours, their = entries[key]["difference"], entries["theirs"]["difference"]
    assert entries[key]["verdict"] == entries["theirs"]["verdict"]
    assert their["value"] == pytest.approx(ours["value"], abs=1e-9)
    assert their["standard_error"] == pytest.approx(ours["standard_error"], rel=0.1)
    assert their["p"] == pytest.approx(ours["p"], abs=0.05)


def test_a_comparison_by_a_plugins_metric(tmp_path: Path) -> None:
    plugin = tmp_path / "missed.py"
    plugin.write_text(PLUGIN)
    options: dict[str, Any] = {"epochs": 1, "folds": 2, "repeats": 1, "jobs": 1, "quiet": True}
    found = compare(
        "builtin:breast-cancer",
        ["class-weights"],
        primary="missed-share",
        plugins=(str(plugin),),
        out=str(tmp_path / "study"),
        **options,
    )
    document = found.document
    assert (document["primary"], document["higher_is_better"]) == ("missed_share", False)
    for row in document["rows"]:
        figure = row["figures"]["missed_share"]
        assert figure["interval"][0] < figure["value"] < figure["interval"][1]
        if row["kind"] == "baseline":
            files = [pd.read_csv(path) for path in found.folder.glob("cells/nothing*/*/predictions.csv")]
            tests = [frame[frame["split"] == "test"] for frame in files]
            assert len(tests) == 2
            names = document["data"]["class_names"]
            missed = [(f[[f"p:{n}" for n in names]].to_numpy().argmax(1) != f["truth"].map(names.index)) for f in tests]
            assert figure["value"] == pytest.approx(np.mean([share.mean() for share in missed]))
    with (found.folder / "comparison.csv").open() as lines:
        assert "missed_share" in next(csv.reader(lines))
    assert "missed share" in (found.folder / "report.html").read_text()

    with pytest.raises(OptionError, match=r"'missed_share'.*unknown metric"):
        make_comparison_report(found.folder)  # nothing that a folder names is imported
    (found.folder / "protocol.json").unlink()
    with pytest.raises(RunFolderError):
        make_comparison_report(found.folder)


def test_a_metric_that_nobody_offers() -> None:
    with pytest.raises(OptionError, match=r"option 'primary' \(given: 'auc'\): unknown metric\. Did you mean"):
        compare("builtin:breast-cancer", ["class-weights"], primary="auc", quiet=True)


def test_a_metric_is_not_asked_of_a_resample_that_lacks_a_class(simulate: Any) -> None:
    def asks_for_both(labels: np.ndarray, probabilities: np.ndarray) -> float:
        return float(roc_auc_score(labels, probabilities[:, 1]))  # raises, or warns, where there is one class

    # Five patients of the rare class in four folds: many a resample has none of them in a fold.
    rows, outcomes = simulate(0, patients=(20, 5), repeats=1, folds=4)
    rows = replace(rows, asked=("theirs", "auroc"), extra={"theirs": asks_for_both})
    found = Resampling(rows, 0, resamples=100).of(outcomes[0])
    missing = np.isnan(found.drawn["theirs"])
    np.testing.assert_array_equal(missing, np.isnan(found.drawn["auroc"]))
    assert np.isfinite(found.value["theirs"])
    assert found.value["theirs"] == pytest.approx(found.value["auroc"])
