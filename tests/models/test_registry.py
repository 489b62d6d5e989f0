"""From a name to a network."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from imbtk.errors import DataError, PlanError, PluginError
from imbtk.models.builtin import SmallCNN, imbtk_models
from imbtk.models.registry import default_model, find_model, model_names
from imbtk.models.spec import ModelSpec

SHAPE = (1, 8, 8)
MINE = ModelSpec("mine", SmallCNN)


def test_defaults():
    assert default_model("images", 100) == "small-cnn"
    assert [default_model("table", rows) for rows in (100, 10_000, 10_001)] == ["table-mlp", "table-mlp", "mlp"]


def test_names():
    names = model_names({"mine": MINE})
    assert {"small-cnn", "mlp", "linear", "resnet32", "mine", "resnet50", "vit_b_16"} <= set(names)
    assert names == sorted(names)
    assert model_names({"mine": MINE}, torchvision=False) == [
        "linear",
        "mine",
        "mlp",
        "resnet32",
        "small-cnn",
        "table-mlp",
    ]


@pytest.mark.parametrize("offered", [{}, imbtk_models()])
def test_own_models_are_found_whether_offered_or_not(offered):
    assert find_model("small-cnn", "images", SHAPE, offered) == imbtk_models()["small-cnn"]
    assert find_model("linear", "table", (30,), offered).build((30,))(torch.ones(2, 30)).shape == (2, 30)
    assert find_model("mlp", "images", SHAPE, offered).build(SHAPE)(torch.ones(2, *SHAPE)).shape == (2, 64)


def test_a_plugins_model_and_torchvisions_are_found():
    assert find_model("mine", "images", SHAPE, {"mine": MINE}) is MINE
    backbone = find_model("resnet18", "images", SHAPE, {}).build(SHAPE)
    assert backbone(torch.ones(2, *SHAPE)).shape == (2, 512)


def test_finding_an_own_model_does_not_import_torchvision():
    code = (
        "import sys; from imbtk.models.registry import find_model; find_model('small-cnn', 'images', (1, 8, 8), {}); "
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(PlanError, match=r"unknown model 'resnet5O'\. Did you mean 'resnet50'.*package\.module:fact"):
        find_model("resnet5O", "images", SHAPE, {})
    with pytest.raises(PlanError, match=r"unknown model 'smal-cnn'\. Did you mean 'small-cnn'"):
        find_model("smal-cnn", "images", SHAPE, {})


@pytest.mark.parametrize("name", ["small-cnn", "resnet50"])
def test_a_network_of_images_is_refused_for_a_table(name):
    message = rf"model '{name}' is for images, and these data are a table\. Take one of: linear, mlp, table-mlp\."
    with pytest.raises(PlanError, match=message):
        find_model(name, "table", (30,), {})


def test_a_network_of_tables_is_refused_for_images():
    offered = {"rows": ModelSpec("rows", SmallCNN, "table")}
    with pytest.raises(PlanError, match=r"'rows' is for tables, and these data are images\. .*small-cnn, or any class"):
        find_model("rows", "images", SHAPE, offered)


def test_a_plugin_may_not_take_the_name_of_an_own_model():
    with pytest.raises(PluginError, match=r"a plugin offers a model 'mlp', which imbtk itself has\."):
        find_model("mlp", "table", (3,), {"mlp": ModelSpec("mlp", SmallCNN, "table")})


def test_own_models_have_no_pretrained_weights():
    with pytest.raises(PlanError, match=r"'small-cnn' has no pretrained weights\. .*--weights FILE.*resnet50 --pretr"):
        find_model("small-cnn", "images", SHAPE, {}, pretrained=True)


def test_weights_from_a_file(tmp_path):
    trained = SmallCNN(SHAPE)
    file = tmp_path / "weights.pth"
    torch.save(trained.state_dict(), file)
    backbone = find_model("small-cnn", "images", SHAPE, {}, weights_file=file).build(SHAPE)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in backbone.state_dict().items())
    other = find_model("resnet32", "images", SHAPE, {}, weights_file=str(file))
    with pytest.raises(
        DataError, match=r"the weights in '.*weights\.pth' are not those of 'resnet32': \d+ of \d+ tensors"
    ):
        other.build(SHAPE)


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "their_networks.py").write_text(
        textwrap.dedent("""
            from torch import nn

            def tiny(sample_shape):
                return nn.Sequential(nn.Flatten(), nn.Linear(sample_shape[0] * 64, 6))

            def number(sample_shape):
                return 3

            def pair(channels, classes):
                return nn.Identity()

            width = 4
        """)
    )
    (tmp_path / "needs_more.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    # What is imported from a temporary folder is forgotten again.
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield
    sys.modules.pop("their_networks", None)


@pytest.mark.usefixtures("factories")
class TestFactory:
    def test_a_module_of_the_current_folder(self):
        spec = find_model("their_networks:tiny", "images", SHAPE, {})
        assert (spec.name, spec.kind) == ("their_networks:tiny", "images")
        assert isinstance(spec.build(SHAPE), nn.Sequential)
        assert find_model("their_networks:tiny", "table", (3,), {}).kind == "table"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "no_such_module:f",
                r"importing 'no_such_module' failed: No module named 'no_such_module'\. It must be inst",
            ),
            ("needs_more:f", r"importing 'needs_more' failed: No module named 'a_module_that_is_not_there'"),
            ("their_networks:tinny", r"module 'their_networks' has no function 'tinny'\. Did you mean 'tiny'\?"),
            ("their_networks:width", r"module 'their_networks' has no function 'width'"),
            ("their_networks:", r"model 'their_networks:' is not of the form package\.module:factory\."),
            (":tiny", r"is not of the form package\.module:factory"),
        ],
    )
    def test_what_is_not_there(self, name, message):
        with pytest.raises(PlanError, match=message):
            find_model(name, "images", SHAPE, {})

    def test_what_is_no_module(self):
        with pytest.raises(
            PlanError, match=r"the factory returned an object of type int, no torch\.nn\.Module that maps \(B, \*samp"
        ):
            find_model("their_networks:number", "images", SHAPE, {}).build(SHAPE)

    def test_what_takes_other_arguments(self):
        with pytest.raises(PlanError, match=r"called with one argument, the shape .*its own are \(channels, classes\)"):
            find_model("their_networks:pair", "images", SHAPE, {}).build(SHAPE)

    def test_no_pretrained_weights(self):
        with pytest.raises(PlanError, match=r"model 'their_networks:tiny' has no pretrained weights"):
            find_model("their_networks:tiny", "images", SHAPE, {}, pretrained=True)
