"""Do corrected probabilities reach the posterior, whatever strategy trained the model?

Two overlapping Gaussians, 1:100, 40,000 rows, default settings: the posterior is known, so the log-loss of a model on
fresh rows is computed against it, over that of Bayes. Prints the Markdown tables of ``docs/ledger.md``::

    python benchmarks/probabilities.py --seeds 5
    python benchmarks/probabilities.py --quick
    python benchmarks/probabilities.py --features 5 --model mlp --weight-decay 0.01
    python benchmarks/probabilities.py --every --model mlp --rows 30500 --only posterior

The last one tries every strategy that is installed and can be used on such a table, on 20,000 training and 10,000
validation rows; those that begin late are on from 80 % of the epochs.

The second table is about networks that learn a small training set by heart: correction must not make fresh log-loss
worse. Targets: 2 % over Bayes for ``linear``, 3 % for ``mlp`` and for the focal loss; 1 % for what gets worse.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

import imbtk
from imbtk.authoring.options import split_specs
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.members import make_networks

PLANS: dict[str, list[str]] = {
    "nothing": [],
    "class-weights": ["class-weights"],
    "oversample": ["oversample"],
    "logit-adjust": ["logit-adjust"],
    "√ weights, √ oversampling": ["class-weights:scheme=sqrt", "oversample:power=0.5"],
    "focal-loss": ["focal-loss"],
}
OVERFITTED = ((400, 5), (1000, 10), (2000, 20), (4000, 50))
DISTANCE = 2.0
FRESH = 200_000


@dataclass(frozen=True)
class World:
    """Two Gaussians of unit variance, `DISTANCE` apart, the second `ratio` times rarer."""

    features: int
    ratio: float

    def sample(self, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples (rows, features) float32 and labels (rows,)."""
        rng = np.random.default_rng(seed)
        y = (rng.random(rows) < 1 / (1 + self.ratio)).astype(np.int64)
        x = rng.normal(size=(rows, self.features))
        x[:, 0] += DISTANCE * y
        return x.astype(np.float32), y

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Return the true log-odds of the second class, (rows,)."""
        return np.asarray(DISTANCE * x[:, 0].astype(np.float64) - DISTANCE**2 / 2 - np.log(self.ratio))


def expected_log_loss(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the log-loss of log-odds `said` where the true log-odds are `truth`: exact but for the choice of rows."""
    return float(np.mean(np.logaddexp(0, said) - expit(truth) * said))


@dataclass(frozen=True)
class Outcome:
    """What one run says on fresh rows: log-loss over Bayes of three kinds of probabilities, and sensitivity."""

    raw: float
    ledger: float
    corrected: float
    sensitivity: float
    probabilities: np.ndarray


def train(world: World, rows: int, plan: list[str], model: str, seed: int, settings: dict[str, Any]) -> Outcome:
    """Train one plan and look at it on fresh rows."""
    fresh, labels = world.sample(FRESH, 10**6 + seed)
    truth = world.log_odds(fresh)
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        result = imbtk.run(world.sample(rows, seed), plan, model=model, seed=seed, out=out, quiet=True, **settings)
        found = json.loads((Path(out) / "calibration.json").read_text())
        logits = result.predictor.logits(fresh)
        probabilities = result.predictor.calibration.probabilities(logits)[:, 1]
    raw = logits[:, 1] - logits[:, 0]
    shift = found["ledger_shift"][1] - found["ledger_shift"][0]
    bayes = expected_log_loss(truth, truth)
    said = (raw, raw + shift, logit(np.clip(probabilities, 1e-15, 1 - 1e-15)))
    before, alone, corrected = (expected_log_loss(truth, odds) / bayes for odds in said)
    return Outcome(before, alone, corrected, float((raw[labels == 1] > 0).mean()), probabilities)


SPLIT = "stratified-split:test=0.016,validation=0.328"


def every_strategy() -> dict[str, list[str]]:
    """Return a plan for each installed strategy that a small run on this kind of table does not refuse."""
    found = {}
    for name in Catalogue().strategies():
        for spec in (name, f"{name}@80%-"):
            plan = [SPLIT] if name == "stratified-split" else [SPLIT, spec]
            config = make_config({"epochs": 5, "model": "mlp", "device": "cpu"})
            try:
                make_networks(prepare(config, World(2, 10.0).sample(1000, 0), plan))
            except ImbtkError as error:
                print(f"{spec}: {error}", file=sys.stderr)
                continue
            found[spec] = plan
            break
    return found


def posterior_table(arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Print log-loss over Bayes, sensitivity and agreement of all plans."""
    print(f"\n{arguments.rows:,} rows, 1:{arguments.ratio:g}, {arguments.features} features, {arguments.seeds} seeds\n")
    print("| model | plan | softmax | ledger alone | corrected, mean | worst seed | sensitivity |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    world = World(arguments.features, arguments.ratio)
    for model in arguments.model:
        everything: dict[str, list[Outcome]] = {}
        for name in arguments.plans:
            plan = arguments.plans[name]
            runs = [train(world, arguments.rows, plan, model, seed, settings) for seed in range(arguments.seeds)]
            everything[name] = runs
            raw, ledger, mean, found = (
                np.mean([getattr(run, field) for run in runs])
                for field in ("raw", "ledger", "corrected", "sensitivity")
            )
            worst = max(run.corrected for run in runs)
            print(
                f"| {model} | {name} | {raw:.2f} | {ledger:.3f} | {mean:.3f} | {worst:.3f} | {found:.2f} |", flush=True
            )
        pairs = [
            (float(np.abs(a.probabilities - b.probabilities).mean()) * (1 + arguments.ratio), first, second)
            for first, second in combinations(everything, 2)
            for a, b in zip(everything[first], everything[second], strict=True)
        ]
        if not pairs:
            continue
        apart, first, second = max(pairs)
        mean = np.mean([pair[0] for pair in pairs])
        print(
            f"\n{model}: corrected probabilities of two plans differ by {mean:.1%} of the prevalence on average, at "
            f"most by {apart:.1%} ({first} and {second}).\n"
        )


def overfitted_table(arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Print what correction does to networks that know their training rows by heart."""
    print("\n| rows | imbalance | plan | softmax | ledger alone | corrected | worst change by correction |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, ratio in OVERFITTED[: 1 if arguments.quick else None]:
        world = World(5, float(ratio))
        for name in [name for name in _OVERFITTERS if name in arguments.plans]:
            plan = [*arguments.plans[name], "stratified-split"]
            # The default weight decay is there to prevent what is to be looked at.
            own = {"weight_decay": 0.01, **settings, "epochs": max(60, 120_000 // rows)}
            runs = [train(world, rows, plan, "mlp", seed, own) for seed in range(arguments.seeds)]
            raw, ledger, mean = (np.mean([getattr(run, field) for run in runs]) for field in _LOSSES)
            worst = max(run.corrected / run.raw - 1 for run in runs)
            print(
                f"| {rows:,} | 1:{ratio} | {name} | {raw:.2f} | {ledger:.2f} | {mean:.2f} | {worst:+.1%} |", flush=True
            )


_OVERFITTERS = ("nothing", "class-weights", "oversample", "focal-loss")
_LOSSES = ("raw", "ledger", "corrected")


def main() -> None:
    """Read the flags and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--ratio", type=float, default=100.0, help="How many frequent rows there are to a rare one.")
    parser.add_argument("--features", type=int, default=2)
    parser.add_argument("--model", nargs="+", default=["linear", "mlp", "table-mlp"])
    parser.add_argument("--plan", nargs="+", default=list(PLANS), help="Names of those above, or strategies in quotes.")
    parser.add_argument("--every", action="store_true", help="Every installed strategy, instead of --plan.")
    parser.add_argument("--weight-decay", type=float)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--only", choices=["posterior", "overfitted"])
    parser.add_argument("--quick", action="store_true", help="One seed, 8,000 rows, one overfitted set.")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.rows = 1, 8_000
    arguments.plans = {name: PLANS.get(name, split_specs(name)) for name in arguments.plan}
    if arguments.every:
        arguments.plans = {"nothing": [SPLIT], **every_strategy()}
    settings: dict[str, Any] = {"threads": 1, "device": "cpu"}
    settings |= {name: getattr(arguments, name) for name in ("weight_decay", "lr") if getattr(arguments, name)}
    if arguments.only != "overfitted":
        posterior_table(arguments, settings)
    if arguments.only != "posterior":
        overfitted_table(arguments, settings)


if __name__ == "__main__":
    main()
