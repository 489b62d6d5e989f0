"""Checks of what hooks return: images, mixed batches, weights, heads, calibration, decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.authoring.contracts import (
    augment_fault,
    calibrate_fault,
    class_weights_fault,
    decide_fault,
    head_fault,
    mix_fault,
    views_fault,
)
from imbtk.authoring.prediction import CalibrationMap
from imbtk.errors import ImbtkError, PluginError
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
from imbtk.models.trial import HeadOrigin, check_head
from imbtk.testing.bench import OBSERVING, Bench, benches
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH, FEATURES

__all__: list[str] = []


@check("images-result", ("imbtk_augment",))
def images_result(subject: Subject) -> None:
    """Augmented images have the shape, dtype and range of those given and are finite, also in a batch of one."""
    for bench in benches(subject):
        augment = bench.augment()
        for size in (BATCH, 1) if augment else ():
            images, target = bench.situation.samples(size), bench.situation.target(size)
            made = augment(images.clone(), target, np.arange(size)) if augment else None
            if fault := augment_fault(made, images):
                raise CheckFailure(
                    f"imbtk_augment, {bench.situation}, a batch of {size}: {fault}",
                    "Return images (B, C, H, W) of the dtype given, finite and in [0, 1]: they are normalised later.",
                )


@check("mix-result", ("imbtk_mix",))
def mix_result(subject: Subject) -> None:
    """Mixed samples keep their shape, and rows of the target are shares that sum to one, also in a batch of one."""
    for bench in benches(subject):
        mix = bench.mix()
        if mix is None:
            continue
        for size in (BATCH, 1):
            samples, target = bench.situation.samples(size), bench.situation.target(size)
            mixed = mix(samples, target, np.arange(size))
            if fault := mix_fault(mixed, samples, target):
                raise CheckFailure(
                    f"imbtk_mix, {bench.situation}, a batch of {size}: {fault}",
                    "Return (images, target), target mixed as samples: share * target + (1 - share) * target[other].",
                )


TRIES = 8


@check("mix-target", ("imbtk_mix",))
def mix_target(subject: Subject) -> None:
    """Samples and targets are mixed together: neither takes something of another class without the other."""
    for bench in benches(subject, ordinary=True):
        samples, target = _one_picture_a_class(bench), bench.situation.target()
        moved = relabelled = False
        for seed in range(TRIES):
            mix = Bench(subject.strategy, bench.situation, seed).mix()
            if mix is None:
                continue
            mixed, labels = mix(samples.clone(), target.clone(), np.arange(BATCH))
            moved = moved or float((mixed - samples).abs().max()) > 1e-3
            relabelled = relabelled or float((labels - target).abs().max()) > 1e-3
        if moved and not relabelled:
            raise CheckFailure(
                f"it mixes samples of other classes into a batch and leaves the target as it was ({bench.situation})",
                "Mix target as samples: share * target + (1 - share) * target[other].",
            )
        if relabelled and not moved:
            raise CheckFailure(
                f"it changes the target of samples that it leaves alone ({bench.situation})",
                "Mix samples as the target; what smooths targets only is a criterion.",
            )


def _one_picture_a_class(bench: Bench) -> torch.Tensor:
    """Return a batch in which all samples of a class are equal: what mixing changes comes from another class."""
    classes = bench.situation.target().argmax(1)
    return bench.situation.samples(bench.situation.num_classes)[classes]


@check("weights-result", ("imbtk_class_weights",))
def weights_result(subject: Subject) -> None:
    """Class weights are a tensor (K,), finite and positive for each class that has rows."""
    for bench in benches(subject):
        weights = bench.class_weights()
        fault = "" if weights is None else class_weights_fault(weights, bench.context)
        if fault:
            raise CheckFailure(
                f"imbtk_class_weights returns {fault} ({bench.situation})",
                "Return one number for each class, absent ones too: guard against a count of 0 or 1 in a denominator "
                "or a log, and compute in double().",
            )


@check("head-result", ("imbtk_head",))
def head_result(subject: Subject) -> None:
    """The head is a Module, (B, D) -> (B, K) and finite, also for a batch of one, which torch.export can save."""
    exported = False
    for bench in benches(subject):
        head = bench.head()
        if head is not None:
            _check_head(head, bench, "imbtk_head")
            exported = exported or isinstance(head, (LinearHead, CosineHead, ScaledHead))
            if not exported:
                _check_export(head)
                exported = True


def _check_head(head: Any, bench: Bench, hook: str) -> None:
    mend = "Return a torch.nn.Module that maps features (B, D) to logits (B, K): LinearHead(in_features, K), say."
    if fault := head_fault(head):
        raise CheckFailure(f"{hook} returns {fault} ({bench.situation})", mend)
    try:
        check_head(head, FEATURES, bench.situation.num_classes, HeadOrigin("the strategy", hook))
    except PluginError as error:
        raise CheckFailure(f"{error} ({bench.situation})", mend) from error


def _check_export(head: torch.nn.Module) -> None:
    """Save a head of a stranger's own class as a saved model does."""
    try:
        torch.export.export(head.eval(), (torch.randn(2, FEATURES),))
    except Exception as error:  # torch.export raises errors of many kinds, with no common base
        first = str(error).strip().split("\n")[0]
        raise CheckFailure(
            f"torch.export cannot save the head: {type(error).__name__}: {first}",
            "Use torch functions only, and no Python branch on a tensor's values, in forward.",
        ) from error


@check("refit-result", ("imbtk_refit",))
def refit_result(subject: Subject) -> None:
    """The refitted head is a Module, (B, D) -> (B, K) and finite, also for a batch of one."""
    for bench in benches(subject):
        found = bench.refit()
        if found is not None:
            _check_head(found, bench, "imbtk_refit")


@check("views-result", ("imbtk_views",))
def views_result(subject: Subject) -> None:
    """Views are a sequence of View, none twice, that images of this shape have."""
    for bench in benches(subject):
        views = bench.views()
        fault = "" if views is None else views_fault(views, bench.context)
        if fault:
            raise CheckFailure(
                f"imbtk_views returns {fault} ({bench.situation})",
                "Return [View(), View(mirror=True)], say, and None for tables; quarter turns only of square images.",
            )


@check("calibration-result", ("imbtk_calibrate",))
def calibration_result(subject: Subject) -> None:
    """Calibration is a CalibrationMap whose probabilities are finite and sum to one."""
    for bench in benches(subject):
        made = bench.calibrate()
        fault = "" if made is None else calibrate_fault(made, bench.validation[0], bench.situation.num_classes)
        if fault:
            raise CheckFailure(
                f"imbtk_calibrate returns {fault} ({bench.situation})",
                "Return a CalibrationMap(scale, shift), scale above 0 and shift (K,) finite, for an absent class too.",
            )


@check("decision-result", ("imbtk_decide",))
def decision_result(subject: Subject) -> None:
    """The decision is a DecisionRule that names a class, or abstains, for every row."""
    for bench in benches(subject):
        rule, k = bench.decide(), bench.situation.num_classes
        if rule is None:
            continue
        fault, logits = decide_fault(rule, k), bench.validation[0]
        if not fault:
            decided = rule.decide(logits, CalibrationMap().probabilities(logits))
            fault = "" if decided.min() >= -1 and decided.max() < k else "a rule that decides what is no class"
        if fault:
            raise CheckFailure(
                f"imbtk_decide returns {fault} ({bench.situation})",
                "Return a DecisionRule: shift has shape (K,) and cost (K, K), all finite; on is 'logits' or "
                "'probabilities'.",
            )


@check("observer-quiet", OBSERVING)
def observer_quiet(subject: Subject) -> None:
    """Watching a run raises nothing and writes nothing into what it is shown; a report is titles with content."""
    bench = next(benches(subject))
    bench.strict = True
    plan: list[str] = [bench.item.label]
    run: dict[str, Any] = {"plan": plan, "data": "made up", "model": "mlp", "seed": 0, "epochs": 1, "out": "nowhere"}
    record = {"epoch": 0.0, "phase": 0.0, "lr": 1e-3, "train_loss": 0.5}
    metrics: dict[str, Any] = {"validation": {"overall": {}}, "test": {"overall": {}}}
    shown = repr((run, record, metrics))
    try:
        sections = bench.observe(run, record, metrics)
    except ImbtkError as error:
        raise CheckFailure(str(error), "Read with run.get(...): a key may be missing in another version.") from error
    if repr((run, record, metrics)) != shown:
        raise CheckFailure("it changes what it is shown of a run", "Copy it first: dict(record).")
    listed = sections if isinstance(sections, (list, tuple)) else [sections]
    for section in [] if sections is None else listed:
        if not isinstance(section, tuple) or len(section) != 2 or not isinstance(section[0], str):
            raise CheckFailure(
                f"imbtk_report returns a {type(section).__name__} as a section",
                "Return a list of (title, content): [('Mistakes', 'Most are of class b.')].",
            )
