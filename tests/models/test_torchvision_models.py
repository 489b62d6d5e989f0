"""torchvision's classifiers without their classifier."""

import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from imbtk.errors import DataError
from imbtk.models.branches import branch_backbone
from imbtk.models.heads import LinearHead
from imbtk.models.network import build_network, feature_width
from imbtk.models.torchvision_models import TorchvisionBackbone, torchvision_names, torchvision_spec

# Name, smallest image, width of the features as in the papers.
FAMILIES = [
    ("alexnet", 63, 4096),
    ("convnext_tiny", 32, 768),
    ("densenet121", 29, 1024),
    ("efficientnet_b0", 8, 1280),
    ("efficientnet_v2_s", 8, 1280),
    ("googlenet", 15, 1024),
    ("inception_v3", 75, 2048),
    ("maxvit_t", 224, 512),
    ("mnasnet0_5", 8, 1280),
    ("mobilenet_v2", 8, 1280),
    ("mobilenet_v3_small", 8, 1024),
    ("regnet_y_400mf", 8, 440),
    ("resnet18", 8, 512),
    ("resnext50_32x4d", 8, 2048),
    ("shufflenet_v2_x0_5", 8, 1024),
    ("squeezenet1_0", 21, 512),
    ("squeezenet1_1", 17, 512),
    ("swin_t", 8, 768),
    ("swin_v2_t", 8, 768),
    ("vgg11", 32, 4096),
    ("vgg11_bn", 32, 4096),
    ("vit_b_16", 32, 768),
    ("vit_b_32", 64, 768),
]

# The constructor of a RegNet reads numbers out of tensors, which the meta device does not have.
ON_META = [name for name in torchvision_names() if not name.startswith("regnet")]


@pytest.mark.parametrize(("name", "side", "width"), FAMILIES)
def test_features_of_the_smallest_image(name, side, width):
    device = "meta" if name in ON_META else "cpu"
    with torch.device(device):
        backbone = TorchvisionBackbone(name, (5, side, side))
        assert next(m for m in backbone.modules() if isinstance(m, nn.Conv2d)).in_channels == 5
        features = backbone.eval()(torch.zeros(2, 5, side, side))
    assert features.shape == (2, width)
    assert backbone.arguments == {"name": name, "sample_shape": [5, side, side]}


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "squeezenet1_1", "vit_b_16"])
def test_it_trains(name):
    torch.manual_seed(0)
    backbone = TorchvisionBackbone(name, (1, 32, 32)).train()
    features = backbone(torch.randn(2, 1, 32, 32))
    assert isinstance(features, torch.Tensor)
    features.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.parameters())


@pytest.mark.parametrize("name", sorted({*ON_META} - {name for name, _, _ in FAMILIES}))
def test_every_classifier_is_built_for_any_channels_without_its_last_layer(name):
    with torch.device("meta"):
        backbone = TorchvisionBackbone(name, (2, 224, 224))
    kept = [m for m in backbone.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert kept[0].in_channels == 2
    scores = [m for m in kept if (m.out_features if isinstance(m, nn.Linear) else m.out_channels) == 1000]
    assert scores == []


@pytest.mark.parametrize(("name", "side", "width"), FAMILIES)
def test_every_family_names_its_last_block_which_has_weights(name, side, width):
    with torch.device("meta" if name in ON_META else "cpu"):
        backbone = TorchvisionBackbone(name, (3, side, side)).eval()
        block = backbone.get_submodule(backbone.last_block)
        assert any(isinstance(m, (nn.Linear, nn.Conv2d)) for m in block.modules())
        assert branch_backbone(backbone, 2)
        assert backbone(torch.zeros(2, 3, side, side)).shape == (4, width)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenet_v3_small", "densenet121", "vgg11_bn"])
def test_each_expert_starts_as_the_network_was(name):
    spec = torchvision_spec(name, 1)
    network = build_network(spec, (1, 32, 32), lambda width: LinearHead(width, 3), seed=0).eval()
    network.make_head = lambda width: LinearHead(width, 3)
    x, width = torch.randn(4, 1, 32, 32), network.branch_width
    with torch.no_grad():
        before = network.features(x)
        assert network.branch(3)
        network.eval()
        after, experts = network.features(x), network(x, outputs=True).experts
    assert after.shape == (4, 3 * width)
    torch.testing.assert_close(after, before.repeat(1, 3))
    for head, logits in zip(network.head.heads, experts, strict=True):
        torch.testing.assert_close(logits, head(before))


def test_the_names_are_those_of_torchvision_and_all_classify():
    names = torchvision_names()
    assert {"resnet50", "densenet121", "efficientnet_b0", "vit_h_14"} <= set(names)
    assert not [name for name in names if re.search("rcnn|fcn|deeplab|raft|r3d|mvit|s3d|retina", name)]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "inception_v3",
            (3, 74, 200),
            r"'inception_v3' takes images from 75x75 up, these are 74x200\. Set --image-size 75 or",
        ),
        ("densenet121", (3, 28, 28), r"'densenet121' takes images from 29x29 up, these are 28x28"),
        ("swin_t", (3, 3, 3), r"'swin_t' takes images from 4x4 up"),
        (
            "vit_b_16",
            (3, 50, 50),
            r"'vit_b_16' cuts square images into patches of 16x16, these are 50x50\. Set --image-size to",
        ),
        ("vit_b_32", (3, 64, 32), r"patches of 32x32, these are 64x32"),
        (
            "maxvit_t",
            (3, 64, 64),
            r"'maxvit_t' takes images whose sides are multiples of 224, these are 64x64\. Set --image-size 224",
        ),
        (
            "resnet18",
            (30,),
            r"'resnet18' takes images of shape \(channels, height, width\), not .* \(30,\)\. .*mlp and linear",
        ),
    ],
)
def test_sizes_that_do_not_go_are_refused(name, shape, message):
    with pytest.raises(DataError, match=message):
        TorchvisionBackbone(name, shape)


def test_from_scratch_it_is_torchvisions_own_network():
    torch.manual_seed(3)
    theirs = models.resnet18(weights=None)
    theirs.fc = nn.Identity()
    torch.manual_seed(3)
    ours = TorchvisionBackbone("resnet18", (3, 32, 32))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_a_grey_first_convolution_starts_with_the_spread_that_its_inputs_ask_for():
    torch.manual_seed(0)
    weight = TorchvisionBackbone("efficientnet_b0", (1, 32, 32)).network.features[0][0].weight
    # Kaiming with fan_out: the spread does not depend on the inputs; the sum of three is sqrt(3) of it.
    assert weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5 * 3**0.5, rel=0.15)


def test_the_spec_of_an_untrained_network_asks_for_no_normalisation():
    spec = torchvision_spec("resnet18", 3)
    assert (spec.name, spec.kind, spec.mean, spec.std, spec.image_size) == ("resnet18", "images", None, None, None)


@pytest.mark.parametrize(
    ("name", "channels", "size", "mean", "std"),
    [
        ("resnet50", 3, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet50", 1, 224, (0.449,), (0.226,)),
        ("resnet50", 4, 224, (0.485, 0.456, 0.406, 0.485), (0.229, 0.224, 0.225, 0.229)),
        ("inception_v3", 3, 299, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("efficientnet_b1", 3, 240, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_the_spec_of_a_pretrained_network_has_the_weights_normalisation(name, channels, size, mean, std):
    spec = torchvision_spec(name, channels, pretrained=True)
    assert spec.image_size == size
    assert spec.mean == pytest.approx(mean, abs=1e-3)
    assert spec.std == pytest.approx(std, abs=1e-3)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of torch.hub, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub._hub_dir", None)

    def no_network(*args, **kwargs):
        raise URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_network_and_cache_it_says_which_file_to_put_where(cache):
    spec = torchvision_spec("resnet18", 3, pretrained=True)
    with pytest.raises(DataError) as caught:
        spec.build((3, 64, 64))
    text = str(caught.value)
    assert "the pretrained weights of 'resnet18' are not on this machine and cannot be fetched" in text
    assert "Name or service not known" in text
    assert "Put the file 'resnet18-f37072fd.pth' from https://download.pytorch.org/models/" in text
    assert f"into {cache}, or give it with --weights FILE." in text


def test_a_broken_file_in_the_cache_is_named_too(cache):
    (cache / "resnet18-f37072fd.pth").write_bytes(b"half a downl")
    with pytest.raises(DataError, match=r"'resnet18' .* cannot be fetched .* 'resnet18-f37072fd\.pth'"):
        torchvision_spec("resnet18", 3, pretrained=True).build((3, 64, 64))


def test_the_cache_is_used_and_grey_images_give_what_their_colour_copies_do(cache):
    theirs = models.resnet18(weights=None)
    torch.save(theirs.state_dict(), cache / "resnet18-f37072fd.pth")
    theirs.fc = nn.Identity()
    grey = torch.randn(2, 1, 32, 32)
    colour = grey.expand(2, 3, 32, 32)
    expected = theirs.eval()(colour)
    build = torchvision_spec("resnet18", 3, pretrained=True).build
    assert torch.equal(build((3, 32, 32)).eval()(colour), expected)
    ours = torchvision_spec("resnet18", 1, pretrained=True).build((1, 32, 32))
    torch.testing.assert_close(ours.eval()(grey), expected, rtol=1e-3, atol=1e-4)


def test_a_pretrained_transformer_wants_its_own_size():
    spec = torchvision_spec("vit_b_16", 3, pretrained=True)
    with pytest.raises(DataError, match=r"'vit_b_16' with pretrained weights takes images of exactly 224x224.*64x64"):
        spec.build((3, 64, 64))


def test_inputs_that_torchvision_rescales_inside_are_normalised_alike(tmp_path):
    torch.manual_seed(0)
    theirs = models.googlenet(weights=None, init_weights=False, transform_input=True)
    torch.save(theirs.state_dict(), tmp_path / "g.pth")
    theirs.fc = nn.Identity()
    spec = torchvision_spec("googlenet", 3, weights_file=str(tmp_path / "g.pth"))
    images = torch.rand(2, 3, 32, 32)

    def normalised(mean, std):
        return (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    expected = theirs.eval()(normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    ours = spec.build((3, 32, 32)).eval()(normalised(spec.mean, spec.std))
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-5)


def test_old_names_of_densenet_are_known(tmp_path):
    theirs = models.densenet121(weights=None)
    # In torchvision's file "norm1" is "norm.1": names of modules could hold dots when it was made.
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", k): v for k, v in theirs.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "d.pth")
    ours = torchvision_spec("densenet121", 3, weights_file=str(tmp_path / "d.pth")).build((3, 32, 32))
    layer = "features.denseblock4.denselayer16.conv2.weight"
    assert torch.equal(ours.network.state_dict()[layer], theirs.state_dict()[layer])


def test_safetensors_without_version_and_a_saved_backbone_are_read(tmp_path):
    theirs = models.mnasnet0_5(weights=None)
    save_file(theirs.state_dict(), tmp_path / "m.safetensors")
    spec = torchvision_spec("mnasnet0_5", 3, weights_file=str(tmp_path / "m.safetensors"))
    network = build_network(spec, (3, 32, 32), lambda width: LinearHead(width, 2), seed=0)
    assert torch.equal(network.backbone.network.layers[0].weight, theirs.layers[0].weight)
    save_file(network.state_dict(), tmp_path / "n.safetensors")
    again = torchvision_spec("mnasnet0_5", 3, weights_file=str(tmp_path / "n.safetensors")).build((3, 32, 32))
    assert torch.equal(again.network.layers[0].weight, theirs.layers[0].weight)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "r18.pth")
    spec = torchvision_spec("resnet34", 3, weights_file=str(tmp_path / "r18.pth"))
    with pytest.raises(
        DataError, match=r"weights in '.*r18\.pth' are not those of 'resnet34': \d+ of \d+ tensors are miss"
    ):
        spec.build((3, 32, 32))


def test_feature_width_of_a_network_with_dropout_and_batch_norm():
    assert feature_width(TorchvisionBackbone("mobilenet_v3_small", (3, 32, 32)), (3, 32, 32)) == 1024
