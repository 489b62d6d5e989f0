"""What is known of each metric, said once: evaluation, pages, terminal and comparison all read it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ALARM_METRICS",
    "CLASS_METRICS",
    "OVERALL_METRICS",
    "Metric",
    "Scale",
    "partial_auroc_up_to",
    "sensitivity_at",
]

Scale = Literal["logit", "log", "fisher"]
"""On what a metric is unbounded: for metrics in (0, 1), (0, ∞) and (−1, 1)."""


@dataclass(frozen=True)
class Metric:
    """What is known of a metric.

    Attributes
    ----------
    key : str
        In ``metrics.json``.
    name : str
        For people, as it stands within a sentence.
    meaning : str
        In a few words.
    formula : str
        N units, K classes, y the truth, ŷ the class that was decided, p the probabilities; TP, FN, FP, TN count one
        class against the rest.
    source : str
    higher_is_better : bool
    share : bool
        A share, whose differences are percentage points.
    scale : "logit", "log" or "fisher", optional
        Scale of its bootstrap interval; without it none is made by bootstrap.
    of_positive : bool
        Overall, of two classes it is the positive class's: its name says whose.
    """

    key: str
    name: str
    meaning: str
    formula: str
    source: str = ""
    higher_is_better: bool = True
    share: bool = True
    scale: Scale | None = None
    of_positive: bool = False

    def named(self, positive: str | None = None) -> str:
        """Return the name, with the class whose metric it is: ``"AUPRC (malignant)"``.

        Examples
        --------
        >>> OVERALL_METRICS["auprc"].named("malignant"), OVERALL_METRICS["brier"].named()
        ('AUPRC (malignant)', 'Brier score, summed over classes')
        """
        if not self.of_positive:
            return self.name
        if positive is not None:
            return f"{self.name} ({positive})"
        return f"{self.name}, summed over classes" if self.key == "brier" else self.name

    def headed(self, positive: str | None = None) -> str:
        """Return the name as it stands over a column: ``"Balanced accuracy"``."""
        name = self.named(positive)
        return name[0].upper() + name[1:]

    def difference(self, value: float) -> str:
        """Return a difference of two metrics with its sign: in points for shares, as it is for others.

        Examples
        --------
        >>> OVERALL_METRICS["auroc"].difference(-0.2), OVERALL_METRICS["log_loss"].difference(0.0312)
        ('−20.0 points', '+0.031')
        """
        text = f"{100 * value:+.1f}" if self.share else f"{value:+.3f}"
        text = text.replace("-", "+" if float(text) == 0 else "−")
        return f"{text} points" if self.share else text


_DAVIS = "Davis and Goadrich 2006"
_GUO = "Guo et al. 2017, equation 3, 15 bins"

OVERALL_METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "balanced_accuracy", "balanced accuracy", "mean of the classes' sensitivities", "mean of TP / (TP + FN)",
            "Brodersen et al. 2010", scale="logit",
        ),
        Metric(
            "accuracy", "accuracy", "share that is right; rewards the frequent class", "share of ŷ = y", scale="logit"
        ),
        Metric(
            "g_mean", "G-mean", "geometric mean of the sensitivities: 0 if one class is never found",
            "(Π sensitivity)^(1/K)", "Kubat and Matwin 1997", scale="logit",
        ),
        Metric(
            "macro_f1", "macro F1", "mean of the classes' F1", "mean of 2 TP / (2 TP + FP + FN)",
            "Opitz and Burst 2019, “averaged F1”", scale="logit",
        ),
        Metric(
            "mcc", "MCC", "Matthews' correlation of truth and call: 0 is chance, 1 perfect",
            "correlation of the two K-class codings", "Gorodkin 2004, equation 8", share=False, scale="fisher",
        ),
        Metric(
            "auroc", "AUROC", "how well the probabilities rank: 0.5 is chance",
            "P(p of a unit of the class > p of another) + ½ P(equal)", "Hanley and McNeil 1982", scale="logit",
            of_positive=True,
        ),
        Metric(
            "auprc", "AUPRC", "mean precision over all thresholds; guessing reaches the floor below",
            "Σ (R_i − R_{i−1}) P_i, average precision", _DAVIS, scale="logit", of_positive=True,
        ),
        Metric(
            "auprc_floor", "AUPRC floor", "the class's share: the AUPRC of guessing", "share of y = class", _DAVIS,
            of_positive=True,
        ),
        Metric(
            "macro_auroc", "macro AUROC", "mean of the classes' AUROC, each against the rest", "mean of AUROC",
            "Hand and Till 2001, one against the rest", scale="logit",
        ),
        Metric(
            "macro_auprc", "macro AUPRC", "mean of the classes' AUPRC, each against the rest", "mean of AUPRC",
            _DAVIS, scale="logit",
        ),
        Metric(
            "log_loss", "log-loss", "how far the probabilities are off; less is better", "mean of −ln p_y",
            "Good 1952", higher_is_better=False, share=False, scale="log",
        ),
        Metric(
            "brier", "Brier score", "squared error of the probabilities; less is better",
            "mean of (p − [y = class])² of the positive class; of more classes the sum over classes", "Brier 1950",
            higher_is_better=False, share=False, scale="log", of_positive=True,
        ),
        Metric(
            "ece", "calibration error", "mean gap between a stated probability and what happens; less is better",
            "Σ n_b / N |mean p − share right|", _GUO, higher_is_better=False, share=False,
        ),
        Metric(
            "classwise_ece", "macro calibration error", "the same of each class's probability, averaged over classes",
            "mean of the classes' calibration errors", "Kull et al. 2019", higher_is_better=False, share=False,
        ),
        Metric("coverage", "coverage", "share of cases that were decided at all", "share that was decided"),
    )
}  # fmt: skip
"""Over all classes, or of two the positive one's, by their keys in ``metrics.json``."""

CLASS_METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("sensitivity", "sensitivity", "share of the class that is found", "TP / (TP + FN)"),
        Metric("specificity", "specificity", "share of the others that is left out", "TN / (TN + FP)"),
        Metric("precision", "precision", "share of what is called so that is so", "TP / (TP + FP)"),
        Metric(
            "f1", "F1", "harmonic mean of precision and sensitivity", "2 TP / (2 TP + FP + FN)", scale="logit"
        ),
        OVERALL_METRICS["auroc"],
        OVERALL_METRICS["auprc"],
        Metric(
            "brier", "Brier score", "squared error of the class's probability", "mean of (p − [y = class])²",
            "Brier 1950", higher_is_better=False, share=False, scale="log",
        ),
        Metric(
            "calibration_error", "calibration error", "mean gap between the class's probability and its share",
            "Σ n_b / N |mean p − share of the class|", _GUO, higher_is_better=False, share=False,
        ),
    )
}  # fmt: skip
"""Of one class against the rest."""

ALARM_METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "precision", "precision", "share of what is called so that is so", "TP / (TP + FP)", scale="logit",
            of_positive=True,
        ),
        Metric(
            "alarm_rate", "share called positive", "share of all cases that is called so", "(TP + FP) / N",
            higher_is_better=False, scale="logit", of_positive=True,
        ),
        Metric(
            "expected_cost", "expected cost", "a case's mean cost under the stated cost matrix",
            "mean of cost[y, ŷ]", "Elkan 2001, equation 1", higher_is_better=False, share=False, scale="log",
        ),
    )
}  # fmt: skip
"""What finding a rare class costs, by a comparison's keys."""


def sensitivity_at(specificity: float) -> Metric:
    """Return the metric "highest sensitivity of a threshold that keeps this specificity"."""
    return Metric(
        f"sensitivity@specificity={specificity:g}", f"sensitivity at a specificity of {specificity:g}",
        f"highest sensitivity of a threshold whose specificity is at least {specificity:g}",
        f"max sensitivity with specificity ≥ {specificity:g}", scale="logit", of_positive=True,
    )  # fmt: skip


def partial_auroc_up_to(largest: float) -> Metric:
    """Return the metric "standardised partial AUROC up to this false positive rate"."""
    return Metric(
        f"partial-auroc@fpr={largest:g}", f"partial AUROC up to a false positive rate of {largest:g}",
        "how well the probabilities rank where false alarms are few: 0.5 is chance, 1 perfect",
        f"½ (1 + (area − {largest:g}²/2) / ({largest:g} − {largest:g}²/2))", "McClish 1989", scale="logit",
        of_positive=True,
    )  # fmt: skip
