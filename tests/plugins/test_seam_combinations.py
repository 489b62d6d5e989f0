"""The strategies on the seams of a training in the combinations in which people use them, by every door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk.models.builtin import MLP, SmallCNN

GENERATOR = np.random.default_rng(0)
LABELS = np.arange(96) % 6 // 4
IMAGES = (GENERATOR.random((96, 1, 8, 8)) * 200 + LABELS[:, None, None, None] * 40).astype(np.uint8)
TABLE = (GENERATOR.normal(size=(96, 5)) + LABELS[:, None]).astype(np.float32)

COMBINED = [
    "sam ride",
    "sam ride class-weights@50%-",
    "bbn class-weights",
    "bbn balanced-mixup",
    "cmo balanced-contrastive",
    "crt@50%- ema",
    "balanced-contrastive bbn",
    "ride sam swa@50%- tau-norm@0-50%",
]
TWELVE = [
    "auc-margin", "balanced-contrastive", "balanced-mixup", "bbn", "cmo", "crt@50%-", "ema", "ride", "sam", "seesaw",
    "swa@50%-", "tau-norm",
]  # fmt: skip


@pytest.mark.parametrize("plan", COMBINED)
def test_combined_they_train_and_resume_to_the_bit(plan: str) -> None:
    data = (IMAGES, LABELS)
    assert resumed_equals_uninterrupted(plan.split(), data=data, model="small-cnn", epochs=4, batch_size=32)


@pytest.mark.parametrize("plan", TWELVE)
@pytest.mark.filterwarnings("ignore:'bbn' ends between two class frequencies")
def test_a_loop_of_ones_own_takes_their_steps(plan: str) -> None:
    images = plan == "cmo"
    x = IMAGES if images else TABLE
    composition = imbtk.compose([plan], labels=LABELS, x=x, epochs=2, batch_size=32)
    backbone: Any = SmallCNN((1, 8, 8)) if images else MLP((5,))
    network = composition.network(backbone)
    steps = composition.steps(network, lambda parameters: torch.optim.SGD(parameters, lr=0.01))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for epoch in range(2):
        losses = torch.stack([steps.take(batch) for batch in steps.epoch(epoch)])
        assert losses.isfinite().all()
    after = network.state_dict()
    assert before.keys() != after.keys() or any(not torch.equal(before[name], after[name]) for name in before)
    assert all(value.isfinite().all() for value in after.values())


@pytest.mark.parametrize("plan", [plan for plan in TWELVE if plan != "cmo"])
@pytest.mark.filterwarnings("ignore:'bbn' ends between two class frequencies")
def test_the_estimator_takes_them(plan: str) -> None:
    model = imbtk.ImbalancedClassifier([plan], epochs=2, model="mlp", random_state=0).fit(TABLE, LABELS)
    assert model.predict_proba(TABLE).shape == (96, 2)
