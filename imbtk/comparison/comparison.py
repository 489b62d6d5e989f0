"""A comparison, start to finish: rows, cells, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from imbtk.comparison.backends import Backend, check_backend
from imbtk.comparison.cells import clear_work
from imbtk.comparison.config import ComparisonConfig, make_comparison_config, parse_shard
from imbtk.comparison.progress import GridProgress
from imbtk.comparison.study import prepare_study, run_study
from imbtk.comparison.writing import write_results
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import RunFolderError
from imbtk.planning.plan import StrategyLike
from imbtk.report.old_plots import OldPlots
from imbtk.runs.format import COMPARISON, REPORT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "compare", "make_comparison_report"]

DEFAULT_DATA = "builtin:digits"


def compare(
    data: Any = None,
    plans: Sequence[str | Sequence[StrategyLike]] = (),
    *,
    jobs: int | None = None,
    backend: Backend = "local",
    scheduler: str | None = None,
    shard: str | None = None,
    quiet: bool = False,
    config: ComparisonConfig | None = None,
    **options: Any,
) -> Comparison:
    """Train several plans on the same splits and say which of them help, by how much, and whether it is chance.

    Parameters
    ----------
    data : path, str, tuple, DataFrame or Dataset, optional
        ``"builtin:digits"`` unless given.
    plans : sequence, optional
        Each a text (``"oversample augment"``) or a sequence of strategies; nothing for the plans that plugins offer.
        One text alone is one plan.
    jobs : int, optional
        Cells side by side; as many as there are cores unless given. Changes no number.
    backend : "local" or "dask"
    scheduler : str, optional
        Address of the Dask scheduler.
    shard : str, optional
        ``"2/8"``: only every eighth cell, from the second on.
    quiet : bool
        Print nothing.
    config : ComparisonConfig, optional
        Options made before; `options` go on top.
    **options
        Any field of :class:`imbtk.comparison.config.ComparisonConfig`: ``folds=5``, ``epochs=20``, ``margin=0.02``.

    Returns
    -------
    Comparison
        With ``.table()``, ``.document`` and ``.figures``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with data, plans or options; or if the baseline failed.

    Examples
    --------
    >>> import imbtk
    >>> found = imbtk.compare("builtin:breast-cancer", ["class-weights"], epochs=5, repeats=1)  # doctest: +SKIP
    >>> [record["verdict"] for record in found.table()]  # doctest: +SKIP
    """
    if isinstance(data, (str, Path)):
        options["data"], data = str(data), None
    plans = [plans] if isinstance(plans, str) else plans
    base = config.model_dump(exclude_unset=True) if config is not None else {}
    resolved = make_comparison_config({**base, **options})
    if data is None and resolved.data is None:
        resolved = resolved.model_copy(update={"data": DEFAULT_DATA})
    check_backend(backend, scheduler)
    place = parse_shard(shard) if shard is not None else (0, 1)
    with GridProgress(quiet) as progress:
        study = prepare_study(resolved, data, plans, progress)
        run_study(study, place, progress, jobs, backend, scheduler)
        if study.open_cells():
            return Comparison(study.folder)
        clear_work(study.folder, study.cells)
        document = write_results(study.folder, study.offered)
        progress.on_results(document, study.folder)
    return Comparison(study.folder)


def make_comparison_report(folder: str | Path) -> Path:
    """Write the table and the page of a comparison anew from its cells, and return the page.

    Nothing that the folder names is imported: a primary metric of a plugin has to be an installed one's.

    Raises
    ------
    RunFolderError
        If the folder is no comparison, or its baseline is not done.
    """
    write_results(Path(folder), Catalogue().extra_metrics())
    return Path(folder) / REPORT


class Comparison(OldPlots):
    """What a comparison left behind.

    Parameters
    ----------
    folder : path

    Raises
    ------
    RunFolderError
        When figures are asked for: if the folder is no comparison or not all cells are done.
    """

    _old_plots: ClassVar = {
        f"plot_{name}": name for name in ("forest", "sensitivities", "confusions", "roc", "reliability", "cost")
    }

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @cached_property
    def document(self) -> dict[str, Any]:
        """What ``comparison.json`` holds."""
        path = self.folder / COMPARISON
        if not path.is_file():
            raise RunFolderError(
                f"'{self.folder}' has no {COMPARISON}: not all cells are done. Give the same 'imbtk compare' "
                "command again, or make the table of what there is with 'imbtk report'."
            )
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    @property
    def complete(self) -> bool:
        """Whether the table was made: all cells are done, or failed."""
        return (self.folder / COMPARISON).is_file()

    def table(self) -> list[dict[str, Any]]:
        """Return one record a plan, best first, as ``comparison.csv`` has them: for ``pandas.DataFrame``."""
        from imbtk.comparison.table import records

        return records(self.document)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures of the page as matplotlib objects, by the names of their files: ``figures["forest"]``."""
        from imbtk.comparison.plots import all_figures

        return all_figures(self.document)

    def __repr__(self) -> str:
        if not self.complete:
            return f"Comparison({str(self.folder)!r}, not all cells done)"
        return f"Comparison({str(self.folder)!r}, {len(self.document['rows'])} rows)"

    def _repr_html_(self) -> str:
        """Return the table, for notebooks."""
        from imbtk.comparison.table import html_table

        return html_table(self.document)
