"""What a run says of itself before training, as JSON values: its plan with the ledger, and the machine it is on."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from imbtk._version import __version__
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.planning.prepared import PreparedRun, RunData
from imbtk.runs.format import PLAN
from imbtk.wording import join_words, plural, several

__all__ = ["environment", "groups_known", "plan_document"]


def plan_document(prepared: PreparedRun) -> dict[str, Any]:
    """Return what ``plan.json`` holds: the strategies, phases, ledger, defaults, split and warnings of a run."""
    return {
        "schema_version": PLAN.schema,
        "class_names": list(prepared.data.dataset.class_names),
        "strategies": [
            {
                "spec": str(item),
                "name": item.strategy.name,
                "summary": (type(item.strategy).__doc__ or "").strip().split("\n")[0],
                "stages": [hook.stage for hook in item.strategy.hooks()],
                "options": item.strategy.options(),
                "distribution": item.provider,
                "window": None if item.window is None else str(item.window),
            }
            for item in prepared.plan.strategies.items
        ],
        "phases": [
            {
                "index": phase.planned.phase.index,
                "start": phase.planned.phase.start,
                "stop": phase.planned.phase.stop,
                "steps_per_epoch": phase.steps,
                "samples_per_epoch": phase.order_length,
                "strategies": [str(item) for item in phase.planned.items],
            }
            for phase in prepared.plan.phases
        ],
        "ledger": [
            {"phase": phase.planned.phase.index, "rows": phase.ledger.table(), "index": phase.ledger.known_index}
            for phase in prepared.plan.phases
        ],
        "defaults": _defaults(prepared),
        "split": _split(prepared.data),
        "inner_models": len(prepared.inner),
        **({"members": [len(member.run.data.split.train) for member in prepared.members]} if prepared.members else {}),
        "warnings": [*prepared.data.dataset.notes, *prepared.plan.warnings],
    }


def _defaults(prepared: PreparedRun) -> list[list[str]]:
    """Return what the run does where the user said nothing, as (what, value) for people."""
    config, dataset = prepared.model.config, prepared.data.dataset
    splitter = [
        item for item in prepared.plan.strategies.items if any(h.name == "imbtk_split" for h in item.strategy.hooks())
    ]
    split = f"by {splitter[0]}{_of_given(prepared.data)}" if splitter else _default_split(dataset.given_split)
    if prepared.unseen is not None:
        split = "none: all rows are for training; what is fitted afterwards is fitted on rows that other models, of the"
        split += f" same plan, had not seen ({prepared.unseen.models} models of the comparison)"
    stop = "the last epoch's weights"
    if config.early_stop not in (None, "none"):
        patience = f", at most {plural(config.patience, 'epoch')} without a gain" if config.patience else ""
        stop = f"the best epoch of the last phase by {str(config.early_stop).replace('_', ' ')}{patience}"
    if prepared.unseen is not None and prepared.unseen.epochs < (config.epochs or 0):
        stop = f"ended after {prepared.unseen.epochs}, the median of those kept in the comparison"
    shape, noun = "x".join(map(str, dataset.sample_shape)), "images" if dataset.kind == "images" else "rows"
    sample = f"{shape} images, {config.resize}" if dataset.kind == "images" else f"{shape} features"
    epochs, threads = plural(config.epochs or 0, "epoch"), plural(torch.get_num_threads(), "thread")
    most = "at most " if config.patience else ""
    parts = f" in {config.accumulate} parts" if config.accumulate > 1 else ""
    rows = [
        (
            "data",
            f"{dataset.name}: {len(dataset)} {noun}, {dataset.num_classes} classes, {sample}",
        ),
        ("split", split + (f", fold {config.fold} of {prepared.data.folds}" if prepared.data.folds > 1 else "")),
        ("model", str(config.model) + (" (pretrained)" if config.pretrained else "")),
        (
            "training",
            f"{config.optimizer}, {config.schedule} schedule with {config.warmup:.0%} warm-up, learning rate "
            f"{config.lr:g}, weight decay {config.weight_decay:g}, batch {config.batch_size}{parts}, {most}{epochs}, "
            f"{stop}",
        ),
        (
            "normalisation",
            "of the pretrained weights" if prepared.model.spec.mean else "mean and deviation of training rows",
        ),
        ("device", f"{prepared.model.device}, {threads}, seed {config.seed}"),
        ("precision", _precision(prepared)),
        ("initial bias", "log of the effective prior"),
        ("decision", prepared.plan.decision),
    ]
    if prepared.members:
        fitted_on = "rows that members had not seen" if prepared.covered else "validation rows"
        if prepared.unseen is None:
            fitted_on = f", each trained from start to end; what is fitted on top is fitted on {fitted_on}"
        else:
            fitted_on = ", each trained from start to end"
        rows.append(("members", f"{len(prepared.members)} models that predict as one{fitted_on}"))
    if prepared.plan.views:
        rows.append(("views", f"{plural(len(prepared.plan.views), 'look')} at each image when predicting, averaged"))
    if prepared.inner:
        more = plural(len(prepared.inner), "more training")
        rows.append(("inner models", f"{more}, for the decision: each leaves the rows of two folds out"))
    if prepared.plan.context.positive is not None:
        rows.append(("positive class", dataset.class_names[prepared.plan.context.positive]))
    return [list(row) for row in rows]


def _precision(prepared: PreparedRun) -> str:
    """Return precision and memory format of training, and how they were chosen."""
    config = prepared.model.config
    if "auto" in (config.precision, config.memory_format):
        return "chosen before the first step"
    words = config.precision + (f", {config.memory_format}" if prepared.data.dataset.kind == "images" else "")
    return words if prepared.model.speed is None else f"{words} ({prepared.model.speed.words})"


def _of_given(data: RunData) -> str:
    """Return what a split strategy made of the split that the data give."""
    given, split = data.dataset.given_split, data.split
    if given is None:
        return ""
    kept: list[str] = []
    moved: list[str] = []
    train = torch.cat([split.train, data.dropped])
    for number, rows in enumerate((train, split.validation, split.test)):
        side = torch.nonzero(given == number)[:, 0]
        if len(side):
            (kept if torch.equal(rows.sort().values, side) else moved).append(SPLIT_NAMES[number])
    said = [f"the data's own {join_words(kept)} rows kept"] if kept else []
    if moved:
        said.append(f"{'' if kept else 'the given '}{join_words(moved)} rows dealt anew")
    return f", {', '.join(said)}"


def _default_split(given: torch.Tensor | None) -> str:
    """Return how rows are split where no strategy splits them: as the data say, as far as they do."""
    if given is None:
        return "shuffled hold-out 64 / 16 / 20 %, whole groups, classes left to chance"
    lacking = [name for side, name in enumerate(SPLIT_NAMES) if not bool((given == side).any())]
    if not lacking:
        return "the data's own"
    return f"the data's own; {join_words(lacking)} cut from its training rows by whole groups, classes left to chance"


def _split(data: RunData) -> dict[str, Any]:
    dataset, split = data.dataset, data.split
    sides = dict(zip(SPLIT_NAMES, (split.train, split.validation, split.test), strict=True))
    counts = {
        s: torch.bincount(dataset.labels[rows], minlength=dataset.num_classes).tolist() for s, rows in sides.items()
    }
    groups, noun = None, dataset.group_name
    if dataset.groups is not None and groups_known(data):
        groups = {side: len(torch.unique(dataset.groups[rows])) for side, rows in sides.items()}
    return {
        **{side: len(rows) for side, rows in sides.items()},
        "class_counts": counts,
        "groups": groups,
        "group_name": noun,
        "dropped": len(data.dropped),
        "note": (
            f"No {noun} is on two sides."
            if groups is not None
            else f"{several(noun).capitalize()} are not known: these metrics assume that no two rows come from one "
            f"{noun}."
        ),
    }


def groups_known(data: RunData) -> bool:
    """Return whether the data say which rows belong together, beyond rows that are identical."""
    return data.dataset.known_groups(data.split.train) is not None


def environment(prepared: PreparedRun) -> dict[str, Any]:
    """Return what a reader needs to repeat the run elsewhere: versions, processor, device, data digest."""
    packages = ("torch", "torchvision", "numpy", "scikit-learn", "imbalanced-learn", "pluggy", "pydantic")
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    gpu = torch.cuda.get_device_name(prepared.model.device) if prepared.model.device.type == "cuda" else None
    return {
        "imbtk": __version__,
        "python": platform.python_version(),
        **found,
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(prepared.model.device),
        "gpu": gpu,
        "command": " ".join(sys.argv[1:]),
        "plugins": {item.strategy.name: item.provider for item in prepared.plan.strategies.items},
        "data": prepared.data.dataset.description,
    }
