"""A network saved and loaded gives the same logits."""

import importlib
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from imbtk.errors import RunFolderError
from imbtk.models import saving
from imbtk.models.builtin import imbtk_models
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
from imbtk.models.network import Network, build_network
from imbtk.models.programs import ExportedNetwork
from imbtk.models.saving import check_saveable, load_network, save_network
from imbtk.models.spec import ModelSpec
from imbtk.models.torchvision_models import torchvision_spec

SHAPE = (1, 8, 8)
DESCRIPTION = {"class_names": ["one", "zwei", "trois €"], "normalisation": {"mean": [0.25]}}


def trained(spec, head=lambda width: LinearHead(width, 3), shape=SHAPE) -> Network:
    """Return a network whose weights and statistics are not those that it starts with."""
    network = build_network(spec, shape, head, seed=1).train()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(8, *shape, generator=generator)).square().mean().backward()
        optimizer.step()
    return network


@pytest.fixture
def small() -> Network:
    return trained(imbtk_models()["small-cnn"])


def logits(network: nn.Module, shape=SHAPE, batch=5) -> torch.Tensor:
    x = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(x)


@pytest.mark.parametrize(
    "name", ["small-cnn", "resnet32", "mlp", "linear", "squeezenet1_1", "mnasnet0_5", "regnet_y_400mf"]
)
def test_own_networks_come_back_to_the_bit(name, tmp_path):
    shape = SHAPE if name in imbtk_models() else (2, 32, 32)
    spec = imbtk_models().get(name) or torchvision_spec(name, 2)
    network = trained(spec, shape=shape)
    save_network(tmp_path / "model", network, DESCRIPTION)
    assert network.training
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    state = torch.get_rng_state()
    loaded, description = load_network(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(loaded, Network)
    assert not loaded.training
    assert torch.equal(logits(loaded, shape), logits(network.eval(), shape))
    assert (loaded.sample_shape, loaded.model_name) == (shape, name)
    assert description.items() >= {**DESCRIPTION, "schema_version": 1, "model": name, "num_classes": 3}.items()


@pytest.mark.parametrize(
    "head",
    [
        lambda width: LinearHead(width, 3, bias=False),
        lambda width: nn.Linear(width, 3),
        lambda width: CosineHead(width, 3, scale=7.5),
        lambda width: ScaledHead(width, 3, bias=False),
        lambda width: ScaledHead(width, 3),
    ],
)
def test_own_heads_come_back_to_the_bit(head, tmp_path):
    network = trained(imbtk_models()["mlp"], head).eval()
    save_network(tmp_path, network, {})
    loaded, _ = load_network(tmp_path)
    assert isinstance(loaded, Network)
    assert torch.equal(logits(loaded), logits(network))


def branched(spec, heads, shape=SHAPE) -> Network:
    """Return a network with an expert for each head, each on its own branch where there are branches, trained."""
    network, left = build_network(spec, shape, lambda width: LinearHead(width, 3), seed=1).train(), iter(heads)
    network.make_head = lambda width: next(left)(width)
    network.branch(len(heads))
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    network(torch.randn(8, *shape)).square().mean().backward()
    optimizer.step()
    return network.eval()


def linear(width):
    return LinearHead(width, 3)


@pytest.mark.parametrize(
    ("name", "branches"),
    [("small-cnn", 3), ("resnet32", 3), ("mlp", 3), ("table-mlp", 1), ("linear", 1), ("mnasnet0_5", 3)],
)
def test_branches_come_back_to_the_bit(name, branches, tmp_path):
    shape = {"table-mlp": (6,), "linear": (6,), "mnasnet0_5": (2, 32, 32)}.get(name, SHAPE)
    network = branched(imbtk_models().get(name) or torchvision_spec(name, 2), [linear] * 3, shape)
    check_saveable(network)
    save_network(tmp_path, network, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    loaded, description = load_network(tmp_path)
    assert isinstance(loaded, Network)
    assert loaded.branches == branches
    assert description["backbone"].get("branches", 1) == branches
    assert description["num_classes"] == 3
    assert torch.equal(logits(loaded, shape), logits(network, shape))
    x = torch.randn(1, *shape)
    assert torch.equal(loaded(x, outputs=True).experts, network(x, outputs=True).experts)


@pytest.mark.parametrize("name", ["small-cnn", "linear"])
def test_whole_networks_side_by_side_come_back_to_the_bit(name, tmp_path):
    network = build_network(imbtk_models()[name], SHAPE, linear, seed=1).eval()
    network.make_head = linear
    before = network.features(torch.zeros(1, *SHAPE))
    assert network.branch(2, whole=True)
    assert torch.equal(network.features(torch.zeros(1, *SHAPE)), before.repeat(1, 2))
    assert network.experts == "2, each with a backbone and a head of its own"
    with torch.no_grad():
        for parameter in network.backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_network(tmp_path, network, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    loaded, description = load_network(tmp_path)
    assert description["backbone"]["whole"] is True
    assert loaded.branches == 2
    assert torch.equal(logits(loaded), logits(network))


def test_experts_with_heads_of_different_kinds_come_back_to_the_bit(tmp_path):
    heads = [linear, lambda width: CosineHead(width, 3, scale=7.5), lambda width: ScaledHead(width, 3, bias=False)]
    network = branched(imbtk_models()["mlp"], heads)
    save_network(tmp_path, network, {})
    loaded, _ = load_network(tmp_path)
    assert [type(head) for head in loaded.head.heads] == [LinearHead, CosineHead, ScaledHead]
    assert torch.equal(logits(loaded), logits(network))


def test_channels_last_comes_back(tmp_path):
    network = trained(imbtk_models()["small-cnn"], shape=(3, 32, 32)).eval().to(memory_format=torch.channels_last)
    save_network(tmp_path, network, {})
    loaded, _ = load_network(tmp_path)
    assert loaded.backbone.layers[0][0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(logits(loaded, (3, 32, 32)), logits(network, (3, 32, 32)))


def test_the_files_are_plain(small, tmp_path):
    save_network(tmp_path, small, DESCRIPTION)
    record = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert record["backbone"] == {"kind": "small-cnn", "arguments": {"sample_shape": [1, 8, 8], "width": 32}}
    assert record["head"] == {"kind": "linear", "arguments": {"in_features": 128, "out_features": 3, "bias": True}}
    weight = load_file(tmp_path / "weights.safetensors")["head.weight"]
    np.testing.assert_array_equal(weight, small.head.weight.detach().numpy())


def test_a_description_that_contradicts_the_network_is_a_bug(small, tmp_path):
    save_network(tmp_path / "a", small, {"model": "small-cnn", "sample_shape": (1, 8, 8)})
    with pytest.raises(ValueError, match=r"'sample_shape' of a saved model is \[1, 8, 8\], the description says \[1\]"):
        save_network(tmp_path / "b", small, {"sample_shape": [1]})
    assert not (tmp_path / "b").exists()


def test_saving_again_replaces_and_leaves_no_temporary_file(small, tmp_path, monkeypatch):
    save_network(tmp_path, small, DESCRIPTION)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with torch.no_grad():
        small.head.bias += 1

    def full(*args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            save_network(tmp_path, small, DESCRIPTION)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    save_network(tmp_path, small, DESCRIPTION)
    assert torch.equal(logits(load_network(tmp_path)[0]), logits(small.eval()))
    assert {p.name for p in tmp_path.iterdir()} == before.keys()


# What is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(small, tmp_path):
    save_network(tmp_path / "model", small, DESCRIPTION)
    return tmp_path / "model"


def change(folder, **changes):
    path = folder / "model.json"
    record = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in record.items() if value != "gone"}))


def test_missing_and_broken_files(folder, tmp_path):
    with pytest.raises(
        RunFolderError, match=r"'.*model\.json' does not exist: '.*other' is not the folder of a saved m"
    ):
        load_network(tmp_path / "other")
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(weights[:-100])
    with pytest.raises(RunFolderError, match=r"weights\.safetensors' cannot be read as safetensors: "):
        load_network(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(
        RunFolderError, match=r"weights\.safetensors' is missing: the model of this folder is incomplete\.$"
    ):
        load_network(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"model\.json cannot be read as JSON: "):
        load_network(folder)


def test_pickles_are_never_loaded(folder):
    (folder / "weights.safetensors").unlink()
    torch.save({}, folder / "weights.pt")
    with pytest.raises(
        RunFolderError, match=r"'weights\.pt' is there, but imbtk does not load pickles, which can run any"
    ):
        load_network(folder)
    (folder / "weights.pt").rename(folder / "weights.safetensors")
    with pytest.raises(
        RunFolderError, match=r"weights\.safetensors' is a PyTorch \.pt file under another name: imbtk does"
    ):
        load_network(folder)


@pytest.mark.parametrize("features", [2, 5])
def test_a_header_that_is_as_long_as_a_pickle_begins_is_none(features, tmp_path):
    """The first byte of a safetensors file is the length of its header: of these two networks it is 0x80."""
    network = trained(imbtk_models()["linear"], lambda width: LinearHead(width, 2), shape=(features,))
    save_network(tmp_path / "model", network, {})
    assert (tmp_path / "model" / "weights.safetensors").read_bytes()[:1] == b"\x80"
    load_network(tmp_path / "model")


def test_versions_and_keys(folder):
    change(folder, schema_version=3)
    with pytest.raises(
        RunFolderError, match=r"schema_version 3; this imbtk reads up to 2\. .* newer imbtk: update imb"
    ):
        load_network(folder)
    change(folder, schema_version="gone")
    with pytest.raises(RunFolderError, match=r"model\.json does not say its schema_version"):
        load_network(folder)
    change(folder, schema_version=1, head="gone", model="gone")
    with pytest.raises(RunFolderError, match=r"model\.json' lacks model, head: it was changed or not written by imbtk"):
        load_network(folder)


def test_weights_that_do_not_fit(folder):
    change(folder, head={"kind": "linear", "arguments": {"in_features": 128, "out_features": 4, "bias": True}})
    with pytest.raises(
        RunFolderError, match=r"does not fit 'model\.json' beside it: 'head\.weight' has shape \(3, 128\) inst"
    ):
        load_network(folder)
    change(folder, head={"kind": "cosine", "arguments": {"in_features": 128, "num_classes": 3}})
    with pytest.raises(RunFolderError, match=r"does not fit .*: 1 tensors are too many, 'head\.bias' first"):
        load_network(folder)


@pytest.mark.parametrize(
    "backbone",
    [
        {"kind": "other", "arguments": {}},
        {"kind": "small-cnn", "arguments": {"colour": 1}},
        {"kind": "small-cnn", "arguments": {"sample_shape": [1, 2, 2]}},
    ],
)
def test_descriptions_that_build_nothing(folder, backbone):
    change(folder, backbone=backbone)
    with pytest.raises(RunFolderError, match=r"model\.json' describes a network that cannot be built: "):
        load_network(folder)


# Strangers' networks -----------------------------------------------------------------------------------------------

THEIRS = """
import torch
from torch import nn

class TheirBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(self.conv(x)).relu().mean((2, 3)) * 2)
"""

ELSEWHERE = """
import sys
import torch
from imbtk.models.saving import load_network

torch.set_num_threads(1)
folder, inputs, out = sys.argv[1:]
network, description = load_network(folder, trust_model=True)
x = torch.load(inputs)
with torch.no_grad():
    torch.save([network.eval()(x), network(x[:1])], out)
assert "their_backbone" not in sys.modules
"""


def test_a_strangers_backbone_loads_where_its_module_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "their_backbone.py").write_text(textwrap.dedent(THEIRS))
    monkeypatch.syspath_prepend(str(tmp_path / "there"))
    module = importlib.import_module("their_backbone")
    spec = ModelSpec("theirs", lambda shape: module.TheirBackbone())
    network = trained(spec).eval()
    check_saveable(network)
    save_network(tmp_path / "model", network, DESCRIPTION)
    files = {p.name for p in (tmp_path / "model").iterdir()}
    assert files == {"model.json", "network.pt2", "weights.safetensors"}
    x = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    torch.save(x, tmp_path / "x.pt")
    arguments = [str(tmp_path / name) for name in ("model", "x.pt", "out.pt")]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    sys.modules.pop("their_backbone")
    assert done.returncode == 0, done.stderr
    whole, single = torch.load(tmp_path / "out.pt")
    torch.testing.assert_close(whole, logits(network), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(single, network(x[:1]).detach(), rtol=1e-5, atol=1e-6)


class Doubled(LinearHead):
    """A head of its own: nothing in its state tells it from a linear one."""

    def forward(self, features):
        return 2 * super().forward(features)


@pytest.mark.parametrize("changed", ["head", "backbone"])
def test_what_only_looks_like_an_own_network_is_saved_as_it_computes(changed, tmp_path):
    if changed == "head":
        network = trained(imbtk_models()["mlp"], lambda width: Doubled(width, 3)).eval()
    else:
        network = trained(imbtk_models()["small-cnn"]).eval()
        network.backbone.layers[0][2] = nn.Sigmoid()
    save_network(tmp_path, network, {})
    loaded, description = load_network(tmp_path, trust_model=True)
    assert isinstance(loaded, ExportedNetwork)
    assert description["backbone"] is description["head"] is None
    assert torch.equal(logits(loaded), logits(network))
    assert loaded.train().eval() is loaded
    assert not loaded.training


class TheirsWithBlock(nn.Module):
    """A stranger's backbone that names its last block."""

    last_block = "block"

    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(1, 4, 3), nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU())

    def forward(self, x):
        return self.block(self.stem(x).relu()).mean((2, 3))


@pytest.mark.parametrize("part", ["backbone", "a head"])
def test_strangers_branches_are_saved_as_they_compute(part, tmp_path):
    own = imbtk_models()["small-cnn"]
    spec, last = (ModelSpec("theirs", lambda shape: TheirsWithBlock()), linear) if part == "backbone" else (own, None)
    network = branched(spec, [linear, last or (lambda width: Doubled(width, 3))])
    check_saveable(network)
    save_network(tmp_path, network, {})
    loaded, description = load_network(tmp_path, trust_model=True)
    assert isinstance(loaded, ExportedNetwork)
    assert description["backbone"] is description["head"] is None
    for size in (5, 1, 8):
        torch.testing.assert_close(logits(loaded, batch=size), logits(network, batch=size), rtol=1e-5, atol=1e-6)


def test_own_networks_need_no_check(small, monkeypatch):
    monkeypatch.setattr(saving, "export", lambda network: pytest.fail("exported"))
    check_saveable(small)
