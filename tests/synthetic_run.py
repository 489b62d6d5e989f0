"""Run folders made of random predictions, as a run leaves them behind."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

HOSTILE = (
    "<script>alert(1)</script>",
    "a class name that goes on and on " * 3,
    'two\nlines & "quotes"',
    "emoji 🧫🔬",
    "שלום עולם",
    "$\\frac{1}{0}$ costs $5",
    "{{ 7 * 7 }} {% raw %}",
    "[bold]rich[/bold] markup",
)


def figure(value: float | None, n: int, groups: int | None = None, spread: float | None = None) -> dict[str, Any]:
    """Return a figure as in metrics.json, with a Clopper-Pearson-like or a given interval."""
    if value is None or n == 0:
        return {"value": None, "reason": "no rows of this class"}
    units = groups or n
    if spread is None:
        hits = value * units
        low = 0.0 if hits <= 0 else float(beta.ppf(0.025, hits, units - hits + 1))
        high = 1.0 if hits >= units else float(beta.ppf(0.975, hits + 1, units - hits))
        return {"value": value, "interval": [low, high], "n": n, "groups": groups, "method": "clopper-pearson"}
    interval = [value - spread, value + spread]
    return {"value": value, "interval": interval, "n": n, "groups": groups, "method": "bootstrap (rows)"}


def level(truth: np.ndarray, p: np.ndarray, names: list[str], unit: str, patients: int | None) -> dict[str, Any]:
    """Return one level of metrics.json."""
    size, called = len(names), p.argmax(1)
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (truth, called), 1)
    per_class = []
    for k, name in enumerate(names):
        own, others, hits = int(counts[k].sum()), int(counts.sum() - counts[k].sum()), int(counts[k, k])
        chosen = int(counts[:, k].sum())
        rank = None
        if own and others:
            rank = float((p[truth == k, k][:, None] > p[truth != k, k][None, :]).mean())
        per_class.append(
            {
                "name": name,
                "support": own,
                "groups": None if patients is None else min(patients, own),
                "sensitivity": figure(hits / own if own else None, own),
                "specificity": figure(1 - (chosen - hits) / others if others else None, others),
                "precision": figure(hits / chosen if chosen else None, chosen),
                "f1": figure(2 * hits / (own + chosen) if own + chosen else None, own, spread=0.05),
                "auroc": figure(rank, own, spread=0.03),
                "auprc": figure(None if rank is None else rank**2, own, spread=0.06),
                "brier": figure(float(((p[:, k] - (truth == k)) ** 2).mean()), len(truth), spread=0.01),
                "calibration_error": figure(0.03, len(truth), spread=0.01),
            }
        )
    found = [f["sensitivity"]["value"] for f in per_class if f["sensitivity"]["value"] is not None]
    n = len(truth)
    overall = {
        "accuracy": figure(float((truth == called).mean()), n),
        "balanced_accuracy": figure(float(np.mean(found)), n, spread=0.04),
        "g_mean": figure(float(np.prod(found) ** (1 / len(found))), n, spread=0.05),
        "macro_f1": figure(0.7, n, spread=0.05),
        "mcc": figure(0.02, n, spread=0.1),
        "macro_auroc": figure(0.9, n, spread=0.03),
        "macro_auprc": figure(0.8, n, spread=0.05),
        "log_loss": figure(0.6, n, spread=0.05),
        "brier": figure(0.2, n, spread=0.05),
        "ece": figure(0.05, n, spread=0.01),
        "classwise_ece": {"value": None, "reason": "a class has no rows"},
        "coverage": figure(1.0, n),
    }
    if size == 2:
        overall |= {"auroc": figure(0.91, n, spread=0.03), "auprc": figure(0.8, n, spread=0.03)}
        overall["auprc_floor"] = figure(0.1, n)
    totals = counts.sum(1)
    shares = [None if t == 0 else (row / t).tolist() for row, t in zip(counts, totals, strict=True)]
    warning = {
        "code": "few-groups",
        "class": names[-1],
        "groups": patients,
        "text": f"only 7 patients of {names[-1]!r}",
    }
    return {
        "unit": unit,
        "n": n,
        "groups": patients,
        "abstained": 0,
        "confusion_matrix": {"counts": counts.tolist(), "row_shares": shares, "abstained": [0] * size},
        "per_class": per_class,
        "overall": overall,
        "shots": {"many": figure(0.9, n), "medium": figure(None, 0), "few": figure(None, 0)},
        "extra": {},
        "warnings": [warning] if patients else [],
    }


def write_csv(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


def synthetic_run(
    folder: Path,
    classes: list[str] | int = 2,
    rows: int = 600,
    patients: int | None = None,
    images: bool = True,
    phases: int = 1,
    factor: float = 10.0,
    side: int = 24,
    strategies: bool = True,
    leak: bool = False,
    seed: int = 0,
) -> Path:
    """Write a complete run folder of random predictions; a fifth of the rows is validation, two fifths test."""
    rng = np.random.default_rng(seed)
    names = [f"class {k}" for k in range(classes)] if isinstance(classes, int) else list(classes)
    size = len(names)
    prior = factor ** -(np.arange(size) / max(size - 1, 1))
    prior /= prior.sum()
    truth = np.concatenate([np.arange(size).repeat(5), rng.choice(size, max(rows - 5 * size, 0), p=prior)])
    where = np.tile(["train", "train", "validation", "test", "test"], len(truth) // 5 + 1)[: len(truth)]
    number = {"train": 0, "validation": 1, "test": 2}
    group = [
        "" if patients is None else f"P{0 if leak else number[s]}-{t}-{rng.integers(max(patients // size // 3, 1))}"
        for s, t in zip(where, truth, strict=True)
    ]
    logits = rng.normal(size=(len(truth), size)) + 2.2 * np.eye(size)[truth] + 0.4 * np.log(prior)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    folder.mkdir(parents=True, exist_ok=True)
    file_names = [f"images/{names[t]}/{i:05d}.png" for i, t in enumerate(truth)]
    write_csv(
        folder / "split.csv",
        ["row", "file", "label", "group", "split"],
        [[i, file_names[i], names[truth[i]], group[i], where[i]] for i in range(len(truth))],
    )
    write_csv(
        folder / "predictions.csv",
        ["row", "split", "group", "truth", "predicted", *(f"p:{name}" for name in names)],
        [
            [i, where[i], group[i], names[truth[i]], names[p[i].argmax()], *p[i].tolist()]
            for i in range(len(truth))
            if where[i] != "train"
        ],
    )
    train_counts = np.bincount(truth[where == "train"], minlength=size)
    metrics: dict[str, Any] = {
        "schema_version": 2,
        "class_names": names,
        "positive_class": names[-1] if size == 2 else None,
        "group_name": "patient",
        "group_label": None,
        "train_counts": train_counts.tolist(),
        "confidence_level": 0.95,
        "conditional_on": "this trained model: another training would give other figures",
        "bootstrap_resamples": 2000,
        "seed": 0,
    }
    for name in ("validation", "test"):
        mine = np.flatnonzero(where == name)
        people = sorted({group[i] for i in mine}) if patients else None
        per_row = level(truth[mine], p[mine], names, "row", None if people is None else len(people))
        per_group: dict[str, Any] = {"value": None, "reason": "groups are not known"}
        if people is not None:
            members = [[i for i in mine if group[i] == one] for one in people]
            means = np.array([p[rows_].mean(0) for rows_ in members])
            per_group = level(truth[[rows_[0] for rows_ in members]], means, names, "group", len(people))
        metrics[name] = {"per_row": per_row, "per_group": per_group}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    write_plan(folder, names, train_counts, where, group, phases, strategies)
    write_rest(folder, size, images, side, truth, where, p, rng)
    return folder


def write_plan(
    folder: Path, names: list[str], counts: np.ndarray, where: np.ndarray, group: list[str], phases: int, any_on: bool
) -> None:
    """Write plan.json."""
    natural = counts / counts.sum()
    root = np.sqrt(natural) / np.sqrt(natural).sum()
    uniform = np.full(len(names), 1 / len(names))
    cuts = np.linspace(0, 20, phases + 1).astype(int).tolist()
    specs = ["oversample:power=0.5", "class-weights:scheme=sqrt@0-60%"] if any_on else []
    on = [{"natural": natural, "resampled": natural, "ordered": root, "weighted": uniform, "effective": uniform}]
    off = [dict.fromkeys(on[0], natural)]
    ledger = [
        {
            "phase": i,
            "rows": {k: list(v) for k, v in (on if any_on else off)[0].items()},
            "index": 1.0 if any_on else 0.0,
        }
        for i in range(phases)
    ]
    sides = ("train", "validation", "test")
    plan = {
        "schema_version": 1,
        "strategies": [
            {
                "spec": s,
                "name": s.split(":")[0],
                "summary": "Weight <b>classes</b> by frequency.",
                "options": {},
                "distribution": "imbtk 0.1.0",
                "window": None if i == 0 else "0-60%",
            }
            for i, s in enumerate(specs)
        ],
        "phases": [{"index": i, "start": cuts[i], "stop": cuts[i + 1], "strategies": specs} for i in range(phases)],
        "ledger": ledger,
        "defaults": [["model", "small-cnn"], ["epochs", "20, by the size of the data"], ["split", "64 / 16 / 20 %"]],
        "split": {
            **{side: int((where == side).sum()) for side in sides},
            "class_counts": {"train": counts.tolist()},
            "group_name": "patient",
            "groups": {s: len({g for g, w in zip(group, where, strict=True) if w == s}) for s in sides}
            if any(group)
            else None,
            "note": "",
        },
        "warnings": ["class weights and oversampling act together"] if any_on else [],
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def write_rest(
    folder: Path,
    size: int,
    images: bool,
    side: int,
    truth: np.ndarray,
    where: np.ndarray,
    p: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write config, environment, history, log and gallery."""
    (folder / "config.toml").write_text(
        'data = "set/<of>/images"\nstrategies = []\nepochs = 20\nseed = 3\nlr = 0.001\n'
    )
    (folder / "environment.json").write_text(json.dumps({"python": "3.11.9", "torch": "2.4.0", "cpu": "<two> cores"}))
    (folder / "log.txt").write_text("done\n")
    epochs = np.arange(20)
    head = ["epoch", "phase", "lr", "seconds", "train_loss", "validation_log_loss"]
    head += ["validation_balanced_accuracy", "validation_worst_sensitivity"]
    falling = np.exp(-epochs / 6)
    rows = [
        [
            e,
            0,
            0.001,
            1.5,
            falling[e] + 0.1,
            falling[e] + 0.2 + 0.004 * e,
            0.9 - 0.5 * falling[e],
            0.8 - 0.7 * falling[e],
        ]
        for e in epochs
    ]
    write_csv(folder / "history.csv", head, rows)
    if not images:
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model" / "model.json").write_text(json.dumps({"kind": "table"}))
        return
    ramp = np.linspace(0, 1, side)
    base = (ramp[:, None, None] * ramp[None, :, None] * np.array([220, 120, 200])).astype(np.uint8)
    noise = rng.integers(0, 36, size=(size, 6, side, side, 3), dtype=np.uint8)
    originals = base + noise
    wrong = np.flatnonzero((p.argmax(1) != truth) & (where == "test"))
    wrong = wrong[np.argsort(-p[wrong].max(1))][:12]
    np.savez(
        folder / "gallery.npz",
        originals=originals,
        augmented=originals[:, :, ::-1],
        mistakes=originals[truth[wrong], 0],
        mistake_rows=wrong.astype(np.int64),
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run folder of random predictions and returns its path."""
    return lambda name="run", **options: synthetic_run(tmp_path / name, **options)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return run folders with their pages, made once: they are read, never changed."""
    from imbtk.report.page import make_report

    folder = tmp_path_factory.mktemp("pages")
    folders = {
        "patients": synthetic_run(folder / "patients", ["benign", "malignant"], rows=400, patients=90, side=64),
        "hostile": synthetic_run(folder / "hostile", list(HOSTILE), rows=300, phases=2),
        "many": synthetic_run(folder / "many", 40, rows=700, factor=30, side=8),
        "table": synthetic_run(folder / "table", ["no", "yes"], rows=300, images=False, strategies=False),
    }
    for run in folders.values():
        make_report(run)
    return folders


@pytest.fixture
def hostile_names() -> list[str]:
    """Return class names that would break a page that does not escape them."""
    return list(HOSTILE)
