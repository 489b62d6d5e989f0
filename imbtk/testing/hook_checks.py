"""Checks of how hooks are declared and answered, and what they leave alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from imbtk.discovery.random_state import RandomStates
from imbtk.errors import ImbtkError, PluginError
from imbtk.testing.bench import OBSERVING, Bench, benches
from imbtk.testing.dry_run import dry_run
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import situations

__all__: list[str] = []


@check("hooks-declared")
def hooks_declared(subject: Subject) -> None:
    """It answers a hook at least."""
    cls = type(subject.strategy)
    if not cls.hooks():
        raise CheckFailure(
            "it answers no hook",
            "Give it a method such as imbtk_class_weights(self, context), marked with @hookimpl.",
        )


@check("answers")
def answers(subject: Subject) -> None:
    """Its hooks answer in every situation, or say by an ImbtkError why not; ordinary ones are not refused."""
    refusals, answered = [], False
    for situation in situations(subject.class_names):
        bench = Bench(subject.strategy, situation, strict=True)
        try:
            answered = _answers_something(bench) or answered
        except PluginError as error:
            raise CheckFailure(
                f"with {situation}: {error}",
                "Let the hook take such a run (class_counts.clamp(min=1), an empty list, ...) or raise a DataError, "
                "OptionError or PlanError of imbtk.errors that says what to do.",
            ) from error
        except ImbtkError as error:
            refusals += [f"{situation}: {error}"] if situation.ordinary else []
    if not answered:
        found = f"it refuses every ordinary run, the first with {refusals[0]}" if refusals else "no hook answers"
        raise CheckFailure(
            found,
            "If its options name classes or depend on their number, say which: "
            "check_strategy(..., class_names=('benign', 'malignant')).",
        )


def _answers_something(bench: Bench) -> bool:
    """Call every hook; return whether one answered in an ordinary situation."""
    rows = (bench.split, bench.members, bench.resample, bench.order, bench.partner)
    batch = (bench.augment, bench.mix, bench.class_weights, bench.criterion)
    network = (bench.network, bench.objective, bench.step, bench.schedule, bench.finish)
    after = (bench.head, bench.refit, bench.views, bench.calibrate, bench.decide)
    found = [call() is not None for call in (*rows, *batch, *network, *after)]
    bench.observe()
    observing = [h for h in type(bench.strategy).hooks() if h.name in OBSERVING]
    return bench.situation.ordinary and (any(found) or bool(observing) or bool(bench.disturbed))


@check("inputs-untouched")
def inputs_untouched(subject: Subject) -> None:
    """What a hook or callable is given stays as it is; only images in imbtk_augment may be changed in place."""
    for bench in benches(subject, ordinary=True):
        before = _snapshot(bench)
        dry_run(bench)
        changed = [name for name, value in _snapshot(bench).items() if not _equal(value, before[name])]
        changed += _changed_batch(bench)
        if changed:
            raise CheckFailure(
                f"it changes {changed[0]} in place ({bench.situation})",
                "Work on a copy: x.clone(), or x + y in place of x += y.",
            )


def _snapshot(bench: Bench) -> dict[str, Any]:
    context, rows, dataset = bench.context, bench.rows, bench.dataset
    values = {f"context.{f.name}": getattr(context, f.name) for f in dataclasses.fields(context)}
    values |= {"rows.indices": rows.indices, "rows.labels": rows.labels}
    values |= {"dataset.x": dataset.x, "dataset.labels": dataset.labels, "dataset.groups": dataset.groups}
    values |= dict(zip(("features in imbtk_refit", "labels in imbtk_refit"), bench.training, strict=True))
    if bench.dispatcher.answering("imbtk_calibrate") or bench.dispatcher.answering("imbtk_decide"):
        validation = map(torch.from_numpy, bench.validation)
        values |= dict(zip(("logits of validation rows", "labels of validation rows"), validation, strict=True))
    return {k: v.clone() for k, v in values.items() if isinstance(v, torch.Tensor)}


def _changed_batch(bench: Bench) -> list[str]:
    """Return what of a batch the callables change."""
    situation, changed = bench.situation, []
    places = np.arange(len(situation.target()))
    for name, function in (("the target in imbtk_augment", bench.augment()), ("the batch in imbtk_mix", bench.mix())):
        if function is not None:
            samples, target = situation.samples(), situation.target()
            function(samples, target, places)
            kept = "augment" in name or _equal(samples, situation.samples())
            changed += [] if kept and _equal(target, situation.target()) else [name]
    criterion = bench.criterion()
    if criterion is not None:
        logits, target = situation.logits(), situation.target()
        criterion(logits, target)
        kept = _equal(logits, situation.logits()) and _equal(target, situation.target())
        changed += [] if kept else ["logits or target in the criterion"]
    return changed + _changed_outputs(bench)


def _changed_outputs(bench: Bench) -> list[str]:
    """Return what an objective changes of outputs and batch, or a partner of the order."""
    objective, choose, changed = bench.objective(), bench.partner(), []
    if objective is not None:
        batch = bench.batch()
        outputs = bench.outputs(batch)
        given = {f"'{name}' of the outputs": value for name, value in outputs._asdict().items()}
        for noun, rows in (("batch", batch), *(("partner", partner) for partner in batch.partners.values())):
            given |= {f"'{name}' of the {noun}": value for name, value in rows._asdict().items()}
        tensors = {name: value.detach() for name, value in given.items() if isinstance(value, torch.Tensor)}
        before = {name: value.clone() for name, value in tensors.items()}
        objective(outputs, batch)
        changed += [f"{name} in the objective" for name, value in tensors.items() if not _equal(value, before[name])]
    order = torch.arange(len(bench.context.labels))
    if choose is not None:
        choose(1, order)
        changed += [] if torch.equal(order, torch.arange(len(order))) else ["the order in imbtk_partner"]
    return changed


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


@check("random-state-untouched")
def random_state_untouched(subject: Subject) -> None:
    """The global random states of Python, NumPy and torch stay as they are (core seeds torch's for new modules)."""
    for bench in benches(subject, ordinary=True):
        before = RandomStates.now()
        dry_run(bench, leave_out="imbtk_head")
        library = before.disturbed() or bench.disturbed
        if library:
            raise CheckFailure(
                f"it draws from, or seeds, the global random state of {library} ({bench.situation})",
                "Take numbers from the draw that the hook is given: draw.generator(), draw.numpy(), "
                "draw.uniform(columns); context.draw while building.",
            )


@check("training-rows-only", ("imbtk_resample",))
def training_rows_only(subject: Subject) -> None:
    """Resampling looks at training rows only."""
    for bench in benches(subject):
        bench.resample()
        for seen in bench.seen:
            outside = seen[~torch.isin(seen, bench.rows.indices)]
            if len(outside):
                raise CheckFailure(
                    f"it looks at row {int(outside[0])}, which is no training row ({bench.situation})",
                    "Ask rows.features_of for rows.indices, or for some of them.",
                )
