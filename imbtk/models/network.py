"""A backbone with a head: built from a seed, split into parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, overload

import torch
from torch import nn

from imbtk.authoring.prediction import View
from imbtk.authoring.records import Outputs
from imbtk.errors import ImbtkError, PlanError, PluginError
from imbtk.models.branches import Branches, ExpertHead, branch_backbone
from imbtk.models.heads import ScaledHead
from imbtk.models.spec import ModelSpec
from imbtk.models.trial import FORWARD_ERRORS, HeadOrigin, check_head, described, trial_output

__all__ = [
    "Network",
    "build_network",
    "feature_width",
    "parameter_groups",
    "prefers_channels_last",
    "set_prior_bias",
]


class Network(nn.Module):
    """A classifier in two parts: (B, *sample_shape) -> logits (B, K).

    Parameters
    ----------
    backbone : Module
        (B, *sample_shape) -> features (B, D).
    head : Module
        (B, D) -> (B, K).
    sample_shape : tuple of int
        (C, H, W) of an image, (D,) of a table row.
    model_name : str
        The name that the user gave.

    Attributes
    ----------
    head_origin : HeadOrigin
        Who made the head: named where it fails.
    make_head : callable, optional
        ``D -> Module``, the head that the plan chooses.
    head_version : int
        How often the head was made anew: what remembers weights starts over with it.
    branches : int
        How many copies of the backbone's last block, or of all of it, stand side by side.
    bf16 : bool
        Train at bf16; whatever predicts, in eval mode, is at full precision.
    channels_last : bool
        Lay images out so.
    changed_by : str
        Which strategy changes it at the moment, for messages.
    views : tuple of View
        Looks at an image that a prediction is the mean of; empty for one look, and while the network is trained.
    """

    def __init__(
        self, backbone: nn.Module, head: nn.Module, sample_shape: tuple[int, ...] = (), model_name: str = ""
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.sample_shape, self.model_name = tuple(sample_shape), model_name
        self.branches, self.head_version = 1, 0
        self.bf16, self.channels_last = False, False
        self.views: tuple[View, ...] = ()
        self.changed_by = self._branched_by = ""
        self.head_origin = HeadOrigin()
        self.make_head: Callable[[int], nn.Module] | None = None
        self._frozen: dict[str, list[nn.Parameter]] = {}
        self._moving: set[str] = set()

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) for samples (B, *sample_shape)."""
        if self.channels_last and samples.ndim == 4:
            samples = samples.contiguous(memory_format=torch.channels_last)
        features: torch.Tensor = self.backbone(samples)
        if self.branches > 1:
            # Branch after branch becomes row after row, each with the features of all branches.
            apart = features.reshape(self.branches, -1, *features.shape[1:])
            features = apart.transpose(0, 1).flatten(1)
        return features

    @overload
    def forward(self, samples: torch.Tensor, outputs: Literal[False] = False) -> torch.Tensor: ...
    @overload
    def forward(self, samples: torch.Tensor, outputs: Literal[True]) -> Outputs: ...
    def forward(self, samples: torch.Tensor, outputs: bool = False) -> torch.Tensor | Outputs:
        """Return logits (B, K) for samples (B, *sample_shape), or the record of all that is said of them."""
        if self.views and not (outputs or self.training):
            return torch.stack([self.outputs(view.of(samples)).logits for view in self.views]).mean(0)
        said = self.outputs(samples)
        return said if outputs else said.logits

    def outputs(self, samples: torch.Tensor) -> Outputs:
        """Return all that is said of samples (B, *sample_shape), in float32."""
        # Half precision only where it was asked for, in training, and here: what looks at logits is given float32,
        # since exponentials of margins and focal powers overflow in anything less.
        if not (self.bf16 and self.training):
            return self.classify(self.features(samples))
        with torch.autocast(samples.device.type, torch.bfloat16):
            said = self.classify(self.features(samples))
        return Outputs(*(None if part is None else part.float() for part in said))  # type: ignore[arg-type]

    def classify(self, features: torch.Tensor) -> Outputs:
        """Return what is said of features (B, D): logits (B, K), and those of experts.

        Raises
        ------
        PluginError
            If a head that a strategy made raises something, or gives another number of rows; the strategy is named.
        """
        if not self.head_origin.maker:
            return _said(self.head(features), features)
        given = f"features of shape {tuple(features.shape)}"
        try:
            said = _said(self.head(features), features)
        except (ImbtkError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:  # a stranger's code may raise anything: it is named, and its cause kept
            raise self.head_origin.fault(self.head, f"fails on {given}: {type(error).__name__}: {error}") from error
        logits = said.logits
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != features.shape[0]:
            raise self.head_origin.fault(self.head, f"gives {described(logits)} for {given} instead of logits (B, K)")
        return said

    def freeze(self, part: Literal["backbone", "head"], statistics: bool = False) -> None:
        """Keep a part as it is: no gradients, and batch norm stays in eval mode, its statistics unmoved.

        A strategy that does this in ``imbtk_network`` need not undo it: its window's end does.

        Parameters
        ----------
        part : "backbone" or "head"
        statistics : bool
            Let the statistics of batch norm go on moving.
        """
        if part in self._frozen:
            return
        self._frozen[part] = [p for p in self.get_submodule(part).parameters() if p.requires_grad]
        self._moving = self._moving | {part} if statistics else self._moving - {part}
        for parameter in self._frozen[part]:
            parameter.requires_grad_(False)
        self.train(self.training)

    def thaw(self, part: Literal["backbone", "head"]) -> None:
        """Undo :meth:`freeze`."""
        for parameter in self._frozen.pop(part, []):
            parameter.requires_grad_(True)
        self.train(self.training)

    @property
    def frozen(self) -> tuple[str, ...]:
        """The parts that are frozen."""
        return tuple(self._frozen)

    @property
    def branch_width(self) -> int:
        """The width of the features of a branch: D where there is one."""
        return feature_width(self.backbone, self.sample_shape, self.model_name, self.branches)

    @property
    def heads(self) -> tuple[nn.Module, ...]:
        """The classifier heads: one, or one for each expert."""
        return tuple(self.head.heads) if isinstance(self.head, ExpertHead) else (self.head,)

    @property
    def experts(self) -> str:
        """What experts share and have of their own, for people; empty if there is one head."""
        if not isinstance(self.head, ExpertHead):
            return ""
        count = len(self.head.heads)
        if isinstance(self.backbone, Branches):
            return f"{count}, each with a backbone and a head of its own"
        if self.branches > 1:
            return f"{count}, each with a copy of the backbone's last block and a head of its own"
        return f"{count} heads on common features: the backbone names no last block that could be copied"

    def renew_head(self) -> None:
        """Make the classifier head anew, as the plan chooses it: its bias starts at the log of the effective prior."""
        width = self.branch_width
        self._put_head([self._made_head(width) for _ in self.heads])

    def branch(self, count: int, whole: bool = False) -> bool:
        """Give `count` experts a head each, and, where the backbone names its last block, a copy of that each.

        Logits are their mean. Returns whether the backbone has branches, or the heads stand on common features.

        Parameters
        ----------
        count : int
        whole : bool
            Copy the whole backbone, and not its last block alone: it computes `count` times as long.

        Raises
        ------
        PlanError
            If there are branches already.
        """
        if self.branches > 1 or isinstance(self.head, ExpertHead):
            first, second = self._branched_by or "somebody", self.changed_by or "somebody"
            raise PlanError(
                f"two strategies branch the network, {first} and {second}, and it has one last block: enable one of "
                "them."
            )
        self._branched_by = self.changed_by
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        width = self.branch_width
        with self._frozen_anew("backbone"):
            if whole:
                self.backbone, self.branches = Branches(self.backbone, count), count
            elif branch_backbone(self.backbone, count):
                self.branches = count
        self._put_head([self._made_head(width) for _ in range(count)])
        self.to(device)
        return self.branches > 1

    @contextmanager
    def _frozen_anew(self, part: Literal["backbone", "head"]) -> Iterator[None]:
        """Let a part be changed that may be frozen: what it has afterwards is, and is thawed with it."""
        frozen, statistics = part in self._frozen, part in self._moving
        self.thaw(part)
        yield
        if frozen:
            self.freeze(part, statistics)

    def _made_head(self, width: int) -> nn.Module:
        if self.make_head is None:
            raise PlanError(f"network '{self.model_name}' does not know how to make a head: set network.make_head.")
        return self.make_head(width)

    def _put_head(self, heads: list[nn.Module]) -> None:
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        head = ExpertHead(heads, parted=self.branches > 1) if len(heads) > 1 else heads[0]
        with self._frozen_anew("head"):
            self.head = head.to(device)
        self.head_version += 1
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        """Set training mode, but for frozen parts, which stay in eval mode."""
        super().train(mode)
        for part in self._frozen:
            if part not in self._moving:
                self.get_submodule(part).eval()
        return self


def _said(made: Any, features: torch.Tensor) -> Outputs:
    """Return what a head gave, as a record: logits, those of experts, or both."""
    if isinstance(made, tuple) and len(made) == 2:
        return Outputs(made[0], features, made[1])
    if isinstance(made, torch.Tensor) and made.ndim == 3:
        return Outputs(made.mean(0), features, made)
    return Outputs(made, features)


def feature_width(backbone: nn.Module, sample_shape: tuple[int, ...], name: str = "", branches: int = 1) -> int:
    """Return D, the width of the features of a branch, found by one batch of zeros in eval mode.

    Neither the global random state nor the statistics of batch norm are touched.

    Parameters
    ----------
    backbone : Module
    sample_shape : tuple of int
    name : str
        What the user calls the model; the class's name if empty.
    branches : int
        How many copies of its last block stand side by side.

    Raises
    ------
    PluginError
        If the backbone fails on such a batch, or its output is not (B, D).
    """
    name = name or type(backbone).__name__
    given = f"a batch of shape {(2, *sample_shape)}"
    try:
        output = trial_output(backbone, torch.zeros(2, *sample_shape))
    except FORWARD_ERRORS as error:
        raise PluginError(
            f"model '{name}' fails on {given}: {error}. Is it made for samples of this shape (--image-size)?"
        ) from error
    fits = isinstance(output, torch.Tensor) and output.ndim == 2 and len(output) == 2 * branches
    if not fits or not output.shape[1]:
        raise PluginError(
            f"model '{name}' gives {described(output)} for {given}. A backbone gives features of shape (B, D): "
            "average or flatten maps, leave the classifier off, and return one tensor."
        )
    return int(output.shape[1])


def build_network(
    spec: ModelSpec,
    sample_shape: tuple[int, ...],
    make_head: Callable[[int], nn.Module],
    seed: int,
    num_classes: int | None = None,
) -> Network:
    """Return backbone and head on the CPU, their initial weights a function of `seed` alone.

    Parameters
    ----------
    spec : ModelSpec
    sample_shape : tuple of int
    make_head : callable
        ``D -> Module`` that maps (B, D) to (B, K).
    seed : int
    num_classes : int, optional
        K, checked if given.

    Raises
    ------
    PluginError
        If backbone or head is no Module, fails on a batch, or its output has another shape.
    """
    sample_shape = tuple(int(n) for n in sample_shape)
    # Seeding the CPU's generator directly: torch.manual_seed would touch the accelerators' as well.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        backbone = spec.build(sample_shape)
        if not isinstance(backbone, nn.Module):
            raise PluginError(f"model '{spec.name}' is a {type(backbone).__name__}, not a torch.nn.Module.")
        width = feature_width(backbone, sample_shape, spec.name)
        # Seeded anew: the head's weights do not depend on how many numbers the backbone drew, or whether from a file.
        torch.default_generator.manual_seed(seed + 1)
        head = make_head(width)
        if not isinstance(head, nn.Module):
            raise PluginError(f"the head is a {type(head).__name__}, not a torch.nn.Module that maps (B, D) to (B, K).")
        check_head(head, width, num_classes)
    return Network(backbone, head, sample_shape, spec.name)


def set_prior_bias(head: nn.Module, log_prior: torch.Tensor) -> bool:
    """Start the bias of a linear head at the log of a class prior, so that no step is spent on learning it.

    Parameters
    ----------
    head : Module
        Changed in place if it is linear or scaled and has a bias.
    log_prior : Tensor, shape (K,)
        A class that never comes (minus infinity) gets the bias of the rarest that does.

    Returns
    -------
    bool
        Whether the head has such a bias.
    """
    if isinstance(head, ExpertHead):
        found = [set_prior_bias(own, log_prior) for own in head.heads]
        return all(found)
    linear = head.linear if isinstance(head, ScaledHead) else head
    if not isinstance(linear, nn.Linear) or linear.bias is None:
        return False
    finite = torch.isfinite(log_prior)
    values = torch.where(finite, log_prior, log_prior[finite].min()) if finite.any() else torch.zeros_like(log_prior)
    with torch.no_grad():
        linear.bias.copy_(values)
    return True


def parameter_groups(
    network: Network,
    weight_decay: float,
    lr: float,
    lr_backbone: float | None = None,
    strategies: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Return parameter groups for AdamW or SGD: no weight decay on norms, biases and positions.

    Parameters
    ----------
    network : Network
        Frozen parts are left out.
    weight_decay : float
    lr : float
        Of the head, of strategies' modules, and of the backbone unless `lr_backbone` is given.
    lr_backbone : float, optional
    strategies : Module, optional
        What strategies train beside the network.

    Returns
    -------
    list of dict
        With ``params``, ``lr``, ``weight_decay`` and ``name``; empty groups are left out.
    """
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    parts = {"backbone": network.backbone, "head": network.head, "strategies": strategies or nn.Module()}
    for part, module in parts.items():
        rate = lr if lr_backbone is None or part != "backbone" else lr_backbone
        decayed: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for owner in module.modules():
            for name, parameter in owner.named_parameters(recurse=False):
                # A parameter that two modules share is one parameter.
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    decayed[_decays(owner, name, parameter)].append(parameter)
        for decays, parameters in decayed.items():
            if parameters:
                decay = weight_decay if decays else 0.0
                label = f"{part}, weights" if decays else f"{part}, norms and biases"
                groups.append({"params": parameters, "lr": rate, "weight_decay": decay, "name": label})
    return groups


def _decays(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) and name == "weight":
        return True
    if "Norm" in type(module).__name__ or "position" in name or name.startswith("pos_") or name.endswith("bias"):
        return False
    # Scales and class tokens are vectors, whatever dimensions of size one they carry.
    return parameter.numel() > max(parameter.shape, default=1)


def prefers_channels_last(network: nn.Module) -> bool:
    """Tell whether channels-last can pay: with convolutions."""
    return any(isinstance(module, nn.Conv2d) for module in network.modules())
