"""τ-normalised classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import nn

from imbtk import Strategy, hookimpl, option
from imbtk.authoring.records import TrainingRows
from imbtk.errors import OptionError, PlanError

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["TauNorm"]

GRID = [step / 10 for step in range(11)]


class TauNorm(Strategy):
    """Divide each class's weights by a power of their length when training ends: frequent classes have longer ones.

    Notes
    -----
    With the weights w_c of class c in a head f_c(x) = w_c·x + b_c,

        f_c(x) = (w_c / ‖w_c‖^τ)·x

    The bias goes, whatever τ is: the paper leaves it out and so does its code, and imbtk starts it at the log of the
    class frequencies, which is what is to be taken off. τ = 1 gives all classes weights of one length, τ = 0 takes the
    bias off alone. In a head with a factor per class that is part of w_c; of several experts each has its own lengths,
    and all the same τ.

    ``tau=validation`` takes the τ of 0, 0.1, …, 1 with the best balanced accuracy (mean over classes of the share that
    is found) on the validation rows, the smallest where several are best. Training is left alone, and may have any
    loss; what the network believes of class frequencies afterwards is for the calibration to find out.

    When to use
    -----------
    After a plain training, as a correction that costs nothing and can be dosed.

    Cost
    ----
    None in training. ``tau=validation`` classifies the validation rows' features eleven times.

    Not with
    --------
    `cosine-head`, `ldam` and `gcl` bring a head that it does not know: refused. Written before `ema` or `swa` it is
    refused, since their average would overwrite it: write it last. `class-weights` and balanced orders are not refused:
    the ledger does not count what it takes off, so that nobody notices when both correct.

    Evidence
    --------
    With τ = 1, CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (best epoch on the test set): accuracy 72.7
    / 41.0 beside 70.4 / 38.3 of the plain network. NIH / MIMIC long-tailed chest X-rays (Holste et al. 2022): balanced
    accuracy 0.214 / 0.230 beside 0.115 / 0.169.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4.1, eq. 4; the
    published code (facebookresearch/classifier-balancing, ``tau_norm.py``) tries τ from 0 to 2 in the same steps.
    """

    tau: Annotated[float, Field(ge=0, le=1)] | Literal["validation"] = option(
        1.0, "Exponent τ in [0, 1], without unit, or validation: the best one on the validation rows."
    )

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> None:
        """Normalise the head; keep the τ that was chosen.

        Raises
        ------
        PlanError
            If the head is none that it knows.
        OptionError
            With tau=validation, if there are no validation rows.
        """
        classifiers = list(self._classifiers(network.head, network.head_origin.text))
        if isinstance(self.tau, float):
            normalise(classifiers, self.tau)
            return
        if training.validation is None:
            raise OptionError(
                f"option 'tau' of strategy '{self.name}' is validation, and the run has no validation rows. Set some "
                "aside (of the estimator: validation_fraction=0.2), or give a number: tau=1."
            )
        features, labels = training.validation.features(), training.validation.labels.cpu()
        support, found = labels.bincount(), []
        for tau in GRID:
            normalise(classifiers, tau)
            with torch.no_grad():
                hits = network.classify(features).logits.argmax(1).cpu() == labels
            sensitivity = labels[hits].bincount(minlength=support.shape[0]) / support
            found.append(float(sensitivity[support > 0].mean()))
        self._tau = GRID[found.index(max(found))]
        normalise(classifiers, self._tau)

    def _classifiers(self, head: nn.Module, origin: str) -> Iterator[Classifier]:
        """Yield each linear classifier of a head as it is; `origin` says who made it."""
        if isinstance(experts := getattr(head, "heads", None), nn.ModuleList):
            for expert in experts:
                yield from self._classifiers(expert, origin)
        elif isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward:
            weight = head.weight.detach()
            yield Classifier(weight, weight.clone(), weight.norm(dim=1, keepdim=True), head.bias)
        elif isinstance(inner := getattr(head, "linear", None), nn.Linear) and isinstance(
            factor := getattr(head, "factor", None), nn.Parameter
        ):
            weight = inner.weight.detach() * factor.detach()[:, None]
            yield Classifier(factor.detach(), factor.detach().clone(), weight.norm(dim=1), inner.bias)
        else:
            raise PlanError(
                f"strategy '{self.name}' does not know the head '{type(head).__name__}'{origin}: it divides the "
                "weights of linear heads, with a factor per class or without. Leave it out, or the strategy that makes "
                "this head."
            )


class Classifier(NamedTuple):
    """A linear classifier: what scales a class in it, as it is and as it was, its lengths then, and the bias."""

    scaled: torch.Tensor
    before: torch.Tensor
    length: torch.Tensor
    bias: torch.Tensor | None


def normalise(classifiers: Sequence[Classifier], tau: float) -> None:
    """Divide weights as they were by their length to the power of τ, in place; the bias becomes 0."""
    for scaled, before, length, bias in classifiers:
        # Weights of length 0 stay what they are.
        scaled.copy_(before / length.clamp_min(torch.finfo(length.dtype).tiny).pow(tau))
        if bias is not None:
            bias.detach().zero_()
