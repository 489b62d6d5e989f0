"""Which strategy, and with which options? A grid search in scikit-learn, patients kept whole.

    python examples/sklearn_grid/grid.py [EPOCHS]

Candidates are lists of strategies, each with its options. The classifier sits in a pipeline like any other;
cross-validation keeps each patient on one side. It ends with each candidate's balanced accuracy, and with the log-loss
of probabilities that were predicted for rows outside of training.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline

import imbtk


def imbalanced_data() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features, labels and patients: malignant is rare, and every patient has two rows."""
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    kept = (y == 1) | ((y == 0).cumsum() <= 40)
    names = np.where(y[kept] == 1, "benign", "malignant")
    return x[kept].reset_index(drop=True), names, np.arange(len(names)) // 2


def main(epochs: int) -> None:
    """Search, and predict with the best."""
    x, y, patients = imbalanced_data()
    folds = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=0)
    model = Pipeline(
        [("impute", SimpleImputer()), ("network", imbtk.ImbalancedClassifier(epochs=epochs, model="linear", lr=0.03))]
    )
    focal = [[f"focal-loss:gamma={gamma}"] for gamma in (0.5, 2)]
    grid = {"network__strategies": [[], ["class-weights"], ["oversample:power=0.5"], *focal]}
    search = GridSearchCV(model, grid, scoring="balanced_accuracy", cv=folds).fit(x, y, groups=patients)
    results = search.cv_results_
    for params, mean in zip(results["params"], results["mean_test_score"], strict=True):
        print(f"{mean:.3f}  {params}")
    print(f"best: {' '.join(search.best_estimator_['network'].plan_) or 'nothing'}")

    chances = cross_val_predict(search.best_estimator_, x, y, groups=patients, cv=folds, method="predict_proba")
    print(f"log-loss of its probabilities on rows outside of training: {log_loss(y, chances):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
