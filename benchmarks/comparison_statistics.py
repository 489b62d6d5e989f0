"""How often the statistics of ``imbtk compare`` are right, in simulated studies whose truth is known.

Prints the two Markdown tables that stand in ``docs/compare.md``::

    python benchmarks/comparison_statistics.py --simulations 1000

Two plans score the same patients (a class-dependent signal, an effect of the patient that both share, one of the
patient and plan, noise of each repeat). Where the two are alike, a verdict is a
false one, whoever wins; where one has more signal, its true difference is that of very many patients.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from imbtk.comparison.metrics import Resampling, Spread, fold_metrics
from imbtk.comparison.outcomes import JudgedRows, Outcome
from imbtk.comparison.statistics import corrected_t_test, paired_p_value
from imbtk.evaluation.metrics import Missing

STUDIES = [((30, 10), 12), ((30, 10), 3), ((60, 20), 12), ((15, 5), 12), ((200, 100), 1)]
METRICS = ("balanced_accuracy", "macro_f1", "mcc", "auroc", "log_loss")
FOLDS, REPEATS = 5, 3
RESAMPLES = 200


def study(
    patients: tuple[int, int], size: int, lift: float, rng: np.random.Generator, repeats: int = REPEATS
) -> tuple[JudgedRows, Outcome, Outcome]:
    """Return rows, and what two plans predict of them; the second has `lift` more signal than the first."""
    label = np.repeat([0, 1], patients)
    sizes = np.maximum(1, rng.poisson(size, size=len(label))) if size > 1 else np.ones(len(label), dtype=int)
    groups = np.repeat(np.arange(len(label)), sizes)
    folds = np.stack(
        [np.concatenate([rng.permutation(np.arange(n) % FOLDS) for n in patients]) for _ in range(repeats)]
    )
    labels = label[groups]
    shared = rng.normal(scale=0.8, size=len(label))[groups] + rng.normal(scale=0.6, size=len(labels))
    outcomes = []
    for signal in (1.0, 1.0 + lift):
        own = rng.normal(scale=0.6, size=len(label))[groups]
        score = 2 * signal * (labels - 0.5) + shared + own + rng.normal(scale=0.5, size=(repeats, len(labels)))
        p = 1 / (1 + np.exp(-score))
        both = np.stack([1 - p, p], axis=2)
        outcomes.append(Outcome("", (score > 0).astype(np.int64), both, np.full_like(both, 0.5)))
    return JudgedRows(labels, groups, ("common", "rare"), folds[:, groups]), outcomes[0], outcomes[1]


def level_table(simulations: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield, for two plans that are alike, how often each test calls a difference at 5 %."""
    yield "| patients per class | rows each | " + " | ".join(METRICS).replace("_", " ") + " | corrected t-test |"
    yield "| --- " * (3 + len(METRICS)) + "|"
    for patients, size in STUDIES:
        wrong = np.zeros(len(METRICS) + 1)
        for seed in range(simulations):
            rows, first, second = study(patients, size, 0.0, rng)
            # Figures that are no sums are swapped 1,999 times a study: a quarter of the studies does.
            for i, metric in enumerate(METRICS):
                if i == 0 or seed % 4 == 0:
                    wrong[i] += paired_p_value(rows, second, first, metric, seed) <= 0.05
            d = fold_metrics(rows, second, METRICS[0]) - fold_metrics(rows, first, METRICS[0])
            wrong[-1] += corrected_t_test(d, 1 / (FOLDS - 1))[2] <= 0.05
        counts = np.array([simulations, *[len(range(0, simulations, 4))] * (len(METRICS) - 1), simulations])
        yield (
            f"| {patients[0]} / {patients[1]} | {size} | " + " | ".join(f"{100 * w:.1f}" for w in wrong / counts) + " |"
        )


def coverage_table(simulations: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield how often the 95 % interval of a paired difference holds the true one, without and with a difference."""
    yield "| patients per class | rows each | true difference | " + " | ".join(METRICS).replace("_", " ") + " |"
    yield "| --- " * (3 + len(METRICS)) + "|"
    for patients, size in STUDIES:
        for lift in (0.0, 0.4):
            truth = _truth(patients, size, lift, rng) if lift else [0.0] * len(METRICS)
            held, made = np.zeros(len(METRICS)), np.zeros(len(METRICS))
            for seed in range(simulations):
                rows, first, second = study(patients, size, lift, rng, repeats=1)
                resampling = Resampling(rows, seed, RESAMPLES)
                pair = [(1.0, resampling.of(second)), (-1.0, resampling.of(first))]
                for i, metric in enumerate(METRICS):
                    value, spread = resampling.contrast(pair, metric)
                    if isinstance(spread, Missing):
                        continue
                    low, high = spread.around(value) if isinstance(spread, Spread) else (value, value)
                    made[i] += 1
                    held[i] += low <= truth[i] <= high
            shares = " | ".join(f"{100 * h:.1f}" for h in held / np.maximum(made, 1))
            yield f"| {patients[0]} / {patients[1]} | {size} | {100 * truth[0]:+.1f} points | {shares} |"


def _truth(patients: tuple[int, int], size: int, lift: float, rng: np.random.Generator) -> list[float]:
    """Return the true differences, from two hundred times as many patients."""
    rows, first, second = study((patients[0] * 200, patients[1] * 200), size, lift, rng, repeats=1)
    rows = JudgedRows(rows.labels, None, rows.class_names, np.zeros_like(rows.fold))
    return [float((fold_metrics(rows, second, m) - fold_metrics(rows, first, m))[0]) for m in METRICS]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for table, share in ((level_table, 1), (coverage_table, 4)):
        for line in table(arguments.simulations // share, np.random.default_rng(arguments.seed)):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
