"""Every pair of strategies through two epochs: each trains, or is refused by an error that names both.

``python benchmarks/pairs.py [--part 1/2] [--only NAME] [--out docs/pairs.md]``. Runs in one process, on 64 rows of
made-up images (of a table, for strategies that want one), without a folder or a page. What a pair comes to, in either
order:

trained
    Finite losses and probabilities, and each of the two changes something beside the other.
idle
    Trained, and taking one of the two out changes nothing at all, to the bit: it should have been said. ``(said)``
    where a warning of the plan names it.
refused
    Before training, by an error that names both.
FAILED
    Anything else: a crash, a loss that is not finite, an error in training, or one that does not say who is meant.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from imbtk.authoring.options import parse_spec
from imbtk.calibration.decisions import decide
from imbtk.calibration.probabilities import calibrate, fit_ledger
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError, PluginError, TrainingError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.plan import StrategyLike
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import make_catalogue
from imbtk.training.members import fit_all, make_networks
from imbtk.wording import shorten

OPTIONS = {
    "cost": ["cost:matrix=[[0, 1], [30, 0]]"],
    "reject": ["reject:rate=0.2"],
    "resample": ["resample:method=RandomUnderSampler"],
    "tta": ["tta:looks=flips"],
    "ensemble": ["ensemble:n=2"],
    "snapshot": ["snapshot:cycles=2"],
    "bagging": ["bagging:n=2"],
    "swa": ["swa@50%-"],
}
"""How a strategy is written where its name alone does not do for this run; a window is found by itself."""

SPLIT = "stratified-split"


@dataclass(frozen=True)
class Outcome:
    """What came of a plan."""

    kind: str
    text: str = ""
    result: np.ndarray | None = None
    said: tuple[str, ...] = ()


def images(rows: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images of two classes, 5:1, and patients of two rows each: 64 rows are left for training."""
    generator = np.random.default_rng(0)
    y = (np.arange(rows) // 2 % 6 == 0).astype(np.int64)
    x = generator.integers(0, 150, size=(rows, 3, 8, 8)) + 5 * y[:, None, None, None]
    return x.astype(np.uint8), y, np.arange(rows) // 2


def table(rows: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same as rows of six numbers."""
    x, y, groups = images(rows)
    return x.reshape(rows, 6, -1).mean(2).astype(np.float32), y, groups


DATA = {"images": (images, "small-cnn"), "table": (table, "mlp")}


def outcome(plan: Sequence[StrategyLike], kind: str) -> Outcome:
    """Return what comes of a plan on one kind of data."""
    make, model = DATA[kind]
    config = make_config(
        {"epochs": 2, "batch_size": 16, "model": model, "device": "cpu", "precision": "fp32", "seed": 3, "lr": 0.01}
    )
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            prepared = prepare(config, make(), plan, catalogue=CATALOGUE)
            networks = make_networks(prepared)
            trained = fit_all(prepared, networks)
            result = _result(trained.prepared, trained)
    except (PluginError, TrainingError) as error:
        return Outcome("FAILED", str(error))  # a fault of a strategy's, whoever is named
    except ImbtkError as error:
        return Outcome("refused", str(error))
    except Exception as error:  # whatever a plan can come to is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome("FAILED", f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})")
    said = (*prepared.plan.warnings, *(str(warning.message) for warning in caught))
    if not np.isfinite(result).all():
        return Outcome("FAILED", "probabilities that are not finite")
    return Outcome("trained", result=result, said=said)


def _result(prepared: PreparedRun, trained) -> np.ndarray:
    """Return all that a run says: logits, probabilities, decisions and sets of judged rows, split and sizes."""
    logits = {side: trained.logits(rows) for side, rows in prepared.judged.items()}
    unseen = logits["out_of_fold" if prepared.covered else "validation"]
    calibration = calibrate(prepared, fit_ledger(prepared, unseen), unseen)
    rule = decide(prepared, unseen, calibration).rule
    parts = []
    for side, of_side in logits.items():
        probabilities = calibration.probabilities(of_side)
        decided = rule.decide(of_side, probabilities)
        parts += [] if rule.sets is None else [rule.in_set(of_side).ravel()]
        parts += [of_side.ravel(), probabilities.ravel(), decided.ravel(), prepared.judged[side].numpy()]
    return np.concatenate([part.astype(np.float64) for part in parts])


def written(name: str) -> tuple[str, str] | None:
    """Return how a strategy is written for this run, and on which data; None where it can be told nowhere."""
    for kind in DATA:
        for spec in OPTIONS.get(name, [name, f"{name}@50%-"]):
            plan = [spec] if name == SPLIT else [SPLIT, spec]
            if outcome(plan, kind).kind == "trained":
                return spec, kind
    return None


def judged(first: str, second: str, kind: str, alone: dict[tuple[str, str], Outcome]) -> Outcome:
    """Return what comes of a pair, told from each of the two alone."""
    plan = [first, second] if SPLIT in (first, second) else [SPLIT, first, second]
    found = outcome(plan, kind)
    names = [parse_spec(spec).name for spec in (first, second)]
    if found.kind == "refused":
        return found if all(f"'{name}" in found.text for name in names) else Outcome("FAILED", f"says: {found.text}")
    if found.kind == "FAILED":
        return found
    for name, other in ((names[0], second), (names[1], first)):
        before = outcome([other], kind) if name == SPLIT else alone.get((other, kind))
        if before is not None and before.result is not None and np.array_equal(before.result, found.result):
            told = " (said)" if any(name in text for text in found.said) else ""
            return Outcome("idle", f"{name} changes nothing{told}")
    return Outcome("trained")


CATALOGUE: Catalogue = make_catalogue(make_config({}))


def main() -> int:
    """Print what does not train, and how many of each kind there were; exit code 1 if a pair failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", default="1/1", help="I/N: every N-th pair from the I-th on")
    parser.add_argument("--only", help="pairs with this strategy only")
    parser.add_argument("--out", type=Path, help="write the table here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, arguments.part.split("/"))
    began = time.perf_counter()
    specs = {name: written(name) for name in CATALOGUE.strategies()}
    alone = {
        (spec, kind): outcome([spec] if name == SPLIT else [SPLIT, spec], kind)
        for name, found in specs.items()
        if found
        for spec in [found[0]]
        for kind in DATA
    }
    lines, counts = [], collections.Counter()
    pairs = list(itertools.combinations([name for name, found in specs.items() if found], 2))
    if arguments.only:
        pairs = [pair for pair in pairs if arguments.only in pair]
    for first, second in pairs[part - 1 :: parts]:
        one, two = specs[first], specs[second]
        kind = "table" if "table" in (one[1], two[1]) else "images"
        results = [judged(one[0], two[0], kind, alone), judged(two[0], one[0], kind, alone)]
        for place, result in enumerate(results):
            counts[result.kind] += 1
            # What the other order comes to is told where it is something else.
            if result.kind != "trained" and (not place or result.kind != results[0].kind):
                names = (second, first) if place else (first, second)
                text = shorten(result.text, 160) if result.kind == "refused" else result.text
                lines.append(f"| {names[0]} | {names[1]} | {result.kind} | {' '.join(text.split())} |")
                print(lines[-1], flush=True)
    left = [name for name, found in specs.items() if not found]
    head = [
        "# Every pair of strategies",
        "",
        "Written by `python benchmarks/pairs.py --out docs/pairs.md`; its first lines say what each word means. Pairs "
        "that train in both orders are left out; the other order of a pair is named where it comes to something else.",
        "",
        f"{len(pairs[part - 1 :: parts])} pairs of {len(specs) - len(left)} strategies, each in both orders: "
        + ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        + (f". Not tried: {', '.join(left)}." if left else "."),
        "",
        "| strategy | with | came to | because |",
        "| --- | --- | --- | --- |",
    ]
    print(head[4], f"{time.perf_counter() - began:.0f} s")
    if arguments.out:
        arguments.out.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
