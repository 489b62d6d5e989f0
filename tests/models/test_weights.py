"""Weights from files."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from imbtk.errors import DataError
from imbtk.models.weights import (
    adapt_channels,
    fill_backbone,
    first_convolution,
    load_state,
    read_weights,
    state_differences,
)

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"state_dict": TENSORS, "epoch": 3},
        {"model": TENSORS},
        {f"module.{name}": value for name, value in TENSORS.items()},
        {**{f"backbone.{name}": value for name, value in TENSORS.items()}, "head.weight": torch.ones(1)},
    ],
)
def test_state_dicts_are_found(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    assert equal(read_weights(tmp_path / "w.pth"), TENSORS)


def test_safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    assert equal(read_weights(tmp_path / "w.safetensors"), TENSORS)


class Code:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_what_is_no_state_dict_is_refused(tmp_path, capsys):
    with pytest.raises(DataError, match=r"the file of weights '.*none\.pth' does not exist\. Give --weights the path"):
        read_weights(tmp_path / "none.pth")
    file = tmp_path / "w.pth"
    file.write_text("not weights")
    with pytest.raises(DataError, match=r"of plain tensors \([^()]*\)\. Save it anew"):
        read_weights(file)
    torch.save(Code(), file)
    with pytest.raises(DataError, match=r"cannot be read as a PyTorch state dict of plain tensors .*state_dict\(\), F"):
        read_weights(file)
    assert capsys.readouterr().out == ""
    torch.save([torch.ones(1)], file)
    with pytest.raises(DataError, match=r"w\.pth' holds a list, not a state dict"):
        read_weights(file)
    torch.save({"epoch": 1}, file)
    with pytest.raises(DataError, match=r"w\.pth' holds no tensors by name: --weights takes a state dict"):
        read_weights(file)
    (tmp_path / "w.safetensors").write_text("not weights")
    with pytest.raises(DataError, match=r"w\.safetensors' cannot be read as safetensors: "):
        read_weights(tmp_path / "w.safetensors")


def test_a_grey_image_gives_what_its_colour_copy_would():
    weight, grey = torch.randn(4, 3, 5, 5), torch.rand(2, 1, 9, 9)
    colour = F.conv2d(grey.expand(2, 3, 9, 9), weight)
    torch.testing.assert_close(F.conv2d(grey, adapt_channels(weight, 1)), colour, rtol=1e-4, atol=1e-5)


def test_more_channels_take_the_given_ones_in_turn():
    weight, grey = torch.randn(4, 3, 5, 5), torch.rand(2, 1, 9, 9)
    assert adapt_channels(weight, 3) is weight
    six = adapt_channels(weight, 6)
    torch.testing.assert_close(six[:, 4], weight[:, 1] / 2)
    colour = F.conv2d(grey.expand(2, 3, 9, 9), weight)
    torch.testing.assert_close(F.conv2d(grey.expand(2, 6, 9, 9), six), colour, rtol=1e-4, atol=1e-5)
    assert adapt_channels(weight, 4).shape == (4, 4, 5, 5)
    assert adapt_channels(weight, 2).shape == (4, 2, 5, 5)


def test_first_convolution():
    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 4, 1))
    assert first_convolution(network) == ("1.0", network[1][0])
    with pytest.raises(ValueError, match="Linear has no convolution"):
        first_convolution(nn.Linear(1, 1))


def test_filling_needs_every_tensor_but_the_counter():
    network, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    state = {name: torch.rand(3) for name in ("weight", "bias", "running_mean", "running_var")}
    fill_backbone(network, {**state, "classifier.weight": torch.ones(9)}, "norm", "f.pth")
    assert equal({name: network.state_dict()[name] for name in state}, state)
    with pytest.raises(
        DataError, match=r"the weights in 'f\.pth' are not those of 'norm': 1 of 5 tensors are missing, 'b"
    ):
        fill_backbone(other, {name: value for name, value in state.items() if name != "bias"}, "norm", "f.pth")
    with pytest.raises(DataError, match=r"'weight' has shape \(4,\) instead of \(3,\)\."):
        fill_backbone(other, {**state, "weight": torch.ones(4)}, "norm", "f.pth")
    assert equal(dict(other.state_dict()), dict(nn.BatchNorm1d(3).state_dict()))


def test_differences_in_words():
    own = {"a": torch.ones(1), "b": torch.ones(2)}
    assert state_differences(own, own) == ""
    text = state_differences(own, {"b": torch.ones(3), "c": torch.ones(1)})
    assert text == (
        "1 of 2 tensors are missing, 'a' first and 'b' has shape (3,) instead of (2,) and "
        "1 tensors are too many, 'c' first"
    )


def test_loading_copies_and_keeps_the_dtype():
    network, state = nn.Linear(2, 1), {"weight": torch.ones(1, 2).double(), "bias": torch.ones(1).double()}
    load_state(network, state)
    state["weight"].zero_()
    assert torch.equal(network.weight, torch.ones(1, 2).double())
    assert network.weight.requires_grad
