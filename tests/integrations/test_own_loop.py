"""A loop of one's own is checked as a run is, and gives the numbers of a run, to the bit."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import imbtk
from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.context import Split
from imbtk.errors import ConflictError, DataError, OptionError, PlanError
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import fit, make_network, own_random_state

ROOT = Path(__file__).resolve().parents[2]
LABELS = np.repeat([0, 1, 2], [60, 25, 12])


class Blend(Strategy):
    """Blend each sample with its neighbour in the batch."""

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        def mix(images: torch.Tensor, target: torch.Tensor, draw: imbtk.Draw) -> tuple[torch.Tensor, torch.Tensor]:
            share = draw.uniform(1).view(-1, *[1] * (images.ndim - 1))
            mixed = share * images + (1 - share) * images.roll(1, 0)
            flat = share.flatten()[:, None]
            return mixed, flat * target + (1 - flat) * target.roll(1, 0)

        return mix


class Noise(Strategy):
    """Add noise to images."""

    @hookimpl
    def imbtk_augment(self, augment: imbtk.Augment, context: RunContext) -> Any:
        def noisy(images: torch.Tensor, target: torch.Tensor, draw: imbtk.Draw) -> torch.Tensor:
            return (augment(images, target, draw) + 0.1 * draw.uniform(1).view(-1, 1, 1, 1)).clamp(0, 1)

        return noisy


class Halves(Strategy):
    """Train on half of the rows, a cosine head on top."""

    @hookimpl
    def imbtk_resample(self, rows: imbtk.Rows) -> imbtk.Rows:
        return rows.take(torch.arange(0, len(rows.all_labels), 2))

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> torch.nn.Module:
        from imbtk.models.heads import CosineHead

        return CosineHead(in_features, context.num_classes)


class RowsAsked(Strategy):
    """Count some rows double, by their number."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        def criterion(logits: torch.Tensor, target: torch.Tensor, *, rows: torch.Tensor, epoch: int) -> torch.Tensor:
            losses = -(target * logits.log_softmax(1)).sum(1)
            return losses * (1 + (rows + epoch) % 2)

        return criterion


class OnlyTrain(Strategy):
    """Put the rows that are told on the training side: the split is not what these tests are about."""

    train: int = option(80, "Rows of the training side.")

    @hookimpl
    def imbtk_split(self, dataset: imbtk.Dataset) -> list[Split]:
        rows = torch.arange(len(dataset))
        return [Split(rows[: self.train], rows[self.train : -8], rows[-8:])]


def table() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.permutation(LABELS)
    return generator.normal(size=(len(labels), 5)).astype(np.float32) + labels[:, None], labels


def pictures() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    labels = generator.permutation(LABELS)
    return generator.integers(0, 255, (len(labels), 1, 8, 8)).astype(np.uint8), labels


def its_run(
    data: tuple[np.ndarray, np.ndarray], strategies: Sequence[Any], model: str
) -> tuple[PreparedRun, Network, list[float]]:
    """Train as ``imbtk.run`` does; return what was prepared, the network and the loss of each epoch."""
    config = make_config(
        {"epochs": 4, "batch_size": 16, "seed": 5, "model": model, "schedule": "constant", "warmup": 0.0,
         "weight_decay": 0.0, "lr": 0.01, "device": "cpu"}
    )  # fmt: skip
    prepared = prepare(config, data, [OnlyTrain(), *strategies])
    with own_random_state():
        fitted = fit(prepared, make_network(prepared))
    return prepared, fitted.network, [record["train_loss"] for record in fitted.history]


def own_run(prepared: PreparedRun, strategies: Sequence[Any], loader: bool) -> tuple[torch.nn.Module, list[float]]:
    """Train in plain PyTorch on the training rows of a run; return the network and the loss of each epoch."""
    rows = prepared.data.split.train
    x, y = prepared.data.dataset.x[rows], prepared.data.dataset.labels[rows]
    composition = imbtk.compose(strategies, labels=y, x=x, epochs=4, batch_size=16, seed=5)
    torch.manual_seed(5)
    backbone = prepared.model.spec.build(prepared.data.dataset.sample_shape)
    network = torch.nn.Sequential(backbone, composition.head(64))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0, fused=True)
    data = torch.utils.data.TensorDataset(x, composition.labels)
    batches: Any = torch.utils.data.DataLoader(data, composition.local_batch_size, sampler=composition.sampler)
    losses = []
    for epoch in range(4):
        if not loader:
            batches = composition.batches(x, y, epoch, prepared.data.normalisation.apply)
        composition.on_epoch(epoch)
        total = 0.0
        for inputs, target in batches:
            if loader:
                inputs = composition.augment(inputs, target) if x.ndim == 4 else inputs
                inputs, target = composition.mix(prepared.data.normalisation.apply(inputs), target)
            loss = composition.criterion(network(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
        losses.append(total / len(composition.sampler))
    return network, losses


PLANS: dict[str, tuple[Any, list[Any], str]] = {
    "nothing": (table, [], "mlp"),
    "weights, loss and order": (table, ["class-weights:scheme=sqrt", "focal-loss", "oversample:power=0.5"], "mlp"),
    "windows and mixing": (table, ["class-weights@50%-", "logit-adjust:tau=0.5@0-50%", Blend()], "mlp"),
    "rows chosen, head": (table, [Halves()], "mlp"),
    "images": (pictures, ["augment:rotation=20", Noise(), Blend(), "oversample@25%-"], "mlp"),
}


@pytest.mark.parametrize("loader", [False, True], ids=["batches", "DataLoader"])
@pytest.mark.parametrize("plan", PLANS)
def test_the_numbers_of_a_run(plan: str, loader: bool) -> None:
    data, strategies, model = PLANS[plan]
    prepared, its_network, its_losses = its_run(data(), strategies, model)
    network, losses = own_run(prepared, strategies, loader)
    assert losses == its_losses
    assert all(map(torch.equal, network.state_dict().values(), its_network.state_dict().values()))


def test_made_up_rows_and_asked_rows_too() -> None:
    strategies = ["resample:method=SMOTE", RowsAsked()]
    prepared, its_network, its_losses = its_run(table(), [RowsAsked()], "mlp")
    # Rows are those of the training rows here and those of the data set in a run: the same, since they stand first.
    network, losses = own_run(prepared, [RowsAsked()], loader=False)
    assert losses == its_losses
    prepared, its_network, its_losses = its_run(table(), strategies, "mlp")
    assert len(prepared.plan.phases[0].synthetic) > 0
    network, losses = own_run(prepared, strategies, loader=False)
    assert losses == its_losses
    assert all(map(torch.equal, network.state_dict().values(), its_network.state_dict().values()))


def test_the_example_says_the_same_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = ROOT / "examples" / "own_loop" / "train.py"
    monkeypatch.syspath_prepend(str(example.parent))
    monkeypatch.setattr(sys, "argv", [str(example), "2"])
    runpy.run_path(str(example), run_name="__main__")
    sys.modules.pop("train", None)
    assert "the same to the bit: the losses of all 2 epochs" in capsys.readouterr().out


def test_the_plan_of_the_issue() -> None:
    plan = ["class-weights:scheme=sqrt", "focal-loss", "oversample:power=0.5"]
    groups = np.arange(97) // 4
    composition = imbtk.compose(plan, labels=LABELS, groups=groups, epochs=30, batch_size=64, seed=0)
    assert str(composition.plan) == " ".join(plan)
    assert composition.context.groups is not None
    assert composition.context.groups[-1] == 24
    assert composition.context.class_counts.tolist() == [60, 25, 12]
    assert composition.ledger.index == pytest.approx(1.0, abs=0.01)


def test_a_conflict_is_refused() -> None:
    with pytest.raises(
        ConflictError, match=r"the choice of epoch order is claimed by 'oversample' .* and 'undersample'"
    ):
        imbtk.compose(["oversample", "undersample"], labels=LABELS, epochs=2)


def test_correcting_twice_is_refused_or_warned_of() -> None:
    with pytest.raises(PlanError, match=r"corrects the class frequencies too far .*'class-weights' and 'oversample'"):
        imbtk.compose(["class-weights", "oversample"], labels=LABELS, epochs=2)
    with pytest.warns(UserWarning, match="corrects the class frequencies too far"):
        imbtk.compose(["class-weights", "oversample"], labels=LABELS, epochs=2, allow_overcorrection=True)


@pytest.mark.parametrize(
    ("strategy", "stage"),
    [
        ("stratified-split", "acts on the split only, .*: split before, and give compose the training rows only"),
        ("calibrate", "acts on the calibrate only, .*: fit probabilities on validation rows after training"),
    ],
)
def test_what_a_loop_does_itself_is_refused(strategy: str, stage: str) -> None:
    with pytest.raises(PlanError, match=f"'{strategy}' {stage}. Leave it out of compose"):
        imbtk.compose([strategy], labels=LABELS, epochs=2)


def test_what_a_loop_does_itself_is_said_where_it_is_only_a_part() -> None:
    class Both(Strategy):
        """Weight, then refit."""

        @hookimpl
        def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
            return context.class_counts.double().rsqrt()

        @hookimpl
        def imbtk_refit(self, head: torch.nn.Module) -> torch.nn.Module:
            return head

    with pytest.warns(UserWarning, match="'both' also acts on the refit, which compose leaves to your loop: refit the"):
        imbtk.compose([Both()], labels=LABELS, epochs=2)


def test_a_decision_that_options_switch_off_is_not_said() -> None:
    imbtk.compose(["logit-adjust"], labels=LABELS, epochs=2)
    with pytest.warns(UserWarning, match="'logit-adjust:mode=posthoc' also acts on the decision, which compose leaves"):
        imbtk.compose(["logit-adjust:mode=posthoc"], labels=LABELS, epochs=2)


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match=r"'augment' changes samples, .*give compose sample_shape=\(channels"):
        imbtk.compose(["augment"], labels=LABELS, epochs=2)
    with pytest.raises(DataError, match=r"a strategy of the plan looks at features, .* give compose the training rows"):
        imbtk.compose(["resample:method=SMOTE"], labels=LABELS, epochs=2, kind="table")
    with pytest.raises(OptionError, match="option 'epochs'"):
        imbtk.compose([], labels=LABELS, epochs=0)
    with pytest.raises(OptionError, match="give both 'rank' and 'world_size'"):
        imbtk.compose([], labels=LABELS, rank=1)
    with pytest.raises(OptionError, match=r"option 'rank' \(given: 2\): write 0 to 1"):
        imbtk.compose([], labels=LABELS, rank=2, world_size=2)
    with pytest.raises(OptionError, match=r"option 'batch_size' \(given: 15\) is that of all 2 processes together"):
        imbtk.compose([], labels=LABELS, rank=0, world_size=2, batch_size=15)
    with pytest.raises(OptionError, match="unknown class '7'"):
        imbtk.compose([], labels=[0, 1, 1], positive="7")


def test_a_plugin_file_serves_too(tmp_path: Path) -> None:
    file = tmp_path / "steep.py"
    file.write_text(
        '"""Steep."""\nimport torch\nfrom imbtk import Strategy, hookimpl\n\n\n'
        'class Steep(Strategy):\n    """Weight."""\n\n'
        "    @hookimpl\n    def imbtk_class_weights(self, context):\n        return torch.tensor([1.0, 3.0])\n"
    )
    composition = imbtk.compose(["steep"], labels=["a", "b", "b", "a"], plugins=[file])
    assert composition.class_weights.tolist() == [0.5, 1.5]
