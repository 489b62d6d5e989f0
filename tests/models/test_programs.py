"""Networks as programs: what can be one, what it gives, and that a stranger's runs nothing unasked."""

import contextlib

import pytest
import torch
from torch import nn

from imbtk.errors import PluginError, RunFolderError
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network
from imbtk.models.programs import alike, example_batch, export, load_exported, on_cpu

SHAPE = (1, 8, 8)
DESCRIPTION = {"model": "theirs", "sample_shape": [1, 8, 8], "torch": "2.0.0"}


def network_of(backbone: nn.Module) -> Network:
    return Network(backbone, LinearHead(64, 3), SHAPE, "theirs").eval()


class Branching(nn.Module):
    def forward(self, x):
        return x.flatten(1) if x.sum() > 0 else x.flatten(1) * 2


class PairsOnly(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1)


class Noisy(nn.Module):
    def forward(self, x):
        return x.flatten(1) + torch.rand(x.shape[0], 1)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            Branching(),
            r"model 'theirs' \(backbone Branching with head LinearHead\) cannot be saved by torch\.export: Could n",
        ),
        (
            PairsOnly(),
            r"cannot be saved by torch\.export: its code fixes the number of samples in a batch .* any size\.",
        ),
        (Noisy(), r"model 'theirs' .* gives other logits after torch\.export than before\. A saved model must"),
    ],
)
def test_what_cannot_be_exported_is_named(backbone, message):
    with pytest.raises(PluginError, match=message):
        export(network_of(backbone))


def test_a_program_gives_the_logits_of_the_network_for_batches_of_any_size(tmp_path):
    network = network_of(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Dropout(0.5), nn.Flatten()))
    torch.export.save(export(network), tmp_path / "network.pt2")
    loaded = load_exported(tmp_path / "network.pt2", DESCRIPTION, "cpu", trust_model=True)
    assert (loaded.model_name, loaded.sample_shape) == ("theirs", SHAPE)
    for batch in (1, 5):
        x = torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(batch))
        torch.testing.assert_close(loaded.train()(x), network(x))


def test_a_copy_to_export_leaves_the_network_in_training():
    network = network_of(nn.Flatten()).train()
    copy = on_cpu(network)
    assert (network.training, copy.training) == (True, False)
    assert copy.head.weight is not network.head.weight


def test_examples_are_the_same_each_time_in_the_dtype_of_the_weights():
    network = network_of(nn.Flatten())
    torch.manual_seed(1)
    first = example_batch(network)
    torch.manual_seed(2)
    assert torch.equal(first, example_batch(network))
    assert example_batch(network.double(), 3).shape == (3, *SHAPE)
    assert example_batch(network).dtype == torch.float64


def test_logits_are_alike_but_for_rounding():
    a = torch.tensor([[1000.0, 0.0]])
    assert alike(a + 0.05, a), "a sum of thousands rounds to thousandths"
    assert not alike(a + torch.tensor([0.0, 0.5]), a)
    unknown = torch.tensor([[1.0, float("nan")]])
    assert alike(unknown, unknown)
    assert not alike(torch.nan_to_num(unknown), unknown)


@pytest.mark.filterwarnings("ignore")  # of torch, about inputs that are no inputs
def test_a_program_from_a_stranger_runs_nothing_without_trust(tmp_path, write_attack):
    program = tmp_path / "model" / "network.pt2"
    program.parent.mkdir()
    write_attack(program, tmp_path / "marker")
    message = (
        r"network 'theirs' in '.*model' is not built from parts of imbtk alone: .*\('network\.pt2'\).* --trust-model "
    )
    with pytest.raises(RunFolderError, match=message):
        load_exported(program, DESCRIPTION, "cpu")
    assert not (tmp_path / "marker").exists()
    with contextlib.suppress(Exception):
        load_exported(program, DESCRIPTION, "cpu", trust_model=True)
    assert (tmp_path / "marker").exists(), "the attack is no attack: this test cannot fail"


def test_a_missing_or_broken_program_is_refused(tmp_path):
    program = tmp_path / "network.pt2"
    program.write_bytes(b"not an archive")
    with pytest.raises(
        RunFolderError, match=r"network\.pt2' cannot be read by torch .* \(it was written by 2\.0\.0\): it is not an"
    ):
        load_exported(program, DESCRIPTION, "cpu", trust_model=True)
    program.unlink()
    with pytest.raises(RunFolderError, match=r"network\.pt2' is missing: the model of this folder is incomplete"):
        load_exported(program, DESCRIPTION, "cpu")
