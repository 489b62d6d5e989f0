"""Predictions for the rows outside of a run's test side, each by a model of the same plan that has not seen the row.

What a threshold is fitted on where the split has folds: many more rows than the validation side has, and rows that no
network was trained on. It costs a training for each other fold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imbtk.errors import ImbtkError
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import fit, make_network, own_random_state

__all__ = ["out_of_fold_logits"]


def out_of_fold_logits(
    prepared: PreparedRun,
    on_model: Callable[[int, int], None] = lambda number, total: None,
    on_step: Callable[[int, int, float], None] | None = None,
    most_epochs: int | None = None,
) -> np.ndarray:
    """Train the inner models of a run, one after the other, and return what each says of the rows that it has not seen.

    Parameters
    ----------
    prepared : PreparedRun
        With inner models. It is left as it is, and so is the caller's random state: the run's own network does not
        know of inner models.
    on_model : callable
        ``(number, total)``, from 1, before each model is trained.
    on_step : callable, optional
        As in :func:`imbtk.training.loop.train`.
    most_epochs : int, optional
        As many as the run's own training had time for.

    Returns
    -------
    ndarray of float64, shape (n, K)
        Logits of ``prepared.decision_rows``.

    Raises
    ------
    ImbtkError
        If an inner model cannot be trained.

    Notes
    -----
    Stacked from models that differ: their logits are on one scale only as far as the plan, the number of epochs and
    nearly the same rows make them so. That is what a threshold for the run's own model, trained on more rows, rests on.

    References
    ----------
    Stone 1974, "Cross-validatory choice and assessment of statistical predictions", section 2; Breiman & Spector 1992,
    "Submodel selection and evaluation in regression: the X-random case" (nearly unbiased, for 5 or 10 folds).
    """
    parts, total = [], len(prepared.inner)
    with own_random_state():
        for number, inner in enumerate(prepared.inner, 1):
            on_model(number, total)
            try:
                fitted = fit(inner, make_network(inner), on_step=on_step, most_epochs=most_epochs)
            except ImbtkError as error:
                error.args = (f"inner model {number} of {total}, trained for the out-of-fold decision: {error}",)
                raise
            parts.append(fitted.logits(inner.data.split.test))
    return np.concatenate(parts)
