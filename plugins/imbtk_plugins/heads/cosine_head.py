"""Cosine classifier."""

from __future__ import annotations

from torch import nn

from imbtk import CosineHead as Cosines
from imbtk import RunContext, Strategy, hookimpl, option

__all__ = ["CosineHead"]


class CosineHead(Strategy):
    """Classify by the angle between features and one direction per class, so that no class wins by longer weights.

    Notes
    -----
    With features h and the weights w_c of class c, the logit of class c is

        s · cos θ_c,    cos θ_c = w_c·h / (‖w_c‖ ‖h‖)

    without a bias. Logits lie in [-s, s]: the largest probability of K classes is 1 / (1 + (K - 1) e^(-2s)), so that a
    small s keeps a network from being sure and a large one trains like a hard decision. Frequent classes usually grow
    longer weights; here the length counts for nothing. Features of length 0 give logits of 0.

    When to use
    -----------
    With many classes and few rows of some, as the head that margin losses are built on. By itself it gains little: add
    weights, an order or an adjustment.

    Cost
    ----
    None that is felt: two normalisations per batch, and K numbers fewer than a linear head with its bias.

    Not with
    --------
    `ldam` and `gcl` bring this head themselves, with a scale of their own, and a run has one head. `tau-norm` divides
    the weights of linear heads, which here have no length that counts, and refuses it.

    Evidence
    --------
    No published figure of its own: it is the head under those of `ldam` (CIFAR-10-LT 73.7, CIFAR-100-LT 38.9, imbalance
    100), of which its share was not measured. On the built-in digits (imbalance 20, `mlp`, 60 epochs, three seeds) the
    balanced accuracy of validation rows is 0.86, and 0.88 with the linear head: no gain.

    References
    ----------
    Gidaris & Komodakis 2018, "Dynamic few-shot visual learning without forgetting", section 3.2 (a classifier of cosine
    similarities with a scale). Cao et al. 2019, "Learning imbalanced datasets with label-distribution-aware margin
    loss", section 3 (features and weights normalised; the published code has s = 30).
    """

    scale: float = option(30.0, "Factor s on the cosine, without unit: logits lie in [-s, s].", gt=0)

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> nn.Module:
        """Return the head, (B, D) -> (B, K)."""
        return Cosines(in_features, context.num_classes, self.scale)
