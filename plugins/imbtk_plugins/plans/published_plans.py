"""Plans as papers describe them, and the words by which people know what is written otherwise here."""

from __future__ import annotations

from imbtk import Recipe, Suits, hookimpl

_CAO = (
    "Cao et al. 2019, “Learning imbalanced datasets with label-distribution-aware margin loss”, section 3.3 and "
    "Algorithm 1 (deferred re-weighting)."
)
_KANG = "Kang et al. 2020, “Decoupling representation and classifier for long-tailed recognition”"
_MENON = "Menon et al. 2021, “Long-tail learning via logit adjustment”"
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
        suits=Suits(
            "Weights from the first epoch on may spoil what is learnt of so many classes.",
            classes=(5, None),
            imbalance=(10, None),
            priority=40,
        ),
    ),
    "drs": Recipe(
        "oversample@80%-",
        "Show all classes equally often, in the last fifth of the training alone.",
        when="Where weights make training unsteady; otherwise as drw.",
        evidence=f"{_FIGURES} 75.1 / 40.6 beside 70.4 / 38.3; oversampling from the first epoch 72.5 / 35.2 "
        "(BagofTricks-LT).",
        source=_CAO,
        suits=Suits(
            "Rows of rare classes are repeated only once the network has learnt to see.",
            classes=(5, None),
            imbalance=(10, None),
            rarest_rows=(20, None),
            priority=30,
        ),
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
        "mixup@0-90% label-aware-smoothing@90%- lws:statistics=true@90%-",
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
        suits=Suits(
            "There are enough of them for a head of its own, and the features stay those of all rows.",
            kind="images",
            imbalance=(5, None),
            rarest_rows=(50, None),
            rarest_groups=(20, None),
            priority=60,
        ),
    ),
    "weighted": Recipe(
        "class-weights",
        "Weight the loss of each class by its inverse frequency.",
        when="Few classes, a moderate imbalance; the row that most studies have.",
        evidence=f"{_FIGURES} 68.3 / 32.3 beside 70.4 / 38.3, worse than none on so many classes (BagofTricks-LT); "
        "for few classes no figure is at hand.",
        source="King & Zeng 2001, “Logistic regression in rare events data”, section 4.2 (weighting).",
        suits=Suits(
            "It costs nothing, and most studies have this row.",
            classes=(2, 4),
            imbalance=(1.5, 100),
            priority=50,
        ),
    ),
    "adjusted": Recipe(
        "logit-adjust",
        "Add the logarithm of each class's frequency to its logit in the loss: the decision comes out balanced.",
        when="Nearly always: no weight becomes large, whatever the imbalance.",
        evidence="ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100: 77.9 / 44.1 beside 71.4 / 39.9 of "
        "the plain network; the plain network with its decision moved 77.3 / 44.1.",
        source=f"{_MENON}, equation 10.",
        suits=Suits("No weight becomes large, whatever the imbalance.", imbalance=(3, None), priority=55),
    ),
    "folds-and-threshold": Recipe(
        "ensemble:over=folds threshold",
        "A model for each of five training folds, their mean, and thresholds fitted on what unseen rows were given.",
        when="Few patients: one validation side is too small to choose a threshold on. It costs five trainings.",
        evidence="The winners of SIIM-ISIC (melanoma: 18 models on 5 folds) and of RSNA's mammography challenge (four "
        "folds) used cross-entropy and ensembles over folds; no figure for the ensemble alone is at hand.",
        source="Buchanan et al. 2023, “The effects of ensembling on long-tailed data”.",
        suits=Suits(
            "One validation side holds too few of them to choose a threshold on.",
            rarest_groups=(10, 60),
            priority=70,
        ),
    ),
    "flat-drw": Recipe(
        f"sam:rho=0.5 {_DRW}",
        "Deferred weights with steps towards flat minima, so that rare classes do not end in saddle points.",
        when="Many classes and a long tail, if every step may cost two.",
        evidence="ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100: 80.6 / 44.6 (ρ = 0.5 / 0.8).",
        source="Rangwani et al. 2022, “Escaping saddle points for effective generalization on class-imbalanced data”.",
        suits=Suits(
            "The authors see rare classes end in saddle points; every step costs two.",
            kind="images",
            classes=(10, None),
            imbalance=(50, None),
            priority=45,
        ),
    ),
}

WORDS = {
    "deferred-reweighting": _DRW,
    "deferred-resampling": "oversample@80%-",
    "easy-ensemble": "bagging",
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
