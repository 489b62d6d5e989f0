"""``imbtk compare`` and ``imbtk report`` of a comparison, from the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
QUICK = ("--epochs", 1, "--folds", 3, "--repeats", 1, "--jobs", 1, "--model", "linear")


def test_a_comparison_and_its_report(call: Call, plugin_file: Path) -> None:
    found = call(
        "compare", "builtin:breast-cancer", "--plugin", plugin_file, "--plan", "tilt-weights", *QUICK, "--out", "study"
    )
    assert found.exit_code == 0, found.output
    for word in ("nothing, with", "tilt-weights", "verdict", "Page study/report.html"):
        assert word in found.stdout
    assert "6 cells (plan x fold x repeat) in study" in found.stderr
    Path("study/report.html").unlink()
    report = call("report", "study")
    assert report.exit_code == 0, report.output
    assert report.stdout.strip() == "study/report.html"
    assert Path("study/report.html").is_file()


def test_json_is_one_object(call: Call, plugin_file: Path) -> None:
    found = call(
        "compare", "builtin:breast-cancer", "--plugin", plugin_file, "--each", "tilt-weights", *QUICK, "--json"
    )
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert {row["name"] for row in document["rows"]} >= {"nothing", "tilt-weights"}
    assert Path(document["comparison"], "comparison.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pairs",), "Error: 'pairs' makes pairs of the strategies of 'each': add --each NAME,NAME."),
        (("--shard", "3"), "Error: '3' is no shard. Write which one of how many, such as 2/8."),
        (("--folds", 1), "Error: option 'folds' (given: 1): input should be greater than or equal to 2."),
        (("--primary", "auc"), "Error: option 'primary' (given: 'auc'): unknown metric. Did you mean 'auroc'"),
        (("-s", "augment"), "Error: unknown option -s."),
        ((), "Error: there is no plan to compare with the baseline. Give one or more: --plan 'NAME NAME'"),
        (("--plan", "tilt"), "Error: unknown strategy 'tilt'."),
        (("--plan", "tilt", "--backend", "dask"), "Error: the backend 'dask' needs "),
        (("--scheduler", "tcp://h:1"), "Error: 'scheduler' is that of a Dask cluster: add --backend dask"),
    ],
)
def test_mistakes_are_one_paragraph_and_exit_code_2(call: Call, arguments: tuple[object, ...], message: str) -> None:
    found = call("compare", "builtin:breast-cancer", *arguments)
    assert found.exit_code == 2
    assert found.stderr.startswith(message)
    assert not Path("comparisons").exists()


def test_a_folder_that_cannot_be_made(call: Call, plugin_file: Path) -> None:
    Path("file").write_text("")
    for out in ("file/study", "file"):
        found = call(
            "compare", "builtin:breast-cancer", "--plugin", plugin_file, "--plan", "tilt-weights", *QUICK, "--out", out
        )
        assert found.exit_code == 2
        assert re.search(
            rf"^Error: the folder '{out}' cannot be made: .*\. Choose another --out\.$", found.stderr, re.M
        )


def test_help_has_its_headings_and_no_flags_of_a_single_run(call: Call) -> None:
    text = call("compare", "--help").output
    for part in ("Strategies:", "Comparison:", "How it is run (changes no number):", "--also-ungrouped", "--shard I/N"):
        assert part in text
    assert "--fold N" not in text
    assert "--strategy" not in text


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; import imbtk.cli.compare, imbtk.cli.report; "
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
