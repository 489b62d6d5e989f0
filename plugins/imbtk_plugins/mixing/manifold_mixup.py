"""Manifold mixup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, cast

import torch

from imbtk import Draw, Mix, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs
from imbtk.errors import PlanError

if TYPE_CHECKING:
    import numpy as np

    from imbtk.models.network import Network

__all__ = ["ManifoldMixup"]


class ManifoldMixup(Strategy):
    """Blend pairs of a batch as mixup does, now as inputs, now before the network's last block, now as features.

    Notes
    -----
    For each batch a layer l is drawn, each with the same chance: the input, what the network's last block is given, or
    the features that the head is given. A batch is paired with a random permutation of itself, and for each pair

        h = λ h_i + (1 - λ) h_j,    t = λ t_i + (1 - λ) t_j,    λ ~ Beta(α, α),

    where h_i is what layer l has of sample i; the rest of the network goes on from h. The last block is left out where
    a network names none, or where something goes round it to the head (``table-mlp``, which shows the head the row
    itself): there the features would not be mixed as the target is. Class frequencies stay as they are; the ledger says
    "unknown" all the same, since it does not look into objectives.

    Where this differs: the paper draws among the input and the first blocks, here it is the last block and the
    features, which networks of all kinds have. The published code draws one λ for a batch, here each pair has its own.
    The network sees batches unmixed before it sees them mixed in the last block, so that batch norm counts these twice,
    and with mixed features batch norm counts the unmixed ones.

    When to use
    -----------
    As mixup, where blended inputs make no sense, as with tables of categories, or where mixup alone helps little.

    Cost
    ----
    A second forward pass for one batch in three, whose first one is thrown away, about a ninth of a run; where there is
    no last block to mix before, next to nothing. Training usually wants more epochs.

    Not with
    --------
    Another strategy that mixes, which is refused; batches that are cut (``--accumulate``) or of one row, which are
    refused too. Strategies that judge by logits of their own (``ride``, ``bbn``) are written before it in the plan;
    after it they are refused. What they ask the network for themselves, such as a second view, is not mixed;
    ``distill``, whose teacher would be shown what was not mixed, stops in the first batch that mixes a hidden layer.

    Evidence
    --------
    Accuracy of ResNet-32 at imbalance 100: CIFAR-10-LT 70.4 to 75.2, CIFAR-100-LT 38.3 to 39.9 (BagofTricks-LT, mixed
    at one fixed layer, best epoch on the test set). One published figure each.

    References
    ----------
    Verma et al. 2019, "Manifold mixup: better representations by interpolating hidden states", section 2, and
    https://github.com/vikasverma1077/manifold_mixup (α = 2).
    """

    whole_batch: ClassVar[bool] = True

    alpha: float = option(2.0, "α of Beta(α, α), without unit: 1 mixes by any share alike, more nearer to half.", gt=0)

    _carries: bool = False

    def check_run(self, context: RunContext) -> None:
        """Refuse batches of one row.

        Raises
        ------
        PlanError
            If there is nothing to mix with.
        """
        if context.batch_size < 2:
            raise PlanError(
                "'manifold-mixup' blends rows of one batch, and a batch has one: take --batch-size 2 at least."
            )

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Mix:
        """Return the mix of a batch whose layer is the input."""

        def at_input(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
            if self._layer(draw) != "input":
                return images, target
            mix = _pairs(draw, self.alpha)
            return mix(images), mix(target)

        return at_input

    @hookimpl
    def imbtk_network(self, network: Network, context: RunContext) -> None:
        """Look whether all that the head is given goes through the last block; change nothing."""
        samples = torch.randn(2, *network.sample_shape, generator=context.draw.generator())
        self._carries = _carries_all(network, samples.to(context.device))

    @hookimpl
    def imbtk_objective(self, objective: Objective) -> Callable[..., torch.Tensor]:
        """Return the objective of what the network says where another layer than the input is mixed."""
        unseen = True

        def judged(
            outputs: Outputs, batch: Batch, *, features: torch.Tensor, network: Network, draw: Draw
        ) -> torch.Tensor:
            nonlocal unseen
            if unseen and not _of_the_head(network, features, outputs.logits):
                raise PlanError(
                    "'manifold-mixup' makes logits of mixed features, and a strategy after it in the plan put others "
                    "in their place: write manifold-mixup last."
                )
            unseen, layer = False, self._layer(draw)
            if layer == "input":
                return objective(outputs, batch)
            mix = _pairs(draw, self.alpha)
            if layer == "features":
                mixed = network.classify(mix(features))
            else:
                with _given(cast("torch.nn.Module", _last_block(network)), mix):
                    mixed = network(batch.inputs, outputs=True)
            # No inputs are what these outputs are of: whoever looks at them would compare with something else.
            return objective(mixed, batch.but(target=mix(batch.target), inputs=None))

        return judged

    def _layer(self, draw: Draw) -> str:
        """Return which layer is mixed in the batch of a draw: known on the CPU, so that no step waits for a GPU."""
        layers = ("input", "features", "block") if self._carries else ("input", "features")
        first = Draw(draw.seed, f"{draw.name} layer", draw.epoch, cast("np.ndarray", draw.positions)[:1])
        return layers[int(first.integers(len(layers)))]


def _pairs(draw: Draw, alpha: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what mixes the rows of a batch, (B, ...), always by the same pairs and shares."""
    other = draw.uniform()[:, 0].argsort(stable=True)
    share = draw.beta(alpha, alpha)

    def mix(rows: torch.Tensor) -> torch.Tensor:
        of_rows = share.reshape(-1, *[1] * (rows.ndim - 1)).to(rows.dtype)
        return torch.lerp(rows[other], rows, of_rows)

    return mix


def _of_the_head(network: Network, features: torch.Tensor, logits: torch.Tensor) -> bool:
    """Tell whether logits are what the head makes of features, as far as it says the same when asked again."""
    if any("Dropout" in type(module).__name__ or "Norm" in type(module).__name__ for module in network.head.modules()):
        return True
    with torch.no_grad():
        apart = (network.classify(features).logits - logits).abs().max()
    return bool(apart <= (0.02 if network.bf16 else 1e-3) * (1 + logits.abs().max()))


def _last_block(network: Network) -> torch.nn.Module | None:
    name = getattr(network.backbone, "last_block", "")
    return network.backbone.get_submodule(name) if name and isinstance(name, str) else None


@contextmanager
def _given(block: torch.nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Let a block be given something else than what comes before it."""
    handle = block.register_forward_pre_hook(lambda _, given: (change(given[0]), *given[1:]))
    try:
        yield
    finally:
        handle.remove()


def _carries_all(network: Network, samples: torch.Tensor) -> bool:
    """Tell whether features hang on what the last block is given, and on nothing else of two samples (2, ...)."""
    block, training = _last_block(network), network.training
    if block is None:
        return False
    network.eval()
    try:
        # Both are given what the first has: a difference that is left has gone round.
        with torch.no_grad(), _given(block, lambda hidden: hidden[:1].expand_as(hidden)):
            first, second = network.features(samples)
    finally:
        network.train(training)
    return torch.allclose(first, second, rtol=1e-3, atol=1e-4)
