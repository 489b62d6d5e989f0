"""Class weights in the loss."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import model_validator

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import effective_weights
from imbtk.errors import OptionError, did_you_mean

__all__ = ["ClassWeights"]

_BETA = 0.999


class ClassWeights(Strategy):
    """Weight each class in the loss, by default by its inverse frequency.

    Notes
    -----
    With n_c rows of class c, N rows and K classes that have rows, the weight of class c is

    - ``balanced``: N / (K · n_c), as scikit-learn's ``class_weight="balanced"``
    - ``inverse``: 1 / n_c
    - ``sqrt``: 1 / √n_c
    - ``effective``: (1 - β) / (1 - β^n_c), one over the effective number of samples
    - ``custom``: what `weights` says

    The counts are those of the training rows after resampling. Weights are scaled to mean 1 over the rows as an epoch
    shows them, so only their ratios matter: ``balanced`` and ``inverse`` train the same model, and neither moves the
    learning rate. A class without a row has weight 0. ``effective`` goes from no weighting (β = 0) to ``inverse``
    (β → 1), and is computed as -(1 - β) / expm1(n_c · log1p(β - 1)), which stays exact for any n_c and β.

    When to use
    -----------
    As the first thing to compare with, on few classes. With many classes in the last epochs alone:
    ``class-weights:scheme=effective@80%-``.

    Cost
    ----
    None that is felt: a factor on the loss of each row.

    Not with
    --------
    `oversample`, `undersample`, `balanced-softmax`, `logit-adjust`, `balanced-contrastive` and, in its window, `crt`
    correct the same frequencies: refused as over-correction, and with ``scheme=custom`` warned of. `auc-margin` never
    looks at weights and is refused. After `bagging`, or ``resample`` to equal counts, weights by counts change nothing,
    and the plan says so.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (BagofTricks-LT, best test epoch): accuracy 68.3 / 32.3
    from the first epoch on, 74.6 / 39.2 with ``effective`` deferred, beside 70.4 / 38.3 of the plain network. NIH /
    MIMIC long-tailed chest X-rays (Holste et al. 2022): balanced accuracy 0.260 / 0.211 beside 0.115 / 0.169. On two
    Gaussians at 1:100 (``docs/ledger.md``) sensitivity rose from 0.08 to 0.85 (``linear``) and from 0.03 to 0.84
    (``mlp``).

    References
    ----------
    King & Zeng 2001, "Logistic regression in rare events data", section 4.2 (weighting; what scikit-learn's "balanced"
    goes back to). Cui et al. 2019, "Class-balanced loss based on effective number of samples", Proposition 1 and
    section 4 (``effective``).
    """

    scheme: Literal["balanced", "inverse", "sqrt", "effective", "custom"] = option(
        "balanced", "How the weight of a class follows from its number of training rows."
    )
    beta: float = option(
        _BETA, "β of scheme=effective: 0 gives equal weights, towards 1 inverse frequency.", ge=0, lt=1
    )
    weights: dict[str, float] | None = option(
        None, "Weight of each class by its name, above 0, for scheme=custom; only the ratios matter."
    )

    @model_validator(mode="after")
    def _check_scheme(self) -> Self:
        if self.scheme == "custom" and not self.weights:
            raise ValueError("scheme=custom needs the option 'weights': weights={name of class: number, …}")
        if self.scheme != "custom" and self.weights is not None:
            raise ValueError(f"'weights' goes with scheme=custom only, and the scheme is {self.scheme}")
        if self.scheme != "effective" and self.beta != _BETA:
            raise ValueError(f"'beta' goes with scheme=effective only, and the scheme is {self.scheme}")
        for name, weight in (self.weights or {}).items():
            if weight <= 0:
                raise ValueError(f"the weight of class '{name}' is {weight:g} and must be above 0")
        return self

    def states_costs(self) -> bool:
        """Return whether the weights are the user's own: costs, of which over-correction is warned and not refused."""
        return self.scheme == "custom"

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return the weight of each class, (K,) float64.

        Raises
        ------
        OptionError
            With scheme=custom, if a class has no weight or a name is no class.
        """
        present = context.class_counts > 0
        counts = context.class_counts.double().clamp(min=1.0)
        if self.scheme == "balanced":
            weights = counts[present].sum() / (present.sum() * counts)
        elif self.scheme == "inverse":
            weights = counts.reciprocal()
        elif self.scheme == "sqrt":
            weights = counts.rsqrt()
        elif self.scheme == "effective":
            weights = effective_weights(context.class_counts, self.beta)
        else:
            weights = self._named_weights(context.class_names)
        return torch.where(present, weights, 0.0)

    def _named_weights(self, class_names: tuple[str, ...]) -> torch.Tensor:
        weights = self.weights or {}
        for name in weights:
            if name not in class_names:
                raise OptionError(
                    f"option 'weights' of strategy '{self.name}' names the class '{name}', which the data do not have."
                    + did_you_mean(name, class_names)
                )
        missing = [name for name in class_names if name not in weights]
        if missing:
            raise OptionError(
                f"option 'weights' of strategy '{self.name}' has no weight for "
                + ", ".join(f"'{name}'" for name in missing)
                + ". Give every class one: 1 leaves it as it is beside the others."
            )
        return torch.tensor([weights[name] for name in class_names], dtype=torch.float64)
