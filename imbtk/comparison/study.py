"""A comparison made ready, and its cells run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.comparison.backends import Backend, default_jobs, run_cells
from imbtk.comparison.cells import Job, failure_of, is_done, prepare_cell
from imbtk.comparison.config import ComparisonConfig, check_primary, metric_of
from imbtk.comparison.grid import GridCell, PlanRow, grid, make_rows
from imbtk.comparison.progress import GridProgress
from imbtk.comparison.protocol import check_folder, default_folder, protocol_document
from imbtk.comparison.speed import settled_once
from imbtk.comparison.splits import make_splits, split_note
from imbtk.data.dropping import write_left_out
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError
from imbtk.planning.defaults import choose_device
from imbtk.planning.plan import StrategyLike
from imbtk.planning.reading import make_catalogue, read_data

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["Study", "prepare_study", "run_study"]


@dataclass(frozen=True)
class Study:
    """A comparison that is checked and ready to run.

    Attributes
    ----------
    job : Job
    folder : Path
    cells : list of GridCell
    left_out : dict of str to str
        Plans that make no sense for the data, with the reason.
    device : str
    offered : mapping of str to callable
        Metrics of plugins.
    """

    job: Job
    folder: Path
    cells: list[GridCell]
    left_out: dict[str, str]
    device: str
    offered: Mapping[str, ExtraMetric]

    def open_cells(self) -> list[GridCell]:
        """Return the cells that are neither done nor failed."""
        return [c for c in self.cells if not is_done(self.folder, c) and failure_of(self.folder, c) is None]


def prepare_study(
    config: ComparisonConfig, data: Any, plans: Sequence[str | Sequence[StrategyLike]], progress: GridProgress
) -> Study:
    """Read the data, make the rows and the splits, and prepare each plan once: nothing is trained."""
    catalogue = make_catalogue(config)
    offered = catalogue.extra_metrics()
    config = check_primary(config, offered)
    rows = make_rows(config, catalogue, plans)
    read, dataset = read_data(config, data, catalogue, progress.on_data)
    config = config.model_copy(update={"image_size": read.image_size})
    if said := split_note(dataset):
        dataset = dataclasses.replace(dataset, notes=(*dataset.notes, said))
    metric_of(config.primary, dataset.num_classes)  # refuses what these data have not
    make_splits(dataset, config.folds, config.repeats, config.seed)
    job = Job(config, "", dataset)
    resolved = prepare_cell(job, GridCell(rows[0], 0, 0), catalogue=catalogue).model.config
    names = ("model", "epochs", "early_stop", "patience", "lr", "weight_decay", "positive")
    config = config.model_copy(update={name: getattr(resolved, name) for name in names})
    rows, left_out = _sensible(Job(config, "", dataset), rows, catalogue)
    device = choose_device(config.device).type
    protocol = protocol_document(config, dataset, rows, left_out, device, catalogue.files())
    folder = Path(config.out) if config.out else default_folder(protocol)
    check_folder(folder, protocol)
    write_left_out(dataset, folder)
    cells = grid(rows, config)
    config = settled_once(folder, Job(config, "", dataset, catalogue.files()), cells)
    # What came from a path is opened anew by each worker, out of the decoded store.
    job = Job(config, str(folder), dataset if data is not None else None, catalogue.files())
    return Study(job, folder, cells, left_out, device, offered)


def _sensible(job: Job, rows: Sequence[PlanRow], catalogue: Catalogue) -> tuple[list[PlanRow], dict[str, str]]:
    """Return the plans that make sense for the data, and the others with the reason.

    Raises
    ------
    ImbtkError
        If the user asked for one of the others, or none but the baseline is left.
    """
    kept, left_out = [], {}
    for row in rows:
        try:
            prepare_cell(job, GridCell(row, 0, 0), catalogue=catalogue)
        except ImbtkError as error:
            if row.required:
                raise type(error)(f"the plan '{row.name}' cannot be compared: {error}") from None
            left_out[row.name] = str(error)
        else:
            kept.append(row)
    if len(kept) == 1:
        reasons = " ".join(f"'{name}': {reason}" for name, reason in left_out.items())
        raise ImbtkError(f"no plan is left to compare with the baseline. {reasons}")
    return kept, left_out


def run_study(
    study: Study,
    place: tuple[int, int],
    progress: GridProgress,
    jobs: int | None,
    backend: Backend,
    scheduler: str | None,
) -> None:
    """Run the cells of a shard that are not done.

    Parameters
    ----------
    study : Study
    place : tuple of int
        Which shard, from 0, and of how many.
    progress : GridProgress
    jobs : int, optional
    backend : "local" or "dask"
    scheduler : str, optional
    """
    mine = study.cells[place[0] :: place[1]]
    todo = [cell for cell in mine if not is_done(study.folder, cell)]
    progress.on_grid(study.folder, len(study.cells), len(mine), len(todo), study.left_out)
    if not todo:
        return
    words = {cell.name: cell.words for cell in todo}
    try:
        run_cells(
            study.job,
            todo,
            lambda result: progress.on_cell(words[result.name], result),
            jobs=min(jobs or default_jobs(study.device), len(todo)),
            backend=backend,
            scheduler=scheduler,
        )
    except KeyboardInterrupt as error:
        done = sum(is_done(study.folder, cell) for cell in study.cells)
        error.add_note(
            f"{done} of {len(study.cells)} cells are done and kept in '{study.folder}'; the same command goes on from "
            "there."
        )
        raise
    if left := len(study.open_cells()):
        progress.on_left(study.folder, left)
