"""The cosine head against angles worked out by hand, what its logits do not depend on, and in runs."""

import math

import numpy as np
import pytest
import torch
from plugins.resumed import resumed_equals_uninterrupted
from sklearn.metrics.pairwise import cosine_similarity

import imbtk
from imbtk import RunContext
from imbtk.errors import ConflictError, OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import make_network
from imbtk_plugins.heads.cosine_head import CosineHead


def head(width=5, counts=(90, 9, 1), **options):
    counts = torch.tensor(counts)
    context = RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, torch.arange(len(counts)))
    torch.manual_seed(0)
    return CosineHead(**options).imbtk_head(width, context)


def test_logits_are_the_scale_times_the_cosine():
    made, features = head(scale=7.5), torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
    expected = 7.5 * cosine_similarity(features.numpy(), made.weight.detach().numpy())
    np.testing.assert_allclose(made(features).detach().numpy(), expected, atol=1e-5)


def test_by_hand():
    made = head(width=2, counts=(9, 1))
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[0.0, 8.0], [3.0, 3.0]]))
    expected = [[30.0, 30 * math.cos(math.pi / 4)], [0.0, 30 * math.cos(math.pi / 4)]]
    torch.testing.assert_close(made(torch.tensor([[0.0, 0.1], [5.0, 0.0]])).tolist(), expected, rtol=1e-5, atol=1e-5)


def test_no_length_counts():
    made, features = head(), torch.randn(16, 5)
    before = made(features)
    with torch.no_grad():
        made.weight *= torch.tensor([[100.0], [1.0], [0.01]])
    torch.testing.assert_close(made(features * torch.rand(16, 1).add(0.1)), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_huge_and_vanished_features_stay_within_the_scale(dtype):
    made = head().to(dtype)
    features = torch.tensor([[1e8] * 5, [1e-30] * 5, [0.0] * 5], dtype=dtype, requires_grad=True)
    logits = made(features)
    logits.sum().backward()
    assert (logits.abs() <= 30.2).all()
    assert logits[2].tolist() == [0, 0, 0]
    assert torch.isfinite(features.grad).all()
    assert made(features[:1]).shape == (1, 3)


def test_a_scale_is_above_zero():
    with pytest.raises(OptionError, match="'scale' of strategy 'cosine-head'"):
        CosineHead(scale=0)


def test_a_run_has_one_head_and_experts_one_each():
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu"})
    network = make_network(prepare(config, None, ["cosine-head:scale=20", "ride"]))
    assert network.heads == (network.head,)
    network.branch(3)
    assert [(type(own), own.scale) for own in network.heads] == [(imbtk.CosineHead, 20.0)] * 3


def test_two_heads_are_refused():
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu"})
    with pytest.raises(ConflictError, match="'cosine-head"):
        make_network(prepare(config, None, [CosineHead(), CosineHead(scale=5)]))


def test_it_learns_and_is_loaded_as_it_was_saved(tmp_path):
    result = imbtk.run("builtin:digits", ["cosine-head"], epochs=3, model="mlp", device="cpu", out=tmp_path / "run")
    assert result.metrics["validation"]["per_row"]["overall"]["balanced_accuracy"]["value"] > 0.4
    samples = np.random.default_rng(0).random((4, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(imbtk.load(tmp_path / "run").predict_proba(samples), result.predict_proba(samples))


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["cosine-head"])
