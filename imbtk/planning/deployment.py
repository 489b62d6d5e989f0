"""The deployment prior: class frequencies of the place where a model is used."""

from __future__ import annotations

import math
import re

import numpy as np

from imbtk.authoring.prediction import CalibrationMap
from imbtk.errors import OptionError, did_you_mean

__all__ = ["deployed", "parse_deployment"]

_PART = re.compile(r"\s*(?P<name>.+?)\s*=\s*(?P<share>[^=,\s]+)\s*(?:,|$)")
_TOLERANCE = 1e-6
_HOW = 'Write natural, uniform, or the share of every class: --deploy "{}".'


def parse_deployment(text: str, class_names: tuple[str, ...], natural: np.ndarray) -> np.ndarray:
    """Return the deployment prior, (K,) float64, sum one.

    Parameters
    ----------
    text : str
        ``natural``, ``uniform``, or ``"benign=0.9,malignant=0.1"``: a share above 0 for every class, summing to one.
    class_names : tuple of str, length K
    natural : ndarray, shape (K,)
        Class frequencies of the training rows.

    Raises
    ------
    OptionError
        If the shares do not sum to one, miss a class, name an unknown one or one twice, or are no numbers above 0.

    Examples
    --------
    >>> parse_deployment("benign=0.9, malignant=0.1", ("benign", "malignant"), np.array([0.5, 0.5])).tolist()
    [0.9, 0.1]
    """
    if text.strip() == "natural":
        return np.asarray(natural / np.sum(natural), dtype=np.float64)
    if text.strip() == "uniform":
        return np.full(len(class_names), 1 / len(class_names))
    shares = _shares(text, class_names)
    missing = [name for name in class_names if name not in shares]
    if missing:
        listed = ", ".join(f"'{name}'" for name in missing)
        raise OptionError(f"option 'deploy' gives no share for {listed}. {_example(class_names)}")
    prior = np.array([shares[name] for name in class_names])
    if abs(prior.sum() - 1) > _TOLERANCE:
        raise OptionError(
            f"the shares of option 'deploy' sum to {prior.sum():.6g} instead of 1: they are the frequencies of all "
            f"classes where the model will be used. {_example(class_names)}"
        )
    return np.asarray(prior / prior.sum())


def _shares(text: str, class_names: tuple[str, ...]) -> dict[str, float]:
    shares: dict[str, float] = {}
    place = 0
    while place < len(text):
        match = _PART.match(text, place)
        if match is None:
            raise OptionError(f"option 'deploy' (given: {text!r}) cannot be read. {_example(class_names)}")
        name, place = match["name"].strip("\"'"), match.end()
        if name not in class_names:
            raise OptionError(f"option 'deploy' names the class '{name}'.{did_you_mean(name, class_names)}")
        if name in shares:
            raise OptionError(f"option 'deploy' names the class '{name}' twice. {_example(class_names)}")
        shares[name] = _share(match["share"], name)
    return shares


def _share(text: str, name: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise OptionError(
            f"option 'deploy' gives class '{name}' the share '{text}': it must be a number above 0 and at most 1. A "
            "class that hardly ever comes gets a small share, such as 0.0001."
        )
    return share


def _example(class_names: tuple[str, ...]) -> str:
    first, *rest = class_names
    left = ",".join(f"{name}={0.1 / len(rest):g}" for name in rest)
    text = f"{first}=0.9,{left}" if len(class_names) <= 4 else f"{first}=0.9,{rest[0]}=0.01,…"
    return _HOW.format(text)


def deployed(calibration: CalibrationMap, from_prior: np.ndarray, to_prior: np.ndarray) -> CalibrationMap:
    """Return a calibration map moved from one prior to another: log π_to − log π_from on the log-probabilities.

    Parameters
    ----------
    calibration : CalibrationMap
        Whose probabilities hold at `from_prior`.
    from_prior, to_prior : ndarray, shape (K,)
        Class frequencies. A class without mass in one of them is not moved.

    References
    ----------
    Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities", eq. 4.
    """
    from_prior, to_prior = np.asarray(from_prior, dtype=np.float64), np.asarray(to_prior, dtype=np.float64)
    present = (from_prior > 0) & (to_prior > 0)
    shift = np.zeros(len(from_prior))
    shift[present] = np.log(to_prior[present]) - np.log(from_prior[present])
    return calibration if not shift.any() else calibration.shifted(shift)
