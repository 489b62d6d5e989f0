"""Prediction sets: quantiles by hand, coverage on simulated data, groups, and whole runs."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from pandas import read_csv
from scipy.special import log_softmax

import imbtk
from imbtk.cli.program import program
from imbtk.errors import ConflictError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import RunConfig
from imbtk_plugins.decisions.conformal import Conformal


def limits(scores: list[float], alpha: float, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the limits of two classes from rows of class 0 whose probabilities of it are exp(-score)."""
    p = np.exp(-np.array(scores))
    logits = np.log(np.stack([p, 1 - p], axis=1))
    found = Conformal(alpha=alpha).imbtk_decide(logits, np.zeros(len(p), dtype=np.int64), groups).sets
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("n", "alpha", "place"),
    # The ceil((n + 1)(1 - alpha))-th smallest, infinite beyond the last: 9 of 10, 10 of 11 (9.9), 16 of 20.
    [(9, 0.1, 9), (10, 0.1, 10), (8, 0.1, None), (19, 0.2, 16), (3, 0.5, 2), (1, 0.5, 1), (1, 0.4, None)],
)
def test_the_quantile_counts_the_row_to_come(n: int, alpha: float, place: int | None) -> None:
    scores = [0.1 * (i + 1) for i in np.random.default_rng(0).permutation(n)]
    expected = math.inf if place is None else 0.1 * place
    assert limits(scores, alpha)[0] == pytest.approx(expected)


def test_a_class_without_rows_is_in_every_set() -> None:
    rule = Conformal().imbtk_decide(np.zeros((20, 2)), np.zeros(20, dtype=np.int64), None)
    assert rule.sets is not None
    assert rule.sets[1] == math.inf
    assert rule.in_set(np.array([[1e6, -1e6]])).tolist() == [[True, True]]


def test_a_group_weighs_one_however_many_rows_it_has() -> None:
    # Group 0 has nine low scores, groups 1 and 2 one each. With alpha 0.5 two of 3 + 1 groups' worth are needed.
    scores = [*(0.01 * (i + 1) for i in range(9)), 1.0, 2.0]
    groups = np.array([0] * 9 + [1, 2])
    assert limits(scores, 0.5, groups)[0] == pytest.approx(1.0)
    assert limits(scores, 0.5)[0] == pytest.approx(0.06)
    # With 0.8, 0.8 of a group are needed: eight of nine rows.
    assert limits(scores, 0.8, groups)[0] == pytest.approx(0.08)


def test_groups_of_one_row_are_no_groups_and_order_is_nothing() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    plain = Conformal().imbtk_decide(logits, labels, None).sets
    order = rng.permutation(60)
    np.testing.assert_array_equal(Conformal().imbtk_decide(logits, labels, np.arange(60)).sets, plain)
    np.testing.assert_array_equal(Conformal().imbtk_decide(logits[order], labels[order], order).sets, plain)


def test_the_bare_softmax_is_what_counts() -> None:
    logits, labels = np.random.default_rng(2).normal(size=(99, 2)), np.repeat([0, 1], [60, 39])
    found = Conformal().imbtk_decide(logits + 7.0, labels, None).sets
    scores = np.sort(-log_softmax(logits, axis=1)[labels == 1, 1])
    assert found is not None
    assert found[1] == pytest.approx(scores[math.ceil(40 * 0.9) - 1])


def drawn(rng: np.random.Generator, counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of a poor network that favours the first class, and labels."""
    labels = np.repeat(np.arange(len(counts)), counts)
    logits = 1.5 * np.eye(len(counts))[labels] + rng.normal(size=(len(labels), len(counts))) + [3.0, 0.0, 0.0]
    return logits, labels


def test_each_class_is_covered_as_theory_says_however_rare_it_is() -> None:
    # Coverage over calibrations is Beta-distributed: mean ceil((n + 1) 0.9) / (n + 1), here 0.9, 0.9 and 0.9.
    rng, counts = np.random.default_rng(3), (399, 99, 19)
    new, truth = drawn(rng, (2000, 2000, 2000))
    covered = []
    for _ in range(200):
        rule = Conformal().imbtk_decide(*drawn(rng, counts), None)
        of_rows = rule.in_set(new)[np.arange(len(truth)), truth]
        covered.append([of_rows[truth == k].mean() for k in range(3)])
    by_class = np.mean(covered, axis=0)
    # Standard errors: 0.065 / sqrt(200) = 0.005 of the rarest class, and 0.3 / sqrt(2000) = 0.007 of the new rows.
    np.testing.assert_allclose(by_class, 0.9, atol=0.025)
    assert by_class @ np.array(counts) / sum(counts) >= 0.9 - 0.02
    # The spread over calibrations is the Beta's of the class's own number of rows.
    n = np.array(counts)
    np.testing.assert_allclose(np.std(covered, axis=0), np.sqrt(0.9 * 0.1 / (n + 2)), rtol=0.25)


def test_a_row_of_a_new_patient_is_covered_though_patients_differ() -> None:
    rng = np.random.default_rng(4)

    def patients(n: int) -> tuple[np.ndarray, np.ndarray]:
        # Patients with many images are the hard ones: rows that weigh alike would not be what one wants of patients.
        sizes = rng.choice([1, 30], size=n)
        shift = np.where(sizes == 30, -1.0, 2.0) + rng.normal(size=n)
        group = np.repeat(np.arange(n), sizes)
        margin = shift[group] + 0.3 * rng.normal(size=len(group))
        return np.stack([margin, np.zeros(len(group))], axis=1), group

    new, group = patients(2000)
    found = []
    for _ in range(150):
        logits, groups = patients(29)
        rule = Conformal().imbtk_decide(logits, np.zeros(len(groups), dtype=np.int64), groups)
        covered = np.bincount(group, weights=rule.in_set(new)[:, 0]) / np.bincount(group)
        found.append(covered.mean())
    assert 0.9 - 0.015 <= np.mean(found) <= 0.9 + 1 / 30 + 0.015


RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [300, 100])
X = (RNG.normal(size=(400, 2)) + 1.5 * LABELS[:, None]).astype(np.float32)
DATA = (X, np.array(["benign", "malignant"])[LABELS])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> imbtk.RunResult:
    out = tmp_path_factory.mktemp("conformal") / "run"
    return imbtk.run(
        DATA,
        ["stratified-split", "threshold", "conformal:alpha=0.2"],
        epochs=3,
        model="linear",
        out=str(out),
        quiet=True,
    )


def test_it_joins_the_threshold_and_leaves_its_decision_alone(run: imbtk.RunResult, tmp_path: Path) -> None:
    document = json.loads((run.folder / "decision.json").read_text())
    assert (document["by"], document["sets"]["by"]) == ("threshold", "conformal:alpha=0.2")
    assert (document["sets"]["fitted_on"], document["sets"]["inexact"]) == ("validation rows", None)
    assert document["name"].endswith("; sets that hold at least 80 % of each class")
    alone = imbtk.run(
        DATA, ["stratified-split", "threshold"], epochs=3, model="linear", out=str(tmp_path / "alone"), quiet=True
    )
    np.testing.assert_array_equal(run.predict(X), alone.predict(X))


def test_sets_and_their_metrics_are_those_of_the_saved_predictions(run: imbtk.RunResult) -> None:
    with (run.folder / "predictions.csv").open() as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    sets = [json.loads(row["set"]) for row in test]
    assert sets == run.predict_sets(X[[int(row["row"]) for row in test]])
    figures = run.metrics["test"]["sets"]
    for entry in figures["per_class"]:
        own = [found for found, row in zip(sets, test, strict=True) if row["truth"] == entry["name"]]
        assert entry["coverage"]["value"] == pytest.approx(np.mean([entry["name"] in found for found in own]))
        assert entry["size"]["value"] == pytest.approx(np.mean([len(found) for found in own]))
        assert entry["coverage"]["interval"][0] <= entry["coverage"]["value"] <= entry["coverage"]["interval"][1]
    assert figures["overall"]["coverage"]["n"] == len(test)
    assert "Mean size" in (run.folder / "report.html").read_text()


@pytest.mark.parametrize("name", ["metrics", "decision"])
def test_what_is_written_is_as_its_schema_says(run: imbtk.RunResult, name: str) -> None:
    schema = json.loads((Path(imbtk.__file__).parent / "runs" / "schemas" / f"{name}.schema.json").read_text())
    document = json.loads((run.folder / f"{name}.json").read_text())
    assert "sets" in (document["test"] if name == "metrics" else document)
    Draft202012Validator(schema).validate(document)


def test_new_labelled_data_are_evaluated_with_sets(run: imbtk.RunResult, tmp_path: Path) -> None:
    new = (X + np.float32(0.01), DATA[1])
    table = tmp_path / "new.npz"
    np.savez(table, x=new[0], y=new[1])
    done = imbtk.evaluate(run.folder, str(table), out=str(tmp_path / "cohort"))
    with (done.folder / "predictions.csv").open() as file:
        sets = [json.loads(row["set"]) for row in csv.DictReader(file)]
    assert sets == run.predict_sets(new[0])
    covered = np.mean([truth in found for truth, found in zip(new[1], sets, strict=True)])
    assert done.metrics["test"]["sets"]["overall"]["coverage"]["value"] == pytest.approx(covered)


def test_two_that_decide_conflict_all_the_same_and_so_do_two_that_make_sets() -> None:
    config = RunConfig(epochs=1, model="linear")
    with pytest.raises(ConflictError, match=r"decision is claimed by 'threshold' .* and 'cost:"):
        prepare(config, DATA, ["threshold", "conformal", "cost:matrix=[[0,1],[9,0]]"])
    with pytest.raises(ConflictError, match=r"'conformal' .* and 'conformal:alpha=0.2'"):
        prepare(config, DATA, [Conformal(), Conformal(alpha=0.2)])


@pytest.mark.parametrize(("decide", "words"), [("trained", "as trained"), ("deploy", "the most probable class")])
def test_it_joins_what_core_decides(decide: str, words: str) -> None:
    prepared = prepare(RunConfig(epochs=1, model="linear", decide=decide), DATA, ["conformal"])
    assert prepared.plan.decision.startswith(words)
    assert ", sets by conformal, fitted on validation rows" in prepared.plan.decision


def test_out_of_fold_sets_and_early_stopping_say_that_nothing_is_exact(tmp_path: Path) -> None:
    def sets(*strategies: str, **options: str) -> dict[str, str]:
        out = tmp_path / "-".join([*strategies, *options]).replace(":", "-")
        done = imbtk.run(
            DATA, [*strategies, "conformal"], epochs=2, model="linear", out=str(out), quiet=True, **options
        )
        found: dict[str, str] = json.loads((done.folder / "decision.json").read_text())["sets"]
        return found

    folds = sets("stratified-split:folds=3")
    assert folds["fitted_on"] == "out-of-fold rows"
    assert "other models" in folds["inexact"]
    stopped = sets("stratified-split", early_stop="log_loss")
    assert "early stopping" in stopped["inexact"]


WALL = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'imbtk_plugins':
            raise ImportError('there are no plugins here')
sys.meta_path.insert(0, Wall())
from imbtk.cli import main
main()
"""


def test_from_the_command_line_and_predicted_where_no_plugin_is(tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    lines = ["a,b,label", *(f"{a},{b},{name}" for (a, b), name in zip(X.tolist(), DATA[1], strict=True))]
    table.write_text("\n".join(lines) + "\n")
    folder, out = tmp_path / "run", tmp_path / "new.csv"
    how = ["-s", "stratified-split", "-s", "conformal", "--model", "linear", "--epochs", "2", "--out", str(folder)]
    done = CliRunner().invoke(program, ["run", str(table), *how])
    assert done.exit_code == 0, done.output
    assert "Sets of classes by conformal, fitted on" in done.output
    arguments = ["predict", str(folder), str(table), "--out", str(out)]
    environment = {**os.environ, "IMBTK_PLUGINS": "none", "OMP_NUM_THREADS": "1"}
    predicted = subprocess.run(
        [sys.executable, "-c", WALL, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert predicted.returncode == 0, predicted.stderr
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert [json.loads(row["set"]) for row in found] == imbtk.load(folder).predict_sets(read_csv(table)[["a", "b"]])
    assert {tuple(json.loads(row["set"])) for row in found} >= {("benign",), ("malignant",)}
