"""Probabilities from logits: the ledger's shift, a temperature and a shift per class, fitted on validation rows.

The ledger says what shift undoes the plan's work on class frequencies; validation rows say what the network made of it.
The fit is drawn to the ledger, the more the fewer rows there are, and how strongly is itself learned from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_softmax

from imbtk.authoring.prediction import CalibrationMap
from imbtk.evaluation.metrics import calibration_bin, log_losses

__all__ = ["LedgerFit", "calibration_metrics", "fit_to_ledger", "ledger_shift", "prior_weights"]

SPREADS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""How far the network may be from the ledger: the standard deviations among which the rows choose."""

TEMPERATURE_SPREADS = (0.03, 0.1, 0.3, 1.0)
"""The same for the logarithm of the temperature around 0."""

FREE = 1
"""Where in both lists the choice begins if the ledger is no guide: focal losses, margins, mixing."""

_HELD = 1e-4
"""The width around temperature 1 that holds it there."""

_MOST_STEPS, _ENOUGH, _SMALLEST_STEP = 100, 1e-9, 1e-6

_FEW, _FASTER = 100, 4.0
"""Up to so many parameters the information is made anew in each step; else where a step gains less than a quarter of
the one before has left."""


@dataclass(frozen=True)
class LedgerFit:
    """A calibration map at the natural prior, and how it came about.

    Attributes
    ----------
    map : CalibrationMap
        ``softmax(logits / temperature + shift)``.
    measured : ndarray of float64, shape (K,)
        The shift that the rows alone ask for: the fit with the widest spread. The ledger's where a class has no row.
    spread, temperature_spread : float
        The standard deviations around the ledger's shift and around temperature 1 that explain the rows best.
    design_effect : float
        By what the number of rows was divided, because rows of one group (patient) are alike.
    """

    map: CalibrationMap
    measured: np.ndarray
    spread: float
    temperature_spread: float
    design_effect: float = 1.0

    @property
    def temperature(self) -> float:
        """What logits are divided by."""
        return 1.0 / self.map.scale


def ledger_shift(natural: np.ndarray, effective: np.ndarray) -> np.ndarray:
    """Return log π_natural − log π_effective, (K,); 0 for a class that has no mass in one of them.

    Parameters
    ----------
    natural, effective : ndarray of float64, shape (K,)
        Shares that sum to one.

    References
    ----------
    Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities", eq. 4;
    Menon et al. 2021, "Long-tail learning via logit adjustment", section 3.
    """
    present = (natural > 0) & (effective > 0)
    shift = np.zeros(len(natural))
    shift[present] = np.log(natural[present]) - np.log(effective[present])
    return shift


def prior_weights(labels: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return a weight for each row, so that classes weigh as in `prior`; the mean is 1.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    prior : ndarray of float64, shape (K,)
        Shares; those of classes without a row are left out.

    Returns
    -------
    ndarray of float64, shape (n,)
        ``prior[y] / share of y among the rows``; ones if no row has a class with mass.
    """
    counts = np.bincount(labels, minlength=len(prior)).astype(np.float64)
    present = (counts > 0) & (prior > 0)
    if not present.any():
        return np.ones(len(labels))
    weight = np.zeros(len(prior))
    weight[present] = prior[present] / prior[present].sum() * len(labels) / counts[present]
    return np.asarray(weight[labels])


def fit_to_ledger(
    logits: np.ndarray,
    labels: np.ndarray,
    natural: np.ndarray,
    effective: np.ndarray,
    exact: bool,
    groups: np.ndarray | None = None,
    chose_epoch: bool = False,
) -> LedgerFit:
    """Return the map from logits to probabilities at the natural prior.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, K)
        Of validation rows; none at all gives the ledger's own map.
    labels : ndarray of int64, shape (n,)
    natural, effective : ndarray of float64, shape (K,)
        Class frequencies of the training rows, and as the ledger says that the network came to see them.
    exact : bool
        Whether the ledger holds in theory: cross-entropy with shifts and nothing else.
    groups : ndarray of int64, shape (n,), optional
        Group (patient) of each row; rows count as independent without.
    chose_epoch : bool
        Whether the network is that of the epoch whose log-loss was least on these very rows.

    Notes
    -----
    With l the ledger's shift, probabilities are softmax(z/T + (1 + a)·l + d). Penalised maximum likelihood with
    log T ~ N(0, τ²), a ~ N(0, σ²) and d_c ~ N(0, σ²): `a` is the share of the ledger's shift that a network forgot,
    which all classes together tell; d is what one class does by itself. Rows are weighted to the natural prior, their
    sum being Kish's effective number of rows. τ and σ are widened step by step for as long as that makes the rows more
    probable (Laplace's approximation): few rows cannot tell, and then the narrowest stay. A class without validation
    rows is left out of the likelihood and keeps the ledger's shift, corrected by what the other classes say of `a`.

    Rows of one group (patient) say less than as many of many. With residuals r_i = w_i (p_i − y_i) of the fit that
    takes rows as independent, the likelihood is divided by the design effect

        Σ_g ‖Σ_{i in g} r_i‖² / Σ_i ‖r_i‖²,

    at least 1: how much more the scores of groups vary than those of single rows would. Rows that only repeat each
    other, m to a group, count once. Where a group has one class the effect is near the size of a group, since what
    shifts can be learned from is how many groups there are of each class.

    Rows by which the epoch was chosen look easier than fresh ones will, and would have the probabilities sharpened.
    They may only temper them, where the ledger is exact: T is then at least 1.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", section 4.2 (temperature). Alexandari, Kundaje &
    Shrikumar 2020, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation",
    eq. 3 (temperature and a bias per class). MacKay 1992, "Bayesian interpolation", eq. 15 (evidence of a width).
    Byrd & Lipton 2019, "What is the effect of importance weighting in deep learning?" (networks forget weights). Kish
    1965, "Survey sampling", section 8.2 (design effect). Pauli, Racugno & Ventura 2011, "Bayesian composite marginal
    likelihoods" (dividing a likelihood of dependent rows).
    """
    shift = ledger_shift(natural, effective)
    rows = natural[labels] > 0
    present = np.bincount(labels[rows], minlength=len(natural)) > 0
    if present.sum() < 2:
        return LedgerFit(CalibrationMap(1.0, shift), shift, SPREADS[0], TEMPERATURE_SPREADS[0])
    weights = prior_weights(labels[rows], natural)
    weights *= weights.sum() / np.square(weights).sum()
    place = np.cumsum(present) - 1
    problem = _Problem(logits[rows][:, present], place[labels[rows]], weights, shift[present])

    def whole(x: np.ndarray) -> np.ndarray:
        fitted: np.ndarray = (1 + x[1]) * shift
        fitted[present] += x[2:]
        return fitted

    found, free, spreads = _fitted(problem, exact, chose_epoch)
    design_effect = 1.0 if groups is None else problem.design_effect(free, groups[rows])
    if design_effect > 1:
        found, free, spreads = _fitted(replace(problem, weights=weights / design_effect), exact, chose_epoch)
    return LedgerFit(CalibrationMap(float(np.exp(found[0])), whole(found)), whole(free), *spreads, design_effect)


def _fitted(problem: _Problem, exact: bool, chose_epoch: bool) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return the parameters at the widths that the rows choose, those of the widest, and the widths chosen."""
    found, spread, temperature_spread = _widened(problem, 0 if exact else FREE)
    free = problem.solve(SPREADS[-1], TEMPERATURE_SPREADS[-1], found.x, found.information)
    fitted = found.x
    if chose_epoch and exact and fitted[0] > 0:
        fitted, temperature_spread = problem.solve(spread, _HELD, np.zeros_like(fitted)).x, 0.0
        fitted[0] = 0.0
    return fitted, free.x, (spread, temperature_spread)


def _widened(problem: _Problem, begin: int) -> tuple[_Solution, float, float]:
    """Return the solution and its widths (σ, τ), each widened from its place `begin` while the evidence grows."""
    best = (begin, begin)
    found = problem.solve(SPREADS[best[0]], TEMPERATURE_SPREADS[best[1]], np.zeros(2 + len(problem.ledger)))
    while True:
        steps = [(best[0] + 1, best[1]), (best[0], best[1] + 1)]
        tried = [
            (step, problem.solve(SPREADS[step[0]], TEMPERATURE_SPREADS[step[1]], found.x, found.information))
            for step in steps
            if step[0] < len(SPREADS) and step[1] < len(TEMPERATURE_SPREADS)
        ]
        gain = max(tried, key=lambda entry: entry[1].evidence, default=None)
        if gain is None or gain[1].evidence <= found.evidence + 1e-9:
            return found, SPREADS[best[0]], TEMPERATURE_SPREADS[best[1]]
        best, found = gain


@dataclass(frozen=True)
class _Solution:
    """The parameters at the maximum, the logarithm of the evidence, and Fisher's information there."""

    x: np.ndarray
    evidence: float
    information: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """The penalised likelihood of validation rows; parameters are (log scale, a, d)."""

    logits: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    ledger: np.ndarray

    def solve(
        self, spread: float, temperature_spread: float, start: np.ndarray, known: np.ndarray | None = None
    ) -> _Solution:
        """Return the parameters at the maximum and the logarithm of the evidence of the two widths.

        Fisher scoring with halved steps: the information is needed for the evidence anyway, and few steps are enough.
        For many classes it is what takes the time; then it is made anew only when steps with the last one stop gaining.
        `known` is the information at `start`.
        """
        precision = np.full(len(start), spread**-2.0)
        precision[0] = temperature_spread**-2.0
        x, (loss, gradient) = start, self._loss(start, precision)
        information = self._information(x) if known is None else known
        factor, at, last_gain = cho_factor(information + np.diag(precision)), x, np.inf
        for _ in range(_MOST_STEPS):
            step = cho_solve(factor, gradient)
            gain = float(gradient @ step)
            if gain < _ENOUGH:
                break
            found = self._shorter_step(x, step, gain, loss, precision)
            if found is None and at is x:
                break
            slow = found is None or gain > last_gain / _FASTER or len(x) <= _FEW
            if found is not None:
                x, loss, gradient = found
            last_gain = gain
            if slow:
                information = self._information(x)
                factor, at, last_gain = cho_factor(information + np.diag(precision)), x, np.inf
        if at is not x:
            information = self._information(x)
            factor = cho_factor(information + np.diag(precision))
        # The precision stands in both determinants: a width with nothing to explain gains nothing by it.
        curved = 2 * float(np.log(np.diag(factor[0])).sum())
        return _Solution(x, float(-loss - 0.5 * curved + 0.5 * np.log(precision).sum()), information)

    def _shorter_step(
        self, x: np.ndarray, step: np.ndarray, gain: float, loss: float, precision: np.ndarray
    ) -> tuple[np.ndarray, float, np.ndarray] | None:
        """Return where a step, halved until it gains, leads to, with loss and gradient there; None if none gains."""
        # At most a factor e² of the temperature at once: far out the exponential overflows.
        size = min(1.0, 2.0 / max(abs(float(step[0])), 1e-12))
        while size > _SMALLEST_STEP:
            tried, slope = self._loss(x - size * step, precision)
            if tried <= loss - 1e-4 * size * gain:
                return x - size * step, tried, slope
            size /= 2
        return None

    def design_effect(self, x: np.ndarray, groups: np.ndarray) -> float:
        """Return how much more the scores of groups vary than if rows were independent, at least 1."""
        residual = np.exp(self._log_probabilities(x))
        residual[np.arange(len(self.labels)), self.labels] -= 1
        residual *= self.weights[:, None]
        place = np.unique(groups, return_inverse=True)[1]
        sums = np.zeros((int(place.max()) + 1, residual.shape[1]))
        np.add.at(sums, place, residual)
        alone = float(np.square(residual).sum())
        return max(1.0, float(np.square(sums).sum()) / alone) if alone > 0 else 1.0

    def _log_probabilities(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(log_softmax(np.exp(x[0]) * self.logits + (1 + x[1]) * self.ledger + x[2:], axis=1))

    def _loss(self, x: np.ndarray, precision: np.ndarray) -> tuple[float, np.ndarray]:
        log_p = self._log_probabilities(x)
        place = np.arange(len(self.labels))
        residual = np.exp(log_p)
        residual[place, self.labels] -= 1
        residual *= self.weights[:, None]
        by_class = residual.sum(axis=0)
        gradient = np.concatenate(
            [[np.exp(x[0]) * float((residual * self.logits).sum()), float(by_class @ self.ledger)], by_class]
        )
        loss = -float(self.weights @ log_p[place, self.labels]) + 0.5 * float(precision @ x**2)
        return loss, gradient + precision * x

    def _information(self, x: np.ndarray) -> np.ndarray:
        """Return Fisher's information of the parameters, (2 + K, 2 + K)."""
        p = np.exp(self._log_probabilities(x))
        weighted = self.weights[:, None] * p
        slopes = np.exp(x[0]) * self.logits
        slopes = slopes - (p * slopes).sum(axis=1, keepdims=True)
        root = np.sqrt(self.weights)[:, None] * p
        classes = np.diag(weighted.sum(axis=0)) - root.T @ root
        scale = (weighted * slopes).sum(axis=0)
        information = np.empty((2 + p.shape[1], 2 + p.shape[1]))
        information[2:, 2:] = classes
        information[0, 0] = float((weighted * slopes**2).sum())
        information[0, 2:] = information[2:, 0] = scale
        information[1, 2:] = information[2:, 1] = classes @ self.ledger
        information[0, 1] = information[1, 0] = float(scale @ self.ledger)
        information[1, 1] = float(self.ledger @ classes @ self.ledger)
        return information


def calibration_metrics(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return log-loss, Brier score, ECE and classwise ECE of weighted rows.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : ndarray of float64, shape (n, K)
    weights : ndarray of float64, shape (n,), optional
        Ones unless given.

    References
    ----------
    Guo et al. 2017, eq. 3 (ECE, 15 bins of the most probable class); Kull et al. 2019, "Beyond temperature scaling",
    eq. 2 (classwise ECE). Brier 1950: of two classes one's, between 0 and 1; of more summed over classes.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    share = weights / weights.sum()
    truth = np.eye(probabilities.shape[1])[labels]
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    squares = ((probabilities - truth) ** 2).sum(axis=1)
    return {
        "log_loss": float(share @ log_losses(labels, probabilities)),
        "brier": float(share @ squares) / (2 if probabilities.shape[1] == 2 else 1),
        "ece": _error(probabilities.max(axis=1), right, share),
        "classwise_ece": float(
            np.mean([_error(probabilities[:, k], truth[:, k], share) for k in range(probabilities.shape[1])])
        ),
    }


def _error(said: np.ndarray, happened: np.ndarray, share: np.ndarray) -> float:
    return float(np.abs(np.bincount(calibration_bin(said), weights=share * (said - happened))).sum())
