"""Distillation against the published loss's numbers and torch, the teachers that it refuses, and runs of it."""

import csv
import json
import shutil
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from plugins.begun import begin, check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from torch.nn import functional as F

import imbtk
from imbtk import RunContext
from imbtk.authoring.records import Batch, Outputs
from imbtk.comparison.entry import prepare_any
from imbtk.data.normalise import Normalisation
from imbtk.errors import OptionError, PlanError
from imbtk.planning.config import make_config
from imbtk.testing import check_strategy
from imbtk_plugins.objectives.distill import Distill

STUDENT = torch.tensor([[0.5, -1.0, 0.25, 2.0], [1.5, 0.0, -0.5, 1.0]])
TEACHER = torch.tensor([[3.0, -0.5, 0.0, 1.0], [0.0, 0.7, -1.2, 4.0]])
LABELS = torch.tensor([1, 3])
OPTIONS = {"model": "mlp", "epochs": 2, "seed": 1, "quiet": True, "device": "cpu", "batch_size": 32}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Return the folder of a run on the clusters, with the seed that tests train with."""
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    imbtk.run(clusters(), ["balanced-softmax", "ride"], out=folder, **OPTIONS)
    return folder


class Taught(Distill):
    """With a teacher that says its input, as far as there are classes, in a normalisation of its own."""

    unchecked: ClassVar[dict[str, str]] = {}

    def check_run(self, context):
        """Take every run."""

    def _loaded(self, context):
        def network(inputs):
            flat = inputs.flatten(1)
            return torch.cat([flat, torch.zeros(len(flat), context.num_classes)], 1)[:, : context.num_classes]

        width = context.sample_shape[0]
        return SimpleNamespace(network=network, normalisation=Normalisation(torch.ones(width), 2 * torch.ones(width)))


def context(**more):
    counts = torch.tensor([4, 3, 2, 1])
    labels = torch.repeat_interleave(torch.arange(4), counts)
    told = {"kind": "table", "sample_shape": (4,), "normalisation": (torch.ones(4), 2 * torch.ones(4)), **more}
    return RunContext(("a", "b", "c", "d"), counts, counts, labels, **told)


def loss(student, said, options=None, told=None):
    target = F.one_hot(LABELS[: len(student)], 4).float()
    batch = Batch(said, target, LABELS[: len(student)], LABELS[: len(student)])
    objective = Taught(**(options or {})).imbtk_objective(cross_entropy, told or context())
    return objective(Outputs(student), batch)


def cross_entropy(outputs, batch):
    return F.cross_entropy(outputs.logits, batch.target, reduction="none")


@pytest.mark.parametrize(
    ("temperature", "power", "alpha", "expected"),
    [
        (3.0, 1.0, 0.5, [2.2354684, 1.4492562]),
        (2.0, 0.5, 0.5, [1.9651608, 0.8262228]),
        (1.0, 0.25, 0.9, [0.7674841, 0.3348269]),
    ],
)
def test_the_published_code_gives_the_same_losses(temperature, power, alpha, expected):
    """DiVEKLD of BagofTricks-LT over cross-entropy, run on these numbers, a row at a time."""
    options = {"temperature": temperature, "power": power, "alpha": alpha}
    assert loss(STUDENT, TEACHER, options).tolist() == pytest.approx(expected, rel=1e-6)
    if (temperature, power, alpha) == (2.0, 0.5, 0.5):
        assert loss(STUDENT, TEACHER).tolist() == pytest.approx(expected, rel=1e-6), "the defaults"


def test_a_student_that_says_what_the_teacher_says_has_nothing_to_learn_from_it():
    agreed = loss(TEACHER, TEACHER, {"power": 1.0, "alpha": 0.25})
    torch.testing.assert_close(agreed, 0.75 * F.cross_entropy(TEACHER, LABELS, reduction="none"))


def test_without_a_share_it_is_not_there():
    assert Taught(alpha=0.0).imbtk_objective(cross_entropy, context()) is cross_entropy


def test_the_gradient_is_that_of_the_student_alone():
    student, said = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    loss(student, said, {"alpha": 0.999, "power": 1.0}).sum().backward()
    assert said.grad is None
    # Of T²·KL: T·(p - q).
    p, q = (STUDENT / 2).softmax(1), (TEACHER / 2).softmax(1)
    torch.testing.assert_close(student.grad, 2 * (p - q), atol=2e-3, rtol=0.01)


def test_rows_stand_alone_and_extreme_logits_stay_finite():
    torch.testing.assert_close(loss(STUDENT[:1], TEACHER[:1]), loss(STUDENT, TEACHER)[:1])
    assert loss(1e4 * STUDENT, -1e4 * TEACHER).isfinite().all()
    assert loss((1e4 * STUDENT).bfloat16().float(), 1e4 * TEACHER).isfinite().all()


@pytest.mark.parametrize("kind", ["table", "images"])
def test_inputs_are_given_to_the_teacher_in_its_own_normalisation(kind):
    """Samples x are (x - mean)/std here and (x - 1)/2 there."""
    shape = (4,) if kind == "table" else (4, 1, 1)
    mean, std = torch.tensor([5.0, 3.0, -2.0, 0.0]), torch.tensor([4.0, 0.5, 1.0, 2.0])
    told = context(kind=kind, sample_shape=shape, normalisation=(mean, std))
    x = 2 * TEACHER + 1
    found = loss(STUDENT, ((x - mean) / std).view(-1, *shape), told=told)
    torch.testing.assert_close(found, loss(STUDENT, TEACHER), rtol=1e-5, atol=1e-5)


def test_the_conformance_kit_holds_with_a_teacher():
    check_strategy(Taught())


def test_a_batch_of_a_run_is_judged_by_the_saved_model(teacher):
    x, _ = clusters()
    begun = begin(clusters(), [f"distill:teacher='{teacher}',temperature=3,power=0.8", "class-weights"])
    batch, context_ = begun.batch, begun.phase.context
    with torch.no_grad():
        student = begun.network(batch.inputs)
        found = begun.learner(batch)
    said = torch.from_numpy(imbtk.load(teacher).predictor.logits(x[batch.rows.numpy()])).float()
    wanted = (0.8 * said / 3).softmax(1)
    distance = F.kl_div((student / 3).log_softmax(1), wanted, reduction="none").sum(1)
    own = begun.phase.weights.float()[batch.labels] * F.cross_entropy(student, batch.labels, reduction="none")
    torch.testing.assert_close(found, 0.5 * own + 0.5 * 9 * distance, rtol=1e-4, atol=1e-5)
    assert context_.preprocessing == json.loads((teacher / "model" / "model.json").read_text())["preprocessing"]
    assert begun.phase.ledger.effective is None


def test_the_teacher_stays_as_it_is_and_is_no_part_of_what_is_saved(teacher):
    files = [teacher / "model" / name for name in ("model.json", "weights.safetensors")]
    before = [file.read_bytes() for file in files]
    strategy = Distill(teacher=str(teacher))
    begun = begin(clusters(), [strategy])
    begun.learner.train()
    begun.learner(begun.batch).mean().backward()
    weights = imbtk.load(teacher).predictor.network.state_dict()
    for name, value in strategy._loaded(begun.phase.context).network.state_dict().items():
        assert torch.equal(value, weights[name])
    assert strategy.state_dict() == {}
    assert {name.split(".")[0] for name, _ in begun.learner.named_parameters()} == {"network"}
    assert [file.read_bytes() for file in files] == before


def test_a_close_teacher_draws_the_student_to_it(teacher):
    x, _ = clusters()
    said = imbtk.load(teacher).predictor.logits(x)
    wanted = torch.from_numpy(said).float().div(2).softmax(1)
    mean, std = begin(clusters(), [f"distill:teacher='{teacher}'"]).phase.context.normalisation
    inputs = (torch.from_numpy(x) - mean) / std
    distances = []
    for plan in ([], [f"distill:teacher='{teacher}',alpha=0.99,power=1"]):
        network = train(clusters(), plan, lr=0.01, epochs=6).network.eval()
        with torch.no_grad():
            distances.append(float(F.kl_div((network(inputs) / 2).log_softmax(1), wanted, reduction="batchmean")))
    assert distances[1] < 0.2 * distances[0]


def test_a_missing_teacher_is_refused():
    with pytest.raises(OptionError, match=r"needs a teacher: train one first.*distill:teacher=FOLDER"):
        begin(clusters(), ["distill"])
    with pytest.raises(
        OptionError, match=r"the teacher 'no/where' of strategy 'distill' cannot be loaded.*no run fold"
    ):
        begin(clusters(), ["distill:teacher=no/where"])


def test_a_teacher_of_other_classes_is_refused(teacher):
    with pytest.raises(OptionError, match=r"distill' tells 0, 1, 2 apart, and this run 0, 1: take a teacher"):
        begin(clusters((150, 50)), [f"distill:teacher='{teacher}'"])


def test_a_teacher_of_other_columns_or_pictures_is_refused(teacher, tmp_path):
    with pytest.raises(OptionError, match=r"another way: the columns .*5 differ\. Train it on a table"):
        begin(clusters(features=5), [f"distill:teacher='{teacher}'"])
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), np.uint8)
    small, labels = images[:, :8, :8].copy(), clusters((30, 20, 10))[1]
    with pytest.raises(OptionError, match=r"kind is 'table' there and 'images' here.*Train both with the same options"):
        begin((small, labels), [f"distill:teacher='{teacher}'"])
    imbtk.run((small, labels), [], out=tmp_path / "small", **{**OPTIONS, "epochs": 1})
    with pytest.raises(OptionError, match=r"size is 8 there and 16 here"):
        begin((images, labels), [f"distill:teacher='{tmp_path / 'small'}'"])


def test_a_teacher_that_saw_rows_which_this_run_is_judged_by_is_refused(teacher):
    with (teacher / "split.csv").open() as file:
        seen = {int(row["row"]) for row in csv.DictReader(file) if row["split"] == "train"}
    ours = set(begin(clusters(), [], seed=2).phase.indices.tolist())
    assert 0 < len(seen - ours) < len(seen)
    said = (
        rf"on {len(seen)} rows, {len(seen - ours)} of which this run does not train on and may be judged by.*data, se"
    )
    with pytest.raises(PlanError, match=said):
        begin(clusters(), [f"distill:teacher='{teacher}'@50%-"], seed=2)


@pytest.mark.parametrize("other", ["bagging:n=2", "ensemble:n=3,over=folds"])
def test_members_that_leave_out_rows_are_refused_before_training(other, teacher):
    config = make_config({"model": "mlp", "epochs": 4, "seed": 1, "device": "cpu"})
    with pytest.raises(PlanError, match="Models that each leave out rows"):
        prepare_any(config, clusters(), [f"distill:teacher='{teacher}'", other])


def test_rows_that_a_resampling_drops_are_no_matter(teacher):
    begin(clusters(), ["resample:method=RandomUnderSampler", f"distill:teacher='{teacher}'"])


def test_a_teacher_of_other_rows_is_taken(teacher, tmp_path):
    x, y = clusters()
    moved = shutil.copytree(teacher, tmp_path / "moved")
    train((x[::-1].copy(), y[::-1].copy()), [f"distill:teacher='{moved}'"], seed=2, epochs=1)


def test_a_loop_that_hides_its_normalisation_is_refused(teacher):
    _, y = clusters()
    with pytest.raises(OptionError, match="needs to know how inputs are normalised"):
        imbtk.compose([f"distill:teacher='{teacher}'"], y, class_names=("0", "1", "2"))


@pytest.mark.parametrize("window", ["", "@1-"])
def test_it_is_resumed_to_the_bit(window, teacher):
    plan = [f"distill:teacher='{teacher}'{window}"]
    assert resumed_equals_uninterrupted(plan, data=clusters(), seed=1, batch_size=32)


def test_plugins_are_needed_for_neither_teacher_nor_student(teacher, tmp_path, monkeypatch):
    x, y = clusters()
    plan = ["balanced-softmax", f"distill:teacher='{teacher}'"]
    imbtk.run((x, y), plan, out=tmp_path / "run", **OPTIONS)
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 1


def test_a_mixed_hidden_layer_shows_the_teacher_nothing_wrong():
    with pytest.raises(PlanError, match="'distill' shows its teacher what the network was shown"):
        loss(torch.zeros(2, 4), None)
