"""Plans as papers describe them, and the words by which people know what is written otherwise here."""

from __future__ import annotations

from imbtk import Recipe, hookimpl

_CAO = (
    "Cao et al. 2019, “Learning imbalanced datasets with label-distribution-aware margin loss”, section 3.3 and "
    "Algorithm 1 (deferred re-weighting)."
)
_KANG = "Kang et al. 2020, “Decoupling representation and classifier for long-tailed recognition”"
_FIGURES = "ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, best epoch on the test set:"

_DRW = "class-weights:scheme=effective,beta=0.9999@80%-"

PLANS = {
    "drw": Recipe(
        _DRW,
        "Weight classes by their effective number of samples, in the last fifth of the training alone.",
        when="When weights from the first epoch spoil what the network learns to see: many classes, a long tail.",
        evidence=f"{_FIGURES} 74.6 / 39.2 beside 70.4 / 38.3 of the plain network; the same weights from the first "
        "epoch on 68.3 / 32.3, worse than none (BagofTricks-LT).",
        source=_CAO,
    ),
    "drs": Recipe(
        "oversample@80%-",
        "Show all classes equally often, in the last fifth of the training alone.",
        when="Where weights make training unsteady; otherwise as drw.",
        evidence=f"{_FIGURES} 75.1 / 40.6 beside 70.4 / 38.3; oversampling from the first epoch 72.5 / 35.2 "
        "(BagofTricks-LT).",
        source=_CAO,
    ),
    "ldam-drw": Recipe(
        f"ldam {_DRW}",
        "A margin that is wider for rare classes, and weights in the last fifth of the training.",
        when="A long tail of many classes and a long training.",
        evidence=f"{_FIGURES} 77.7 / 42.5 beside 70.4 / 38.3; the margin alone 73.7 / 38.9. On NIH / MIMIC chest "
        "X-rays balanced accuracy 0.289 / 0.275 beside 0.115 / 0.169.",
        source=_CAO,
    ),
    "mislas": Recipe(
        "mixup:alpha=0.2@0-90% label-aware-smoothing@90%- lws:statistics=true@90%-",
        "Mixup first; then factors for each class, with targets of frequent classes smoothed.",
        when="A long tail, where probabilities shall be sound too.",
        evidence=f"{_FIGURES} 82.5 / 47.0 beside 72.8 / 39.5 of its own baseline.",
        source="Zhong et al. 2021, “Improving calibration for long-tailed recognition”, sections 3.2 and 3.3.",
    ),
    "cb-focal": Recipe(
        "focal-loss:gamma=1.0 class-weights:scheme=effective,beta=0.9999",
        "The focal loss, weighted by the effective number of samples of each class.",
        when="As a row to compare with, since many papers do. Its weights act from the first epoch.",
        evidence=f"{_FIGURES} 75.2 / 38.6 beside 70.4 / 38.3 (γ = 1).",
        source="Cui et al. 2019, “Class-balanced loss based on effective number of samples”, section 4.3.",
    ),
    "decoupled": Recipe(
        "crt@90%-",
        "Train as ever, then a new head alone on classes shown equally often, in the last tenth.",
        when="The first thing to try on a long tail: it keeps what the plain network has learnt to see.",
        evidence=f"{_FIGURES} 75.0 / 40.3 beside 70.4 / 38.3. The best of nine on NIH and MIMIC chest X-rays: balanced "
        "accuracy 0.294 / 0.296 beside 0.115 / 0.169 (Holste et al. 2022).",
        source=f"{_KANG}, section 4 (cRT).",
    ),
}

WORDS = {
    "deferred-reweighting": _DRW,
    "deferred-resampling": "oversample@80%-",
    "effective-number": "class-weights:scheme=effective",
    "logit-shift": "logit-adjust:mode=posthoc",
    "random-erasing": "augment:erase=0.5",
    "smote": "resample:method=SMOTE",
    "stain-jitter": "augment:stain=0.05",
}


@hookimpl
def imbtk_plans() -> dict[str, Recipe | str]:
    """Return the plans of papers by their names, and other words."""
    return {**PLANS, **WORDS}
