"""What ``by_hand.py`` compares: imbtk as it comes, and what people write without it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from by_hand_data import Data, Fold
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

import imbtk

__all__ = ["METHODS", "OPPONENT", "OURS"]

Method = Callable[[Data, Fold, int], tuple[np.ndarray, np.ndarray]]
"""``(data, fold, seed)`` to probabilities (m, K) and predicted classes (m,) of the test rows."""

OPPONENT = {"table": "logistic regression, balanced", "images": "CNN by hand"}
"""Named before anything was run."""

EPOCHS, BATCH, RATE = 20, 64, 1e-3


def _imbtk(*strategies: str) -> Method:
    def run(data: Data, fold: Fold, seed: int) -> tuple[np.ndarray, np.ndarray]:
        settings: dict[str, Any] = {"random_state": seed, "domain": data.domain, "device": "cpu"}
        model = imbtk.ImbalancedClassifier(list(strategies), **settings)
        groups = None if data.groups is None else data.groups[fold.train]
        model.fit(_rows(data.x, fold.train), data.y[fold.train], groups=groups)
        test = _rows(data.x, fold.test)
        return model.predict_proba(test), model.predict(test)

    return run


def _rows(x: Any, rows: np.ndarray) -> Any:
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]


def _scikit(make: Callable[[int, str | None], Any], balanced: bool) -> Method:
    def run(data: Data, fold: Fold, seed: int) -> tuple[np.ndarray, np.ndarray]:
        words = make_column_selector(dtype_exclude="number")
        columns = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words), remainder=StandardScaler()
        )
        model = make_pipeline(columns, make(seed, "balanced" if balanced else None))
        x = data.x.set_axis([f"x{k}" for k in range(data.x.shape[1])], axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x.iloc[fold.train], data.y[fold.train])
        return model.predict_proba(x.iloc[fold.test]), model.predict(x.iloc[fold.test])

    return run


def _logistic(seed: int, weight: str | None) -> Any:
    return LogisticRegression(class_weight=weight, max_iter=2000)


def _forest(seed: int, weight: str | None) -> Any:
    return RandomForestClassifier(300, class_weight=weight, random_state=seed)


def _boosting(seed: int, weight: str | None) -> Any:
    return HistGradientBoostingClassifier(class_weight=weight, random_state=seed)


def plain_cnn(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the network of a tutorial: three convolutions with pooling, two fully connected layers."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128 * (height // 8) * (width // 8), 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip


def _cnn(data: Data, fold: Fold, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train the tutorial's network: class weights, Adam, a fixed number of epochs, the last one's weights."""
    torch.manual_seed(seed)
    x, y = torch.from_numpy(data.x[fold.train]), torch.from_numpy(data.y[fold.train])
    counts = torch.bincount(y).float()
    network = plain_cnn(tuple(x.shape[1:]), len(counts))
    criterion = nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) * counts))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    pixels = x.float() / 255
    mean, std = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    pixels = (pixels - mean) / std
    network.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            criterion(network(pixels[rows]), y[rows]).backward()
            optimizer.step()
    network.eval()
    test = (torch.from_numpy(data.x[fold.test]).float() / 255 - mean) / std
    with torch.no_grad():
        logits = torch.cat([network(part) for part in test.split(256)])
    return torch.softmax(logits.double(), dim=1).numpy(), logits.argmax(1).numpy()


OURS = {"table": ("imbtk: class-weights",), "images": ("imbtk: class-weights", "imbtk: class-weights augment")}

METHODS: dict[str, dict[str, Method]] = {
    "table": {
        "imbtk: class-weights": _imbtk("class-weights"),
        "logistic regression, balanced": _scikit(_logistic, True),
        "logistic regression": _scikit(_logistic, False),
        "random forest, balanced": _scikit(_forest, True),
        "random forest": _scikit(_forest, False),
        "gradient boosting, balanced": _scikit(_boosting, True),
        "gradient boosting": _scikit(_boosting, False),
    },
    "images": {
        "imbtk: class-weights": _imbtk("class-weights"),
        "imbtk: class-weights augment": _imbtk("class-weights", "augment"),
        "CNN by hand": _cnn,
    },
}
