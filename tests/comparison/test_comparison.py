"""Whole comparisons: any way of running gives the same table, killed or not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imbtk
from imbtk.comparison.cells import CELLS
from imbtk.comparison.comparison import Comparison, compare
from imbtk.errors import ConflictError, DataError, ImbtkError, PlanError, RunFolderError

QUICK: dict[str, Any] = {"epochs": 2, "folds": 3, "repeats": 2, "group_column": "patient", "jobs": 1, "quiet": True}


BREAKS = '''
from imbtk import Strategy, hookimpl


class Breaks(Strategy):
    """Breaks at times."""

    @hookimpl
    def imbtk_finish(self, training):
        if len(training.labels) > 16 and len(training.labels) % 2 == 0:  # the dry run shows eight rows of each class
            raise RuntimeError("even rows")
'''


def figures(comparison: Comparison) -> str:
    """Return everything of the document that is no measured time, to the last digit."""
    document = json.loads(json.dumps(comparison.document))
    for row in document["rows"]:
        row.pop("cost", None)
    document["protocol"].pop("epochs")
    return json.dumps(document, sort_keys=True)


def cell_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / CELLS).rglob("metrics.json"))


@pytest.fixture(scope="module")
def undisturbed(patients_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    out = tmp_path_factory.mktemp("undisturbed") / "study"
    return compare(patients_csv, ["class-weights"], out=str(out), **QUICK)


def test_a_comparison_from_start_to_finish(undisturbed: Comparison) -> None:
    names = [record["plan"] for record in undisturbed.table()]
    assert set(names) == {"baseline", "nothing, with the decision moved", "class-weights"}
    values = [record["balanced_accuracy"] for record in undisturbed.table()]
    assert values == sorted(values, reverse=True)
    for name in ("comparison.json", "comparison.csv", "comparison.md", "report.html", "protocol.json"):
        assert (undisturbed.folder / name).is_file()
    assert len(cell_folders(undisturbed.folder)) == 2 * 3 * 2
    assert repr(undisturbed) == f"Comparison({str(undisturbed.folder)!r}, 3 rows)"
    assert undisturbed._repr_html_().startswith("<table>")


def test_every_plan_saw_the_same_splits_and_initial_seed(undisturbed: Comparison) -> None:
    for place in ("repeat-1-fold-1", "repeat-2-fold-3"):
        folders = [path for path in cell_folders(undisturbed.folder) if path.name == place]
        assert len(folders) == 2
        assert len({(path / "split.csv").read_text() for path in folders}) == 1
        assert len({re.search(r"seed = (\d+)", (p / "config.toml").read_text()).group(1) for p in folders}) == 1  # type: ignore[union-attr]


def test_the_decision_only_row_was_not_trained(undisturbed: Comparison) -> None:
    rows = {row["name"]: row for row in undisturbed.document["rows"]}
    moved, base = rows["nothing, with the decision moved"], rows["nothing"]
    assert moved["figures"]["auroc"] == base["figures"]["auroc"]
    assert moved["figures"]["log_loss"] == base["figures"]["log_loss"]
    assert moved["confusion"] != base["confusion"]
    assert moved["cost"] == base["cost"]


def test_done_cells_are_never_run_again(undisturbed: Comparison, patients_csv: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cell_folders(undisturbed.folder)}
    again = compare(patients_csv, ["class-weights"], out=str(undisturbed.folder), **QUICK)
    assert figures(again) == figures(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in cell_folders(again.folder)} == before


def test_two_jobs_give_the_same_table_to_the_last_digit(
    undisturbed: Comparison, patients_csv: Path, tmp_path: Path
) -> None:
    options = {**QUICK, "jobs": 2}
    found = compare(patients_csv, ["class-weights"], out=str(tmp_path / "two"), **options)
    assert figures(found) == figures(undisturbed)


def test_shards_give_the_same_table(undisturbed: Comparison, patients_csv: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "shards")
    first = compare(patients_csv, ["class-weights"], shard="1/2", out=out, **QUICK)
    assert not first.complete
    assert repr(first) == f"Comparison({out!r}, not all cells done)"
    with pytest.raises(RunFolderError, match=r"has no comparison\.json: not all cells are done"):
        first.table()
    second = compare(patients_csv, ["class-weights"], shard="2/2", out=out, **QUICK)
    assert figures(second) == figures(undisturbed)


def test_killed_and_started_again_gives_the_same_table(
    undisturbed: Comparison, patients_csv: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    code = (
        "from imbtk.comparison.comparison import compare\n"
        f"compare({str(patients_csv)!r}, ['class-weights'], out={str(out)!r}, **{QUICK!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ.copy())
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not cell_folders(out):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(cell_folders(out))
    assert 0 < done < 12
    # What a killed process left half done stands there as if it were whole, but for its name.
    work = out / CELLS / ".work" / "nothing-of-a-dead-process.unfinished"
    work.mkdir(parents=True, exist_ok=True)
    (work / "metrics.json").write_text("{", encoding="utf-8")
    found = compare(patients_csv, ["class-weights"], out=str(out), **QUICK)
    assert figures(found) == figures(undisturbed)
    assert not (out / CELLS / ".work").exists()


def test_a_plan_may_be_added_and_none_left_out(undisturbed: Comparison, patients_csv: Path) -> None:
    with pytest.raises(RunFolderError, match=r"plans: it has 'class-weights', this command has not \(plans may be"):
        compare(patients_csv, ["focal-loss"], out=str(undisturbed.folder), **QUICK)


def test_a_folder_of_another_comparison_shows_the_difference(undisturbed: Comparison, patients_csv: Path) -> None:
    options = {**QUICK, "epochs": 3, "seed": 7}
    with pytest.raises(RunFolderError) as caught:
        compare(patients_csv, ["class-weights"], out=str(undisturbed.folder), **options)
    assert str(caught.value) == (
        f"'{undisturbed.folder}' holds another comparison, and metrics of the two cannot stand in one table: epochs "
        "was 2, is now 3; seed was 0, is now 7. Give the same options to go on with it, or another --out."
    )


def test_a_folder_that_holds_something_else_is_refused(patients_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"exists already and holds no comparison \(no protocol\.json\)"):
        compare(patients_csv, ["class-weights"], out=str(tmp_path), **QUICK)


def test_the_default_folder_is_the_same_for_the_same_command(
    patients_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imbtk.comparison import study

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "run_cells", lambda *_, **__: None)
    folders = [compare(patients_csv, ["class-weights"], **QUICK, seed=seed).folder for seed in (0, 0, 1)]
    assert folders[0] == folders[1] != folders[2]
    assert folders[0].parts[0] == "comparisons"
    assert folders[0].name.startswith("study.csv-")


def test_a_cell_that_fails_is_shown_while_the_rest_go_on(patients_csv: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "breaks.py"
    plugin.write_text(BREAKS, encoding="utf-8")
    options = {**QUICK, "plugins": (str(plugin),), "out": str(tmp_path / "study")}
    found = compare(patients_csv, ["breaks", "class-weights"], **options)
    rows = {row["name"]: row for row in found.document["rows"]}
    assert rows["class-weights"]["complete"]
    assert not rows["breaks"]["complete"]
    assert "failed" in rows["breaks"]["reason"]
    assert "RuntimeError: even rows" in rows["breaks"]["reason"]
    assert found.document["rows"][-1]["name"] == "breaks"
    page = (found.folder / "report.html").read_text(encoding="utf-8")
    assert "RuntimeError: even rows" in page


def test_a_plan_that_makes_no_sense_is_refused_before_training(patients_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    with pytest.raises(PlanError, match="the plan 'class-weights oversample' cannot be compared: the plan corrects"):
        compare(patients_csv, ["class-weights oversample"], out=str(out), **QUICK)
    with pytest.raises(
        ConflictError, match="the plan 'oversample undersample' cannot be compared: the choice of epoch order is"
    ):
        compare(patients_csv, ["oversample undersample"], out=str(out), **QUICK)
    assert not out.exists()


def test_too_few_groups_for_the_folds(patients_csv: Path) -> None:
    with pytest.raises(DataError, match=r"class 'ill' has 7 patients, but 9 folds need at least 9 .* --folds 7"):
        compare(patients_csv, ["class-weights"], **{**QUICK, "folds": 9})


def test_pairs_that_are_refused_are_listed_with_the_reason(patients_csv: Path, tmp_path: Path) -> None:
    options = {**QUICK, "repeats": 1, "epochs": 1, "out": str(tmp_path / "study")}
    found = compare(patients_csv, each=("class-weights,oversample",), pairs=True, **options)
    (left,) = found.document["left_out"]
    assert left["plan"] == "class-weights oversample"
    assert left["reason"].startswith("the plan corrects the class frequencies too far")


def test_a_default_plan_that_a_table_cannot_have_is_left_out(tmp_path: Path) -> None:
    found = compare(
        "builtin:breast-cancer", epochs=1, repeats=1, folds=3, jobs=1, quiet=True, out=str(tmp_path / "study")
    )
    assert "class-weights" in {row["name"] for row in found.document["rows"]}
    assert [left["plan"] for left in found.document["left_out"]] == ["class-weights augment"]


def test_arrays_give_the_same_with_one_job_and_with_two(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 30])
    x = (rng.normal(size=(90, 4)) + y[:, None]).astype(np.float32)
    options = {**QUICK, "group_column": None, "repeats": 1}
    found = [
        compare((x, y), ["class-weights"], **{**options, "jobs": jobs, "out": str(tmp_path / str(jobs))})
        for jobs in (1, 2)
    ]
    assert figures(found[0]) == figures(found[1])
    assert found[0].document["unit"] == "row"
    assert (
        found[0].document["rows"][0].get("difference") is None or found[0].document["rows"][0]["difference"]["p"] <= 1
    )
    assert any((row.get("difference") or {}).get("secondary", {}).get("mcnemar") for row in found[0].document["rows"])


def test_interrupted_keeps_what_is_done_and_says_so(
    patients_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imbtk.comparison import backends

    real, calls = backends.run_cell, []

    def stopped(job: Any, cell: Any) -> Any:
        calls.append(cell)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(job, cell)

    monkeypatch.setattr(backends, "run_cell", stopped)
    out = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt) as caught:
        compare(patients_csv, ["class-weights"], out=str(out), **{**QUICK, "repeats": 1})
    assert caught.value.__notes__ == [
        f"2 of 6 cells are done and kept in '{out}'; the same command goes on from there."
    ]


def test_a_refusal_of_all_plans(tmp_path: Path) -> None:
    plugin = tmp_path / "offers.py"
    text = "from imbtk import hookimpl\n\n\n@hookimpl\ndef imbtk_plans():\n    return {'pictures': ['augment']}\n"
    plugin.write_text(text, encoding="utf-8")
    with pytest.raises(ImbtkError, match=r"no plan is left to compare with the baseline\. 'augment': "):
        compare("builtin:breast-cancer", plan_set="pictures", plugins=(str(plugin),), quiet=True)


def test_the_lazy_names() -> None:
    assert imbtk.compare is compare
    assert imbtk.Comparison is Comparison
