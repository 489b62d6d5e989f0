"""Networks with strategies against imbalance as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from imbtk.authoring.prediction import ABSTAIN
from imbtk.calibration.decisions import decide
from imbtk.calibration.probabilities import calibrate, fit_ledger
from imbtk.data.dataset import Dataset
from imbtk.data.domain import Domain
from imbtk.data.frames import is_frame
from imbtk.errors import DataError, OptionError
from imbtk.integrations.fold_rows import group_numbers
from imbtk.integrations.fold_run import on_all_rows, prepare_fold
from imbtk.integrations.samples import SampleForm
from imbtk.models.forward import forward
from imbtk.planning.config import RunConfig, make_config
from imbtk.planning.plan import StrategyLike
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import own_random_state
from imbtk.training.members import fit_all, make_networks
from imbtk.training.settling import settled

__all__ = ["ImbalancedClassifier"]

_ROWS_AT_ONCE = 256
_VALIDATION_FRACTION = 0.2
_NOTHING = object()


class ImbalancedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A neural network trained with strategies against class imbalance, as a scikit-learn classifier.

    Nothing is written and nothing printed.

    Parameters
    ----------
    strategies : sequence of str or Strategy
        As for :func:`imbtk.run`. A search over options is one over lists: ``[["focal-loss:gamma=1"], ["focal-loss"]]``.
    model : str, optional
        ``table-mlp``, ``mlp``, ``linear``, ``small-cnn``, one of torchvision's, or ``package.module:factory``; None
        takes ``table-mlp`` for tables of up to 10,000 rows, ``mlp`` for larger ones and ``small-cnn`` for images.
    epochs : int, optional
        By default at most as many as show about 100,000 samples, between 5 and 100, and stopped early: 100 up to 1,000
        rows.
    batch_size : int
    lr : float, optional
        Peak learning rate; by default the one that suits the model.
    weight_decay : float, optional
        By default the one that suits the model.
    optimizer, schedule, warmup, milestones, fall, clip_norm
        As the options of ``imbtk run``.
    early_stop : str, optional
        Keep the best epoch of the last phase by ``corrected_log_loss``, ``balanced_log_loss``, ``log_loss``,
        ``balanced_accuracy`` or ``worst_sensitivity`` on validation rows; ``none`` keeps the last. By default the
        corrected log-loss where `epochs` are left open too, and none where they are given.
    patience : int, optional
        With `early_stop`: stop after so many epochs without a gain.
    validation_fraction : "auto" or float, optional
        Share of the rows on which nothing is trained: they stop early, calibrate probabilities, and fit strategies
        that decide. Stratified, whole groups where ``fit`` is given groups: each class that has two of them is on both
        sides. None trains on all rows, and probabilities are moved by the ledger alone. ``auto`` is 0.2 where the best
        epoch is kept, only borrowed: a network is then trained on all rows for as many epochs; it is None where the
        last one is kept: where `epochs` are given without `early_stop`.
    positive : object, optional
        The positive class of binary data, as in `y`; the rarer one unless given.
    deploy : str
        Class frequencies that probabilities are for: ``natural``, ``uniform`` or ``"0=0.9,1=0.1"``.
    allow_overcorrection : bool
    plugins : sequence of path
        Python files that offer strategies.
    domain : "digits", "photo" or "histology"
        What images show, for presets of augmentation.
    categorical, numeric, drop, decimal, dates
        How columns of a DataFrame are taken, as the options of ``imbtk run``.
    device, precision, memory_format, max_minutes
        As the options of ``imbtk run``.
    random_state : int, RandomState or None
        An int is the seed of a run.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        In the type of `y`.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only where X was a DataFrame with names of text.
    network_ : Module
        On the CPU; in double precision for tables, so that a row's result does not hang on its batch.
    history_ : list of dict
        One record for each epoch.
    ledger_ : dict of str to list
        The class prior of the last phase: natural, resampled, ordered, weighted, effective.
    plan_ : tuple of str
        The strategies in the one grammar.

    Notes
    -----
    ``predict`` is the argmax of the trained logits unless a strategy decides otherwise; ``predict_proba`` is calibrated
    to the deployment prior. With strategies that move the class prior the two may name different classes, as meant: the
    decision is what the strategy was asked for, the probability is what to expect.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import imbtk
    >>> x, y = load_iris(return_X_y=True)
    >>> model = imbtk.ImbalancedClassifier(["class-weights"], epochs=60).fit(x, y)
    >>> bool(model.score(x, y) > 0.9)
    True
    """

    def __init__(
        self,
        strategies: Sequence[StrategyLike] = (),
        model: str | None = None,
        *,
        epochs: int | None = None,
        batch_size: int = 64,
        lr: float | None = None,
        weight_decay: float | None = None,
        optimizer: str = "adamw",
        schedule: str = "cosine",
        warmup: float = 0.05,
        milestones: Sequence[float] = (0.6, 0.8),
        fall: float = 0.1,
        clip_norm: float | None = None,
        early_stop: str | None = None,
        patience: int | None = None,
        validation_fraction: float | Literal["auto"] | None = "auto",
        positive: Any = None,
        deploy: str = "natural",
        allow_overcorrection: bool = False,
        plugins: Sequence[str] = (),
        domain: Domain = "photo",
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        drop: Sequence[str] = (),
        decimal: str = "auto",
        dates: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        memory_format: str = "auto",
        max_minutes: float | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.strategies = strategies
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.schedule = schedule
        self.warmup = warmup
        self.milestones = milestones
        self.fall = fall
        self.clip_norm = clip_norm
        self.early_stop = early_stop
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.positive = positive
        self.deploy = deploy
        self.allow_overcorrection = allow_overcorrection
        self.plugins = plugins
        self.domain = domain
        self.categorical = categorical
        self.numeric = numeric
        self.drop = drop
        self.decimal = decimal
        self.dates = dates
        self.device = device
        self.precision = precision
        self.memory_format = memory_format
        self.max_minutes = max_minutes
        self.random_state = random_state

    # Parameters ----------------------------------------------------------------------------------------------------

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Raises
        ------
        ValueError
            If there is no such parameter; options of strategies are none, but part of the list.
        """
        if nested := [key for key in params if key.startswith("strategies__")]:
            raise OptionError(
                f"'{nested[0]}' is no parameter: an option stands in the list of strategies. In a search give the "
                'lists, {"strategies": [["focal-loss:gamma=0.5"], ["focal-loss:gamma=2"]]}.'
            )
        super().set_params(**params)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # Fitting -------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train a network.

        Parameters
        ----------
        X : array or DataFrame
            A table (n, D), in which NaN is a missing value and, in a DataFrame, a column of text becomes one column for
            each value; or images (n, C, H, W), (n, H, W, C) or (n, H, W), uint8 or floats in [0, 1].
        y : array, shape (n,)
            Classes of any type.
        sample_weight : array, shape (n,), optional
            Multiplies the loss of each row, on top of class weights; only ratios matter, and a row of weight 0 is left
            out. Strategies count rows and not weights; probabilities are for the weighted class frequencies.
        groups : array, shape (n,), optional
            Group (patient) of each row: kept whole when validation rows are set aside.

        Returns
        -------
        self

        Raises
        ------
        ImbtkError
            Whatever is wrong with data, plan or options; those about values are a ValueError too.
        """
        prepared, weights = self._prepare(X, y, sample_weight, groups)
        for line in (*prepared.data.dataset.notes, *prepared.plan.warnings):
            warnings.warn(line, stacklevel=2)
        with own_random_state():
            networks = make_networks(prepared)
            fitted = fit_all(settled(prepared, networks[0]), networks)
            prepared, self.history_ = fitted.prepared, fitted.history
            logits = fitted.logits(prepared.calibration_rows)
            self._calibration = calibrate(prepared, fit_ledger(prepared, logits), logits)
            self._decision = decide(prepared, logits, self._calibration).rule
            kept = [int(record["epoch"]) for record in self.history_ if record.get("kept")]
            if self.validation_fraction == "auto" and kept:
                # The rows were borrowed to learn how long to train; now that it is known they are trained on. The
                # schedule ends there too: while the rate is high a network swings from epoch to epoch, and the best
                # of one training is nothing of the kind in the next.
                epochs = int(np.median(kept)) + 1
                prepared = on_all_rows(prepared, self.strategies, weights, epochs=epochs)
                fitted = fit_all(prepared, make_networks(prepared), most_epochs=epochs)
        self._normalisation = prepared.data.normalisation
        network = fitted.network.cpu().eval()
        self.network_ = network.double() if prepared.data.dataset.kind == "table" else network
        self.ledger_ = prepared.plan.phases[-1].ledger.table()
        self.plan_ = tuple(map(str, prepared.plan.strategies.items))
        return self

    def _prepare(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> tuple[PreparedRun, np.ndarray | None]:
        """Return what a run prepares, and the weights of rows."""
        X, y = self._validated(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y holds one class, '{self.classes_[0]}'. A classifier needs at least two classes.")
        config = self._config()
        self._form, samples, notes = SampleForm.of(X, config)
        dataset = Dataset(
            name="X",
            kind=self._form.kind,
            x=samples,
            labels=torch.from_numpy(numbers.astype(np.int64)),
            class_names=tuple(map(str, self.classes_.tolist())),
            groups=group_numbers(groups, len(y)),
            domain="table" if self._form.kind == "table" else self.domain,
            notes=notes,
        )
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, samples.numpy(), dtype=np.float64, ensure_non_negative=True)
        return prepare_fold(config, self.strategies, dataset, weights, self._fraction(config)), weights

    def _fraction(self, config: RunConfig) -> float | None:
        """Return the share of validation rows."""
        if self.validation_fraction != "auto":
            return self.validation_fraction
        return _VALIDATION_FRACTION if config.stops_early else None

    def _validated(self, X: Any, y: Any = _NOTHING) -> tuple[Any, Any]:
        """Return X and y after scikit-learn's checks; without `y` those of prediction."""
        fitting = y is not _NOTHING
        given: dict[str, Any] = {"y": y} if fitting else {}
        if is_frame(X) and (fitting or self._form.columns is not None):
            validate_data(self, X, **given, reset=fitting, skip_check_array=True)
            return X, column_or_1d(y, warn=True) if fitting else None
        # Which numbers are too large is said where samples are made, with row and column.
        checked = validate_data(self, X, **given, reset=fitting, allow_nd=True, ensure_all_finite=False)
        return checked if fitting else (checked, None)

    def _config(self) -> RunConfig:
        values = {
            name: getattr(self, name)
            for name in (
                "model", "epochs", "batch_size", "lr", "weight_decay", "optimizer", "schedule", "warmup", "milestones",
                "fall", "clip_norm", "early_stop", "patience", "deploy", "allow_overcorrection", "device", "precision",
                "memory_format", "max_minutes", "categorical", "numeric", "drop", "decimal", "dates",
            )
        }  # fmt: skip
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        values["positive"] = None if self.positive is None else str(self.positive)
        return make_config({**values, "plugins": tuple(map(str, self.plugins)), "seed": int(seed)})

    # Predicting ----------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each row, (n,), in the type of the training classes."""
        logits = self._logits(X)
        probabilities = self._calibration.probabilities(logits)
        decided = self._decision.decide(logits, probabilities)
        # A scikit-learn classifier has no way to abstain: the most probable class is said.
        decided = np.where(decided == ABSTAIN, probabilities.argmax(axis=1), decided)
        predicted: np.ndarray = self.classes_[decided]
        return predicted

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return calibrated probabilities, (n, K) float64."""
        logits = self._logits(X)
        return self._calibration.probabilities(logits)

    def predict_sets(self, X: Any) -> np.ndarray:
        """Return which classes are in the set of each row, bool of shape (n, K), columns as in ``classes_``.

        Raises
        ------
        OptionError
            If no strategy makes sets.
        """
        logits = self._logits(X)
        if self._decision.sets is None:
            raise OptionError("no strategy of this classifier makes sets of classes; `imbtk strategies` lists them.")
        return self._decision.in_set(logits)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return calibrated log-probabilities, (n, K) float64."""
        logits = self._logits(X)
        return self._calibration.log_probabilities(logits)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits as trained, (n, K) float64; with two classes their difference, (n,)."""
        logits = self._logits(X)
        return logits if len(self.classes_) > 2 else logits[:, 1] - logits[:, 0]

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        samples = self._form.samples(self._validated(X)[0])
        samples = samples.double() if self._form.kind == "table" else samples
        inputs = (self._normalisation.inputs(part) for part in torch.split(samples, _ROWS_AT_ONCE))
        logits: np.ndarray = forward(self.network_, inputs).double().numpy()
        return logits
