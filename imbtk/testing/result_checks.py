"""Checks of what hooks return: images, mixed batches, weights, heads, calibration, decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.errors import ImbtkError
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
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
            where = f"imbtk_augment, {bench.situation}, a batch of {size}"
            _check_tensor(made, tuple(images.shape), where, "Return images (B, C, H, W) of the dtype given.")
            # What overshoots a little, a contrast raised and not clamped, is not at fault.
            if made is not None and (float(made.min()) < -1 or float(made.max()) > 2):
                raise CheckFailure(
                    f"{where}: values from {float(made.min()):.3g} to {float(made.max()):.3g}, of images in [0, 1]",
                    "Images are float32 in [0, 1], normalised after augmentation: return them so, with .clamp_(0, 1).",
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
            where = f"imbtk_mix, {bench.situation}, a batch of {size}"
            if not isinstance(mixed, tuple) or len(mixed) != 2:
                raise CheckFailure(f"{where}: a {type(mixed).__name__}", "Return (images, target).")
            mend = "Mix target as samples: share * target + (1 - share) * target[other]."
            _check_tensor(mixed[0], tuple(samples.shape), where, "Return images of the shape and dtype given.")
            _check_tensor(mixed[1], tuple(target.shape), where, mend)
            if bool((mixed[1] < 0).any()) or not torch.allclose(mixed[1].sum(1), torch.ones(size), atol=1e-4):
                raise CheckFailure(f"{where}: rows of the target do not sum to one", mend)


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


def _check_tensor(value: Any, shape: tuple[int, ...], where: str, mend: str) -> None:
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape or value.dtype != torch.float32:
        got = (
            f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
            if isinstance(value, torch.Tensor)
            else type(value).__name__
        )
        raise CheckFailure(f"{where}: {got} instead of float32 {shape}", mend)
    if not bool(value.isfinite().all()):
        raise CheckFailure(f"{where}: values that are not finite", "Divide by nothing that can be zero.")


@check("weights-result", ("imbtk_class_weights",))
def weights_result(subject: Subject) -> None:
    """Class weights are a tensor (K,), finite and positive for each class that has rows."""
    for bench in benches(subject):
        weights, k = bench.class_weights(), bench.situation.num_classes
        if weights is None:
            continue
        if not isinstance(weights, torch.Tensor) or weights.shape != (k,) or weights.dtype == torch.bool:
            got = tuple(weights.shape) if isinstance(weights, torch.Tensor) else type(weights).__name__
            raise CheckFailure(
                f"imbtk_class_weights returns {got} instead of a tensor of numbers ({k},) ({bench.situation})",
                "Return one number for each class, absent ones too: context.num_classes, or of context.class_counts.",
            )
        present = bench.context.class_counts > 0
        if not bool((weights.isfinite() & (weights > 0))[present].all()):
            raise CheckFailure(
                f"a class that has rows gets a weight that is not finite and above 0 ({bench.situation})",
                "Guard against a count of 0 or 1 in a denominator or a log; compute in double().",
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
    k = bench.situation.num_classes
    mend = "Return a torch.nn.Module that maps features (B, D) to logits (B, K): LinearHead(in_features, K), say."
    if not isinstance(head, torch.nn.Module):
        raise CheckFailure(f"{hook} returns a {type(head).__name__} ({bench.situation})", mend)
    for size in (BATCH, 1):
        features = torch.randn(size, FEATURES, generator=torch.Generator().manual_seed(17))
        try:
            logits = head.eval()(features)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise CheckFailure(f"the head of {hook} fails on a batch of {size}: {error}", mend) from error
        _check_tensor(logits.detach(), (size, k), f"the head of {hook}, {bench.situation}", mend)


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


@check("calibration-result", ("imbtk_calibrate",))
def calibration_result(subject: Subject) -> None:
    """Calibration is a CalibrationMap whose probabilities are finite and sum to one."""
    for bench in benches(subject):
        made = bench.calibrate()
        if made is None:
            continue
        if not isinstance(made, CalibrationMap):
            raise CheckFailure(
                f"imbtk_calibrate returns a {type(made).__name__}",
                "Return a CalibrationMap(scale, shift): a saved model keeps data, not code.",
            )
        try:
            with np.errstate(all="ignore"):
                probabilities = made.probabilities(bench.validation[0])
        except (ValueError, TypeError, IndexError) as error:
            raise CheckFailure(
                f"the map cannot be used ({bench.situation}): {error}",
                "shift has shape (K,), tables one entry per class.",
            ) from error
        if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(1), 1):
            raise CheckFailure(
                f"probabilities are not finite, or rows do not sum to one ({bench.situation})",
                "Keep scale above 0 and shift finite, for an absent class too.",
            )


@check("decision-result", ("imbtk_decide",))
def decision_result(subject: Subject) -> None:
    """The decision is a DecisionRule that names a class, or abstains, for every row."""
    for bench in benches(subject):
        rule, k = bench.decide(), bench.situation.num_classes
        if rule is None:
            continue
        if not isinstance(rule, DecisionRule):
            raise CheckFailure(
                f"imbtk_decide returns a {type(rule).__name__}",
                "Return a DecisionRule(on, shift, cost, reject_below): a saved model keeps data, not code.",
            )
        logits, _ = bench.validation
        mend = "shift has shape (K,) and cost (K, K), all finite; on is 'logits' or 'probabilities'."
        try:
            decided = rule.decide(logits, CalibrationMap().probabilities(logits))
        except (ValueError, TypeError, IndexError) as error:
            raise CheckFailure(f"the rule cannot be used ({bench.situation}): {error}", mend) from error
        numbers = [v for v in (rule.shift, rule.cost) if v is not None]
        if decided.min() < -1 or decided.max() >= k or not all(np.isfinite(v).all() for v in numbers):
            raise CheckFailure(f"the rule decides what is no class, or is not finite ({bench.situation})", mend)
        if rule.shift is not None and np.shape(rule.shift) != (k,):
            raise CheckFailure(f"the shift has shape {np.shape(rule.shift)} instead of ({k},)", mend)


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
