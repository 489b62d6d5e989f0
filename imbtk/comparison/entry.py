"""``imbtk.run``: one run, of a plan on a split, or of a comparison's row on all rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from imbtk.console.progress import RunProgress
from imbtk.errors import OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import RunConfig, make_config
from imbtk.planning.plan import StrategyLike
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import Progress
from imbtk.runs.log import PluginLog
from imbtk.training.memory import keep_memory

if TYPE_CHECKING:
    from imbtk.inference.result import RunResult

__all__ = ["prepare_any", "run"]


def run(
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    *,
    quiet: bool = False,
    config: RunConfig | None = None,
    **options: Any,
) -> RunResult:
    """Train one plan of strategies on one split of the data, and say what came of it.

    Parameters
    ----------
    data : path, str, tuple, DataFrame or Dataset
        A folder, a manifest, an ``.npz``, a table, ``"builtin:digits"``, ``(x, y)`` or ``(x, y, groups)``.
    strategies : sequence of str or Strategy
        ``["class-weights", FocalLoss(gamma=2.0), "augment@10%-"]``; nothing for a plain model. The name of a plan
        stands for its strategies, here as in the option `plan`.
    quiet : bool
        Print nothing but errors.
    config : RunConfig, optional
        Options made before; `options` go on top.
    **options
        Any field of :class:`imbtk.planning.config.RunConfig`: ``model="resnet32"``, ``epochs=20``.

        ``from_comparison="comparisons/study", row="class-weights"`` trains a row of a comparison on all rows.

    Returns
    -------
    RunResult
        With ``.metrics``, ``.history``, ``.predict(x)``, ``.predict_proba(x)``, ``.folder``.

    Raises
    ------
    ImbtkError
        Whatever is wrong with data, plan or options: before anything is trained or written.

    Examples
    --------
    >>> import imbtk
    >>> result = imbtk.run("builtin:breast-cancer", ["class-weights"], epochs=5, quiet=True)  # doctest: +SKIP
    >>> sensitivity = result.metrics["test"]["per_row"]["per_class"][0]["sensitivity"]  # doctest: +SKIP
    """
    # A dry run comes here too, and trains and writes nothing.
    from imbtk.pipeline.run import run_prepared

    if isinstance(data, (str, Path)):
        options["data"], data = str(data), None
    base = config.model_dump(exclude_unset=True) if config is not None else {}
    if strategies is not None and (plan := options.pop("plan", None)):
        strategies = [*make_config({"plan": plan}).strategies, *strategies]
    resolved = make_config({**base, **options})
    keep_memory()
    with RunProgress(quiet) as progress, _threads(resolved.threads), contextlib.closing(PluginLog()) as log:
        return run_prepared(prepare_any(resolved, data, strategies, progress.on_data, log), progress, log)


@contextlib.contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Set the number of CPU threads for a run, and put it back."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def prepare_any(
    config: RunConfig,
    data: Any = None,
    strategies: Sequence[StrategyLike] | None = None,
    progress: Progress | None = None,
    log: PluginLog | None = None,
) -> PreparedRun:
    """Return a run that is ready to train: of a plan on a split, or of a comparison's row on all rows.

    Raises
    ------
    ImbtkError
        Whatever is wrong with data, plan, options or the comparison.
    """
    if config.from_comparison is None:
        if config.row is not None:
            raise OptionError(f"'row' (given: '{config.row}') is one of a comparison: say of which, --from FOLDER.")
        return prepare(config, data, strategies, progress, log=log)
    from imbtk.comparison.all_rows import prepare_row

    return prepare_row(config, data, strategies, progress, log)
