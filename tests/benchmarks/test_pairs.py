"""A fixed tenth of all pairs of strategies trains or is refused with both names, and so does each that failed once."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import pytest
import torch

from imbtk import Strategy, hookimpl

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FAILED_ONCE = (
    ("balpoe", "snapshot"),
    ("bbn", "ride"),
    ("bbn", "snapshot"),
    ("cosine-head", "lws"),
    ("cosine-head", "max-norm"),
    ("cosine-head", "tau-norm"),
    ("disalign", "tau-norm"),
    ("ema", "snapshot"),
    ("ema", "swa"),
    ("gcl", "lws"),
    ("gcl", "max-norm"),
    ("gcl", "tau-norm"),
    ("ldam", "lws"),
    ("ldam", "max-norm"),
    ("ldam", "tau-norm"),
    ("lws", "ride"),
    ("manifold-mixup", "sade"),
    ("ncm", "snapshot"),
    ("ncm", "tau-norm"),
    ("ride", "auc-margin"),
    ("ride", "snapshot"),
    ("sade", "snapshot"),
)
PART = 20  # of all pairs in both orders


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("pairs")


def test_a_tenth_of_the_pairs_and_those_that_failed(pairs: ModuleType) -> None:
    specs = {name: found for name in pairs.CATALOGUE.strategies() if (found := pairs.written(name))}
    chosen = {*list(itertools.permutations(specs, 2))[::PART], *FAILED_ONCE}
    came: dict[str, list[str]] = {"trained": [], "idle": [], "refused": [], "FAILED": []}
    for first, second in sorted(chosen):
        (one, of_one), (two, of_two) = specs[first], specs[second]
        result = pairs.judged(one, two, "table" if "table" in (of_one, of_two) else "images", {})
        came[result.kind].append(f"{first} {second}: {result.text}")
    assert came["FAILED"] == []
    assert len(came["trained"]) > len(chosen) / 2
    assert came["refused"]


class Fails(Strategy):
    """Fail in the first batch."""

    @hookimpl
    def imbtk_augment(self, augment, context):
        def fails(images, target, draw):
            raise ZeroDivisionError

        return fails


class Idle(Strategy):
    """Weigh all classes alike."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return torch.ones(context.num_classes)


def test_what_fails_or_does_nothing_is_found(pairs: ModuleType) -> None:
    assert pairs.outcome([pairs.SPLIT, Fails()], "images").kind == "FAILED"
    without, with_it = (pairs.outcome([pairs.SPLIT, *more], "images") for more in ([], [Idle()]))
    assert (without.result == with_it.result).all()
    assert any("'idle' changes nothing" in text for text in with_it.said)
