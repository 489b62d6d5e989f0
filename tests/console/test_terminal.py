"""The terminal: 80 columns, nothing but what was given."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from imbtk.console.terminal import print_plan, print_results


def shown(document: dict[str, Any], folder: Path | None = None) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    if folder is None:
        print_plan(console, document)
    else:
        print_results(console, document, folder)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    if folder is None:
        assert max(map(len, text.splitlines())) <= 80
    return text


def load(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / name).read_text())
    return document


def test_plan(make_run: Callable[..., Path]) -> None:
    plan = load(make_run(classes=["a", "b"], rows=200, patients=50), "plan.json")
    plan["class_names"] = ["[red]a[/red]", "b"]
    plan["split"]["note"] = "No group is on two sides."
    text = shown(plan)
    for words in (
        "class-weights:scheme=sqrt@0-60%",
        "Weight <b>classes</b> by frequency.",
        "Split train 80",
        "patients)",
        "No group is on two sides.",
        "[red]a[/red]",
        "natural",
        "correction index 1.00",
        "small-cnn",
        "! class weights and oversampling act together",
    ):
        assert words in text


def test_baseline_with_unknown_groups(make_run: Callable[..., Path]) -> None:
    plan = load(make_run(rows=60, strategies=False, phases=2), "plan.json")
    plan["split"]["note"] = "Groups are not known."
    text = shown(plan)
    assert "no strategy: the baseline" in text
    assert "! Groups are not known." in text
    assert text.count("correction index") == 1


def test_many_classes_are_cut_in_the_middle(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=60, rows=400)
    plan = load(folder, "plan.json")
    assert "… 46 more" in shown(plan)
    text = shown(load(folder, "metrics.json"), folder)
    assert "… 46 more" in text
    counts = load(folder, "metrics.json")["train_counts"]
    assert f"class {counts.index(min(counts))} " in text
    most = len(counts) - 1 - counts[::-1].index(max(counts))
    assert f"class {most} " in text


def test_results(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["[b]a[/b]", "b"], rows=200, patients=50)
    metrics = load(folder, "metrics.json")
    sensitivity = metrics["test"]["per_group"]["per_class"][1]["sensitivity"]
    text = shown(metrics, folder)
    low, high = sensitivity["interval"]
    assert f"{sensitivity['value']:.2f} ({low:.2f}–{high:.2f})" in text
    assert "[b]a[/b]" in text
    assert "Test, per patient (" in text
    assert f"Run folder {folder}" in text
    assert text.count("only 7 patients") == 1
    assert max(len(line) for line in text.splitlines() if not line.startswith("Run folder")) <= 80


def test_a_decision_is_told_with_the_rows_that_it_was_fitted_on(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=200, patients=50)
    decision = {"name": "the rule", "fitted_on": "out-of-fold rows", "rows": 160, "groups": 40, "inner_models": 4}
    (folder / "decision.json").write_text(json.dumps(decision))
    text = " ".join(shown(load(folder, "metrics.json"), folder).split())
    assert "Decided by the rule fitted on 160 out-of-fold images, 40 patients, each predicted by one of 4" in text
    (folder / "decision.json").write_text(json.dumps({"name": "as trained", "fitted_on": None}))
    assert "Decided by" not in shown(load(folder, "metrics.json"), folder)


def test_missing_figures_say_why(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=60)
    metrics = load(folder, "metrics.json")
    metrics["test"]["per_row"]["per_class"][1]["precision"] = {"value": None, "reason": "never predicted"}
    assert "–: never predicted" in shown(metrics, folder)


def test_importing_the_report_stays_light() -> None:
    code = (
        "import sys, imbtk.report, imbtk.console.terminal;"
        "print([m for m in ('torch', 'matplotlib', 'sklearn', 'jinja2', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
