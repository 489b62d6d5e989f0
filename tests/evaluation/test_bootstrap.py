import numpy as np
import pytest

from imbtk.evaluation.bootstrap import SCALES, bootstrap_intervals
from imbtk.evaluation.metrics import Missing, Predictions, class_metrics, overall_metrics


def scored(rng, counts, correlation, distance, mean_size=8):
    """Patients of two classes whose scores share a normal effect."""
    m = np.maximum(1, rng.poisson(mean_size, size=sum(counts)))
    groups = np.repeat(np.arange(sum(counts)), m)
    labels = (groups >= counts[0]).astype(np.int64)
    effect = np.sqrt(correlation) * rng.normal(size=sum(counts))
    score = distance * (labels - 0.5) + effect[groups] + np.sqrt(1 - correlation) * rng.normal(size=len(groups))
    positive = 1 / (1 + np.exp(-distance * score))
    return Predictions(labels, (score > 0).astype(np.int64), np.column_stack([1 - positive, positive]), "ab", groups)


def figures(p):
    per_class = class_metrics(p)
    overall = overall_metrics(p, per_class)
    values = {name: overall[name] for name in SCALES if name in overall}
    return values | {
        f"{name}:{k}": per_class[k][name.removeprefix("class:")]
        for name in SCALES
        if name.startswith("class:")
        for k in range(p.num_classes)
    }


def test_deterministic_by_seed():
    p = scored(np.random.default_rng(0), (12, 6), 0.3, 1.5)
    first, same, other = (bootstrap_intervals(p, figures(p), seed, resamples=200) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_every_figure_has_an_interval_around_it():
    p = scored(np.random.default_rng(0), (12, 6), 0.3, 1.5)
    values = figures(p)
    intervals = bootstrap_intervals(p, values, 0, resamples=200)
    assert set(intervals) == set(values)
    for name, (low, high) in intervals.items():
        assert low < values[name] < high, name


def test_patients_make_intervals_wider_than_rows():
    p = scored(np.random.default_rng(2), (30, 10), 0.6, 1.5)
    rows = Predictions(p.labels, p.predicted, p.probabilities, p.class_names)
    by_patient, by_row = (bootstrap_intervals(q, figures(q), 0)["auroc"] for q in (p, rows))
    assert by_patient[1] - by_patient[0] > 1.5 * (by_row[1] - by_row[0])


def test_auroc_of_independent_rows_agrees_with_delong():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [150, 50])
    score = rng.normal(size=200) + labels
    positive = 1 / (1 + np.exp(-score))
    p = Predictions(labels, (score > 0).astype(int), np.column_stack([1 - positive, positive]), "ab")
    low, high = bootstrap_intervals(p, {"auroc": figures(p)["auroc"]}, 0, resamples=4000)["auroc"]
    beaten = (score[150:, None] > score[None, :150]).astype(float)
    error = np.sqrt(beaten.mean(axis=1).var(ddof=1) / 50 + beaten.mean(axis=0).var(ddof=1) / 200)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_perfect_separation_has_no_interval():
    labels = np.repeat([0, 1], 10)
    p = Predictions(labels, labels, np.eye(2)[labels] * 0.8 + 0.1, "ab")
    intervals = bootstrap_intervals(p, figures(p), 0, resamples=100)
    assert intervals["auroc"] == Missing("at 1 the resamples show no spread")
    assert intervals["mcc"] == Missing("at 1 the resamples show no spread")


def test_a_class_of_one_group_has_none_where_it_matters():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 30 + [1])
    p1 = rng.random(31)
    p = Predictions(labels, (p1 > 0.5).astype(int), np.column_stack([1 - p1, p1]), "ab")
    intervals = bootstrap_intervals(p, figures(p), 0, resamples=300)
    assert "too few groups of a class" in intervals["auroc"].reason
    assert intervals["log_loss"][0] < figures(p)["log_loss"] < intervals["log_loss"][1]


def test_one_group_only_and_missing_figures():
    p = scored(np.random.default_rng(0), (1, 0), 0.3, 1.0)
    intervals = bootstrap_intervals(p, figures(p), 0)
    assert intervals["brier"] == Missing("the spread between groups cannot be seen in fewer than two")
    p = scored(np.random.default_rng(0), (5, 0), 0.3, 1.0)
    assert bootstrap_intervals(p, figures(p), 0, resamples=50)["auroc"] == Missing("no row of class 'b'")


def test_ten_patients_in_the_rare_class_are_covered():
    rng = np.random.default_rng(7)
    many = scored(rng, (3000, 1000), 0.3, 1.6)
    truth = figures(many)
    names = ("macro_f1", "mcc", "auroc")
    held = dict.fromkeys(names, 0)
    for seed in range(200):
        p = scored(rng, (30, 10), 0.3, 1.6)
        values = figures(p)
        intervals = bootstrap_intervals(p, {name: values[name] for name in names}, seed, resamples=100)
        for name in names:
            low, high = intervals[name]
            held[name] += low <= truth[name] <= high
    assert min(held.values()) / 200 >= 0.91, held


def test_a_brier_interval_ends_where_the_figure_does() -> None:
    labels = np.array([0] * 3 + [1] * 2)
    probabilities = np.where(labels[:, None] == [0, 1], 0.999, 0.001)
    probabilities[0] = [0.1, 0.9]
    predictions = Predictions(labels, probabilities.argmax(1), probabilities, ("a", "b"))
    values = {"brier": 0.16, "class:brier:0": 0.16}
    intervals = bootstrap_intervals(predictions, values, seed=0)
    assert intervals["brier"][1] == 1.0
    assert intervals["class:brier:0"][1] == 1.0


def test_large_data_hold_few_weights_at_once_and_draw_fewer_resamples(monkeypatch):
    """Memory and time are those of the weights: their shapes are written down, and nothing is computed."""
    n, shapes = 600_000, []
    labels = (np.arange(n) < 25).astype(np.int64)
    p = Predictions(labels, labels, np.eye(2)[labels], "ab")

    def figure(predictions, unit, weights, families=()):
        shapes.append(weights.shape)
        return {"accuracy": np.random.default_rng(len(shapes)).random(weights.shape[1]) / 10 + 0.5}

    monkeypatch.setattr("imbtk.evaluation.bootstrap.replicate_metrics", figure)
    monkeypatch.setitem(SCALES, "accuracy", "logit")
    assert bootstrap_intervals(p, {"accuracy": 0.55}, 0)["accuracy"][0] > 0
    assert max(rows * columns for rows, columns in shapes) <= 5 * n
    assert sum(columns for _, columns in shapes) == 200 + 25  # resamples, and the rare class's rows left out in turn


def test_a_jackknife_in_parts_is_the_whole(monkeypatch):
    p = scored(np.random.default_rng(5), (25, 12), 0.3, 1.5)
    values = figures(p)
    whole = bootstrap_intervals(p, values, 0, resamples=100)
    monkeypatch.setattr("imbtk.evaluation.bootstrap._columns", lambda predictions, most=None: most or 5)
    parts = bootstrap_intervals(p, values, 0, resamples=100)
    for name, interval in whole.items():
        np.testing.assert_allclose(parts[name], interval, rtol=1e-9)
