"""Another calibration than core's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from imbtk import CalibrationMap, RunContext, Strategy, hookimpl, option
from imbtk.errors import OptionError

__all__ = ["Calibrate"]

FEWEST_ROWS = 1000
"""Validation rows that isotonic regression asks for."""


class Calibrate(Strategy):
    """Fit the probabilities on the validation rows alone, instead of drawing them to the ledger.

    Notes
    -----
    With logits z, the frequencies π of the training rows and π' that the network came to believe, probabilities are

    - ``temperature``: softmax(z / T + log π - log π'), T fitted: the ledger's shift is taken as it is
    - ``vector``: softmax(z / T + b), T and one b per class fitted: nothing of the ledger. A slope for each class, as
      in vector scaling, is left out: few rows of a rare class cannot tell it
    - ``isotonic``: core's calibration, and then for each class a non-decreasing step-free curve from its probability
      to the share of rows that are of it; rows are normalised again
    - ``none``: softmax(z), the network's own probabilities, at the frequencies that the plan showed it

    T and b minimise the log-loss of the validation rows, weighted to the frequencies of the training rows; a ridge of
    one part in a thousand keeps them finite where classes are separated. ``isotonic`` needs 1,000 validation rows and
    keeps probabilities 1 / (rows + 2) away from 0 and 1.

    When to use
    -----------
    To hold core's calibration beside a usual one, or with thousands of validation rows. ``none`` shows what the network
    says by itself. Otherwise leave it out.

    Cost
    ----
    A fit on the validation rows' logits, after training.

    Not with
    --------
    ``isotonic`` with fewer than 1,000 validation rows is refused. `cost` and ``reject:decide=deploy`` decide by these
    probabilities: with ``none`` they decide at the frequencies that the plan showed, and nothing notices.

    Evidence
    --------
    None of its methods was measured beside core's. On two Gaussians at 1:100 (``docs/ledger.md``) core's ended with at
    most 1.015 times the log-loss of the true posterior on the mean of 5 seeds, two features.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", section 4.2 (temperature, vector). Alexandari, Kundaje
    & Shrikumar 2020, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation",
    eq. 3 (temperature and a bias per class). Zadrozny & Elkan 2002, "Transforming classifier scores into accurate
    multiclass probability estimates", sections 3 and 4 (isotonic, one class against the rest).
    """

    method: Literal["temperature", "vector", "isotonic", "none"] = option(
        "vector", "What is fitted: a temperature, a temperature and a shift per class, curves, or nothing."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse isotonic regression on few rows, before anything is trained.

        Raises
        ------
        OptionError
            If there are fewer than 1,000 validation rows.
        """
        rows = 0 if context.validation_counts is None else int(context.validation_counts.sum())
        if self.method == "isotonic" and rows < FEWEST_ROWS:
            raise OptionError(
                f"option 'method' of strategy '{self.name}' (given: 'isotonic') asks for {FEWEST_ROWS:,} validation "
                f"rows and there are {rows:,}: with few rows the curves fit noise. Use method=temperature, or leave "
                f"'{self.name}' out for core's calibration, which suits any number of rows."
            )

    @hookimpl
    def imbtk_calibrate(
        self, map: CalibrationMap, logits: np.ndarray, labels: np.ndarray, context: RunContext
    ) -> CalibrationMap:
        """Return the map that `method` asks for, at the frequencies of the training rows."""
        if self.method == "none":
            return CalibrationMap()
        natural = context.natural_counts.double().numpy() / max(1, int(context.natural_counts.sum()))
        weights = _weights(labels, natural)
        if not weights.any():
            return map
        if self.method == "isotonic":
            return _isotonic(map, logits, labels, weights)
        shift = np.zeros(len(natural))
        if self.method == "temperature":
            if context.effective_prior is not None:
                believed = context.effective_prior.double().numpy()
                present = (natural > 0) & (believed > 0)
                shift[present] = np.log(natural[present]) - np.log(believed[present])
            return _fitted(logits, labels, weights, lambda x: (x[0], shift), 1)
        return _fitted(logits, labels, weights, lambda x: (x[0], x[1:]), 1 + len(natural))


def _weights(labels: np.ndarray, natural: np.ndarray) -> np.ndarray:
    """Return row weights (n,) that bring class frequencies to the training rows', with mean 1 where all have rows."""
    counts = np.bincount(labels, minlength=len(natural))
    return np.asarray((natural * len(labels) / np.maximum(counts, 1))[labels])


def _fitted(
    logits: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    parts: Callable[[np.ndarray], tuple[float, np.ndarray]],
    size: int,
) -> CalibrationMap:
    """Return the map of least weighted log-loss; `parts` gives log scale and shift of the parameters."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    place = np.arange(len(labels))

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        log_scale, shift = parts(x)
        scale = float(np.exp(log_scale))
        log_p = log_softmax(scale * logits + shift, axis=1)
        residual = np.exp(log_p)
        residual[place, labels] -= 1
        residual *= weights[:, None]
        slope = np.concatenate([[scale * float((residual * logits).sum())], residual.sum(axis=0)])[:size]
        return -float(weights @ log_p[place, labels]) + 5e-4 * float(x @ x), slope + 1e-3 * x

    bounds = [(-5.0, 5.0)] + [(None, None)] * (size - 1)
    found = minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    log_scale, shift = parts(found.x)
    return CalibrationMap(float(np.exp(log_scale)), np.asarray(shift, dtype=np.float64))


def _isotonic(map: CalibrationMap, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> CalibrationMap:
    from sklearn.isotonic import IsotonicRegression

    probabilities = map.probabilities(logits)
    edge = 1 / (len(labels) + 2)
    tables = []
    for k in range(probabilities.shape[1]):
        curve = IsotonicRegression(y_min=edge, y_max=1 - edge)
        curve.fit(probabilities[:, k], labels == k, sample_weight=weights)
        tables.append((curve.X_thresholds_.astype(np.float64), curve.y_thresholds_.astype(np.float64)))
    return CalibrationMap(map.scale, map.shift, tuple(tables))
