"""A finished run on new data, start to finish: what ``imbtk evaluate`` does."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from imbtk.console.progress import RunProgress
from imbtk.data.source_rows import open_new_rows
from imbtk.inference.external_validation import Evaluation, evaluate_new
from imbtk.inference.predictor import Predictor
from imbtk.planning.config import make_config
from imbtk.planning.defaults import choose_device
from imbtk.planning.reading import make_catalogue, offered_sources

__all__ = ["evaluate"]


def evaluate(
    run: str | Path,
    data: str | Path,
    *,
    out: str | Path | None = None,
    deploy: str | None = None,
    estimate_prior: bool = False,
    allow_seen: bool = False,
    trust_model: bool = False,
    discard_unfinished: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Evaluation:
    """Evaluate a trained run on new data, and write a folder with metrics, predictions and a page.

    Parameters
    ----------
    run : path
        A run folder.
    data : path
        A folder with a folder for each class, a CSV manifest or table, an ``.npz``, or what a plugin reads.
    out : path, optional
        Folder to write; ``evaluations/<time>-<data>`` unless given.
    deploy : str, optional
        Class frequencies that probabilities shall be for; those of the run unless given.
    estimate_prior : bool
        Estimate the class frequencies of the data, which then need no labels.
    allow_seen : bool
        Go on where rows or groups are among those that the run was trained or validated on.
    trust_model : bool
        Load a network that is not built from parts of imbtk alone, too; see :func:`imbtk.load`.
    discard_unfinished : bool
        Delete what an earlier evaluation left unfinished in the same place.
    quiet : bool
        Show no progress.
    **options
        How the data are to be read: ``group_column="patient"``, ``label_column``, ``where``, ``plugins``, ``device``.

    Returns
    -------
    Evaluation
        With ``.folder``, ``.document`` and ``.metrics``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with run, data or options: nothing is written then.

    Examples
    --------
    >>> import imbtk
    >>> found = imbtk.evaluate("runs/first", "cohort.csv", group_column="patient")  # doctest: +SKIP
    >>> found.document["seen"]["rows"]  # doctest: +SKIP
    0
    """
    config = make_config(options)
    predictor = Predictor.load(run, choose_device(config.device), trust_model=trust_model)
    if deploy is not None:
        predictor = predictor.at_deployment(deploy)
    sources = offered_sources(make_catalogue(config))
    rule = config.group_label
    if rule is None:
        # The run's own rule, by whose column a manifest is read as in training.
        config = config.model_copy(update={"group_label": predictor.description.get("group_label")})
    rows = open_new_rows([str(data)], config, predictor.description, sources=sources, labelled=True)
    progress: RunProgress
    with RunProgress(quiet) as progress:
        return evaluate_new(
            run,
            predictor,
            rows,
            Path(out) if out else _free_name(str(data)),
            data=str(data),
            with_prior=estimate_prior,
            allow_seen=allow_seen,
            discard_unfinished=discard_unfinished,
            group_name=config.group_name,
            group_label=rule,
            progress=progress.on_data,
        )


def _free_name(data: str) -> Path:
    """Return a folder name that is not taken: time, then the data."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(data).name or data)[:60].strip("_.") or "data"
    stem = Path("evaluations") / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}"
    path, number = stem, 2
    while path.exists():
        path, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return path
