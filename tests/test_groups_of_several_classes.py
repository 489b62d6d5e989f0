"""A run on groups whose rows have several classes: what stands in its folder, and on its page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import imbtk


def data() -> pd.DataFrame:
    """Return 60 sites of five rows, most of them with rows of both classes; a fifth of the rows is sick."""
    rng = np.random.default_rng(0)
    sick = rng.random(300) < 0.2
    return pd.DataFrame(
        {
            "size": rng.normal(size=300) + 1.5 * sick,
            "label": np.where(sick, "sick", "well"),
            "site": np.repeat(np.arange(60), 5),
        }
    )


def run(out: Path, **options: object) -> imbtk.RunResult:
    return imbtk.run(data(), epochs=2, model="linear", group_column="site", out=str(out), quiet=True, **options)


def test_without_a_rule_rows_are_the_units_everywhere(tmp_path: Path) -> None:
    found = run(tmp_path / "run")
    side = found.metrics["test"]
    assert side["per_group"]["value"] is None
    assert "groups have rows of several classes" in side["per_group"]["reason"]
    assert side["per_row"]["overall"]["auroc"]["method"] == "bootstrap (groups)"
    page = (found.folder / "report.html").read_text()
    assert "No metrics per group" in page
    assert "per group (" not in page
    assert "patient" not in page
    assert not list((found.folder / "plots").glob("*per_group*"))


def test_with_a_rule_groups_are_units_too(tmp_path: Path) -> None:
    found = run(tmp_path / "run", group_label="any:sick", group_name="site")
    level = found.metrics["test"]["per_group"]
    rows = pd.read_csv(found.folder / "predictions.csv").query("split == 'test'")
    sites = rows.groupby("group")
    truth, p = sites["truth"].agg(lambda t: "sick" in set(t)), sites["p:sick"].mean()
    assert (sites["group_truth"].first() == "sick").tolist() == truth.tolist()
    assert level["n"] == len(truth)
    assert level["overall"]["auroc"]["value"] == pytest.approx(roc_auc_score(truth, p))
    assert level["overall"]["auprc"]["value"] == pytest.approx(average_precision_score(truth, p))
    assert level["overall"]["auprc_floor"]["value"] == pytest.approx(truth.mean())
    curve = pd.read_csv(found.folder / "plots" / "roc_test_per_group.csv")
    area = np.trapezoid(curve["sensitivity"], curve["false_positive_rate"])
    assert area == pytest.approx(roc_auc_score(truth, p), abs=1e-5), "drawn from the same units"
    page = (found.folder / "report.html").read_text()
    assert "a site with any row of &#39;sick&#39; is &#39;sick&#39;" in page


def test_the_pictures_are_those_of_the_listed_mistakes(tmp_path: Path) -> None:
    """With class weights the decision is not the most probable class: mistakes are chosen once, by the decision."""
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.15).astype(np.int64)
    x = np.clip(rng.normal(100 + 25 * y[:, None, None], 40, (400, 8, 8)), 0, 255).astype(np.uint8)
    found = imbtk.run((x, y), ["class-weights"], epochs=2, out=str(tmp_path / "run"), quiet=True)
    rows = pd.read_csv(found.folder / "predictions.csv").query("split == 'test'")
    p = rows[["p:0", "p:1"]].to_numpy()
    assert (p.argmax(1) != rows["predicted"]).any(), "else this shows nothing"
    wrong = (rows["predicted"] != rows["truth"]).to_numpy()
    surest = rows[wrong].assign(p=p[wrong, rows["predicted"][wrong]]).sort_values("p", ascending=False, kind="stable")
    with np.load(found.folder / "gallery.npz") as gallery:
        assert gallery["mistake_rows"].tolist() == surest["row"].head(12).tolist()
    listed = pd.read_csv(found.folder / "plots" / "mistakes.csv")
    assert listed["row"].tolist() == surest["row"].tolist()
