"""A stranger's strategy, from a file, an installed package or a notebook, by every door that ours goes through."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import imbtk
from imbtk.comparison.backends import _run_packed, run_cells
from imbtk.comparison.cells import Job
from imbtk.comparison.comparison import compare
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import GridCell, PlanRow
from imbtk.comparison.progress import GridProgress
from imbtk.comparison.study import Study, prepare_study
from imbtk.errors import ImbtkError, PluginError, RunFolderError
from imbtk.planning.plan import Plan

TEXT = """
import torch
from imbtk import RunContext, Strategy, hookimpl, option

def exponent(power):
    return -power

class {name}(Strategy):
    '''Weight each class by a power of its inverse frequency.'''

    power: float = option(0.5, "Exponent on the inverse frequency.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(exponent(self.power))
"""

QUICK: dict[str, Any] = {"epochs": 1, "folds": 3, "repeats": 1, "model": "linear", "group_column": "patient"}


class Strangers:
    """One strategy three times: in a file, in an installed package, and made in a notebook."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        self.file = folder / "from_file.py"
        self.file.write_text(TEXT.format(name="FromFile"))
        info = self.site / "acme_imb-1.2.dist-info"
        info.mkdir(parents=True)
        (self.site / "acme_imb.py").write_text(TEXT.format(name="FromPackage"))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-imb\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[imbtk]\nfrom-package = acme_imb\n")
        cell: dict[str, Any] = {"__name__": "__main__"}
        exec(TEXT.format(name="FromNotebook"), cell)
        self.notebook = cell["FromNotebook"]

    @property
    def plans(self) -> list[Any]:
        return ["from-file:power=1.0", "from-package:power=1.0", [self.notebook(power=1.0)]]

    def options(self, data: Path, out: Path) -> dict[str, Any]:
        return {"data": str(data), "plugins": [str(self.file)], "out": str(out), **QUICK}

    def study(self, data: Path, out: Path) -> Study:
        config = make_comparison_config(self.options(data, out))
        return prepare_study(config, None, self.plans, GridProgress(quiet=True))

    def run(self, data: Path, out: Path, **how: Any) -> dict[str, str]:
        """Run all cells, and return what they predicted."""
        study, results = self.study(data, out), []
        run_cells(study.job, study.cells, results.append, **how)
        assert [result.state for result in results] == ["done"] * len(study.cells)
        return predictions(out)


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strangers]:
    made = Strangers(tmp_path)
    monkeypatch.syspath_prepend(made.site)
    monkeypatch.setenv("PYTHONPATH", str(made.site))
    importlib.invalidate_caches()
    # Workers that are there already have the path of then.
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    yield made
    sys.modules.pop("acme_imb", None)
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)


def predictions(folder: Path) -> dict[str, str]:
    return {p.parent.relative_to(folder).as_posix(): p.read_text() for p in folder.glob("cells/*/*/predictions.csv")}


@pytest.mark.slow
def test_a_comparison_by_every_backend(strangers: Strangers, patients_csv: Path, tmp_path: Path) -> None:
    one = strangers.run(patients_csv, tmp_path / "one")
    assert len(one) == 4 * 3
    texts = {name.partition("/repeat")[0].rpartition("-")[0]: text for name, text in one.items() if "fold-1" in name}
    assert texts["cells/from-file_power=1.0"] == texts["cells/from-package_power=1.0"]
    assert texts["cells/from-file_power=1.0"] == texts["cells/from-notebook_power=1.0"] != texts["cells/nothing"]

    options = strangers.options(patients_csv, tmp_path / "shards")
    for shard in ("1/2", "2/2"):
        found = compare(plans=strangers.plans, jobs=2, shard=shard, quiet=True, **options)
    assert found.complete
    assert predictions(tmp_path / "shards") == one
    assert "from-notebook" in (tmp_path / "shards" / "report.html").read_text()


@pytest.mark.slow
def test_a_comparison_on_a_cluster_that_has_not_the_file(
    strangers: Strangers, patients_csv: Path, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'imbtk[dask]'")
    one = strangers.run(patients_csv, tmp_path / "one")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        address = cluster.scheduler_address
        assert strangers.run(patients_csv, tmp_path / "there", backend="dask", scheduler=address) == one


@pytest.mark.slow
def test_a_cluster_that_lacks_a_package_is_refused_by_name(
    strangers: Strangers, patients_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'imbtk[dask]'")
    monkeypatch.delenv("PYTHONPATH")
    # Of two workers: for a single one joblib runs tasks where it is called.
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        # A spawned worker is told its parent's path; one that was started by hand on another machine is not.
        with distributed.Client(cluster) as client:
            client.run(exec, f"import sys; sys.path[:] = [p for p in sys.path if p != {str(strangers.site)!r}]")
        with pytest.raises(
            ImbtkError, match=r"cannot load their strategies: ModuleNotFoundError: No module named 'acme"
        ):
            strangers.run(patients_csv, tmp_path / "there", backend="dask", scheduler=cluster.scheduler_address)


READ = """
import pickle, sys
thing = pickle.load(open(sys.argv[1], "rb"))
print(repr(thing), type(thing).clone(thing).power, thing.state_dict(), type(thing).__name__ == thing.__class__.__name__)
"""


@pytest.mark.parametrize("kind", ["file", "notebook"])
def test_pickled_here_and_read_in_a_process_of_its_own(kind: str, strangers: Strangers, tmp_path: Path) -> None:
    catalogue = imbtk.discovery.catalogue.Catalogue([strangers.file])
    cls = catalogue.find("from-file")[0] if kind == "file" else strangers.notebook
    strategy = cls(power=0.3)
    strategy._fitted = 4
    with (tmp_path / "thing.pkl").open("wb") as file:
        pickle.dump(strategy, file)
    strangers.file.unlink()
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "thing.pkl")], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{cls.__name__}(power=0.3) 0.3 {{'_fitted': 4}} True\n"
    again = pickle.loads(pickle.dumps(strategy))
    assert (type(again), again.power) == (cls, 0.3)


def test_what_cannot_be_carried_is_refused_before_a_cell_runs(
    patients_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec("import threading\nlock = threading.Lock()\n" + TEXT.format(name="Locked").replace("-power", "lock"), cell)
    built = Plan.build([cell["Locked"]()], imbtk.discovery.catalogue.Catalogue())
    config = make_comparison_config({"data": str(patients_csv), **QUICK})
    cells = [GridCell(PlanRow(str(built), built), 0, fold) for fold in range(2)]
    with pytest.raises(PluginError, match=r"strategy Locked, defined in __main__, cannot be handed .*: TypeError: can"):
        run_cells(Job(config, str(tmp_path / "x")), cells, print, jobs=2)
    assert not (tmp_path / "x").exists()


def test_a_worker_that_cannot_load_a_strategy_says_why(patients_csv: Path, tmp_path: Path) -> None:
    config = make_comparison_config({"data": str(patients_csv), **QUICK})
    with pytest.raises(
        ImbtkError, match=r"cannot load their strategies: ModuleNotFoundError: No module named 'nobody_imb'"
    ):
        _run_packed(Job(config, str(tmp_path)), b"cnobody_imb\nFromPackage\n.")


def test_another_text_under_the_same_path_is_another_comparison(
    strangers: Strangers, patients_csv: Path, tmp_path: Path
) -> None:
    strangers.study(patients_csv, tmp_path / "one")
    strangers.file.rename(tmp_path / "elsewhere")
    moved = tmp_path / "moved" / strangers.file.name
    moved.parent.mkdir()
    moved.write_text((tmp_path / "elsewhere").read_text())
    strangers.file = moved
    strangers.study(patients_csv, tmp_path / "one")
    moved.write_text(moved.read_text() + "\n# changed\n")
    with pytest.raises(
        RunFolderError, match=r'plugin files was \["from_file.py sha256:.*is now \["from_file.py sha256'
    ):
        strangers.study(patients_csv, tmp_path / "one")


@pytest.mark.slow
def test_run_predict_report_and_estimator(strangers: Strangers, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 3)), np.arange(90) % 3 // 2
    kinds: dict[str, Any] = {"file": "from-file", "package": "from-package", "notebook": strangers.notebook()}
    runs = {}
    for kind, strategy in kinds.items():
        plugins = [str(strangers.file)] if kind == "file" else []
        out = tmp_path / f"run-{kind}"
        runs[kind] = imbtk.run((x, y), [strategy], plugins=plugins, epochs=1, model="linear", out=out, quiet=True)
        model = imbtk.ImbalancedClassifier([strategy], epochs=1, plugins=plugins)
        # The workers of all three are the same two processes, which have met none of them before.
        search = GridSearchCV(model, {"epochs": [1, 2]}, cv=2, n_jobs=2, error_score="raise").fit(x, y)
        again = pickle.loads(pickle.dumps(search.best_estimator_))
        assert np.array_equal(again.predict_proba(x), search.predict_proba(x)), kind
    strangers.file.unlink()
    for kind, run in runs.items():
        assert imbtk.load(run.folder).predict_proba(x).shape == (90, 2), kind
        assert f"from-{kind}" in run.report().read_text(), kind
