"""How often the 95 % intervals of ``imbtk.evaluation`` hold the truth, with few and with many patients.

Makes the two Markdown tables that stand in ``docs/statistics.md``::

    python benchmarks/interval_coverage.py --table sensitivities --simulations 2000
    python benchmarks/interval_coverage.py --table figures --simulations 1000

Sensitivities: beta-binomial patients of unequal size; plain Clopper–Pearson, a percentile bootstrap over patients, Korn
and Graubard as published, and ours. Other figures: two classes, patients with a normal random effect on the score.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from scipy import stats

from imbtk.evaluation.bootstrap import SCALES, bootstrap_intervals
from imbtk.evaluation.intervals import clopper_pearson, korn_graubard, mover_mean
from imbtk.evaluation.metrics import Missing, Predictions, class_metrics, overall_metrics
from imbtk.evaluation.resampling import bootstrap_weights, make_strata, replicate_metrics

GROUPS = (5, 10, 20, 50)
CORRELATIONS = (0.0, 0.1, 0.3, 0.6)
SENSITIVITIES = (0.5, 0.7, 0.9, 0.95, 0.98)
MEAN_SIZE = 12
FIGURES = ("balanced_accuracy", "macro_f1", "mcc", "auroc", "auprc", "log_loss", "brier")
STUDIES = [((30, 10), 0.1, 3.0), ((30, 10), 0.3, 2.0), ((30, 10), 0.6, 3.0)]
STUDIES += [((15, 5), 0.3, 2.0), ((60, 20), 0.3, 2.0), ((60, 20), 0.6, 3.0)]


def sizes(groups: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows per patient, (groups,), at least 1, mean about 12, coefficient of variation about 0.75."""
    return np.maximum(1, rng.negative_binomial(2, 2 / (2 + MEAN_SIZE), size=groups))


def beta_binomial(groups: int, correlation: float, p: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and rows of each patient, (groups,) each."""
    m = sizes(groups, rng)
    if not correlation:
        return rng.binomial(m, p), m
    s = 1 / correlation - 1
    return rng.binomial(m, rng.beta(p * s, (1 - p) * s, size=groups)), m


def published(hits: np.ndarray, m: np.ndarray) -> tuple[float, float]:
    """Return Korn and Graubard's interval as published: groups − 1 degrees of freedom, n where p is 0 or 1."""
    n, g = float(m.sum()), len(m)
    p = hits.sum() / n
    variance = g / (g - 1) * ((hits - p * m) ** 2).sum() / n**2
    number = n
    if variance > 0:
        t = stats.t.ppf(0.975, [n - 1, g - 1])
        number = min(n, p * (1 - p) / variance * (t[0] / t[1]) ** 2)
    return clopper_pearson(p * number, number)


def percentile(hits: np.ndarray, m: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval of 500 resamples of patients."""
    drawn = rng.integers(len(m), size=(500, len(m)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / m[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def sensitivity_study(
    groups: int, correlation: float, p: float, simulations: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the coverage of the four intervals and the mean width of ours, (5,)."""
    found = np.zeros(5)
    for _ in range(simulations):
        hits, m = beta_binomial(groups, correlation, p, rng)
        row = np.arange(m.sum()) - np.repeat(np.cumsum(m) - m, m)
        ours = korn_graubard(row < np.repeat(hits, m), np.repeat(np.arange(groups), m))
        plain = clopper_pearson(float(hits.sum()), float(m.sum()))
        for i, (low, high) in enumerate((plain, percentile(hits, m, rng), published(hits, m), ours)):
            found[i] += low <= p <= high
        found[4] += ours[1] - ours[0]
    return found / simulations


def sensitivity_table(simulations: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield the lines of the first table."""
    yield (
        "| patients | ICC | Clopper–Pearson on rows | patient bootstrap | Korn–Graubard as published | "
        + " | ".join(f"ours, {p:g}" for p in SENSITIVITIES)
        + " | mean width at 0.9 |"
    )
    yield "| --- " * (6 + len(SENSITIVITIES)) + "|"
    for groups in GROUPS:
        for correlation in CORRELATIONS:
            cells = np.array([sensitivity_study(groups, correlation, p, simulations, rng) for p in SENSITIVITIES])
            ranges = [f"{100 * c.min():.0f}–{100 * c.max():.0f}" for c in cells[:, :3].T]
            ours = [f"{100 * c:.1f}" for c in cells[:, 3]]
            width = f"{cells[SENSITIVITIES.index(0.9), 4]:.2f}"
            yield f"| {groups} | {correlation:g} | " + " | ".join([*ranges, *ours, width]) + " |"


def scored(counts: tuple[int, int], correlation: float, distance: float, rng: np.random.Generator) -> Predictions:
    """Return predictions for patients of two classes whose scores are `distance` deviations apart."""
    m = sizes(sum(counts), rng)
    groups = np.repeat(np.arange(sum(counts)), m)
    labels = (groups >= counts[0]).astype(np.int64)
    effect = np.sqrt(correlation) * rng.normal(size=sum(counts))
    noise = np.sqrt(1 - correlation) * rng.normal(size=len(groups))
    score = distance * (labels - 0.5) + effect[groups] + noise
    positive = 1 / (1 + np.exp(-0.8 * distance * score))
    probabilities = np.column_stack([1 - positive, positive])
    return Predictions(labels, (score > 0).astype(np.int64), probabilities, ("common", "rare"), groups)


def figure_study(
    counts: tuple[int, int], correlation: float, distance: float, simulations: int, rng: np.random.Generator
) -> np.ndarray:
    """Return per figure: percentile coverage, our coverage, share of simulations without interval, (figures, 3)."""
    many = scored((counts[0] * 800, counts[1] * 800), correlation, distance, rng)
    truth = overall_metrics(many, class_metrics(many))
    found, made = np.zeros((len(FIGURES), 3)), np.zeros((len(FIGURES), 1))
    for seed in range(simulations):
        predictions = scored(counts, correlation, distance, rng)
        per_class = class_metrics(predictions)
        values = overall_metrics(predictions, per_class)
        strata = make_strata(predictions.labels, predictions.groups, 2)
        replicates = replicate_metrics(predictions, strata.unit, bootstrap_weights(strata, 400, rng))
        asked = {name: values[name] for name in SCALES if name in values}
        intervals = bootstrap_intervals(predictions, asked, seed, resamples=400)
        right, groups = predictions.predicted == predictions.labels, np.asarray(predictions.groups)
        ends = [korn_graubard(right[of], groups[of]) for of in (predictions.labels == 0, predictions.labels == 1)]
        sensitivities = np.array([figures["sensitivity"] for figures in per_class])
        intervals["balanced_accuracy"] = mover_mean(sensitivities, np.array(ends))
        for i, name in enumerate(FIGURES):
            target, interval = truth[name], intervals[name]
            if isinstance(interval, Missing) or isinstance(target, Missing):
                found[i, 2] += 1
                continue
            low, high = np.nanquantile(replicates[name], [0.025, 0.975])
            found[i, :2] += low <= target <= high, interval[0] <= target <= interval[1]
            made[i] += 1
    return np.column_stack([found[:, :2] / np.maximum(made, 1), found[:, 2] / simulations])


def figure_table(simulations: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield the lines of the second table."""
    yield "| patients per class | ICC | AUROC | " + " | ".join(name.replace("_", " ") for name in FIGURES) + " |"
    yield "| --- " * (3 + len(FIGURES)) + "|"
    for counts, correlation, distance in STUDIES:
        cells = figure_study(counts, correlation, distance, simulations, rng)
        texts = [
            f"{100 * plain:.0f} → {100 * ours:.1f}" + (f" (none in {100 * none:.1f})" if none else "")
            for plain, ours, none in cells
        ]
        auroc = stats.norm.cdf(distance / np.sqrt(2))
        yield f"| {counts[0]} / {counts[1]} | {correlation:g} | {auroc:.3f} | " + " | ".join(texts) + " |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", choices=["sensitivities", "figures"], help="only this one")
    arguments = parser.parse_args()
    tables = {"sensitivities": sensitivity_table, "figures": figure_table}
    for name in [arguments.table] if arguments.table else tables:
        for line in tables[name](arguments.simulations, np.random.default_rng(arguments.seed)):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
