"""A histology study: stratified by patient, weighted, augmented; and what colour alone would have reached.

    python examples/histology/study.py path/to/BreakHis [--where magnification=200] [--out runs/histology]

The folder is BreakHis as it comes, or any folder of images with one folder per class whose patients imbtk can tell
(``--group-pattern``). A pretrained resnet50 is trained where its weights are at hand (``--weights FILE``, or the file
that torchvision would fetch, in its cache), otherwise imbtk's small-cnn from scratch. Beside it stands a logistic
regression on colour histograms over the very same patients: a network that does not beat it has learnt the stain.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import imbtk
from imbtk.audit.colour import colour_histograms
from imbtk.data import load
from imbtk.planning.config import make_config

STRATEGIES = ["stratified-split", "class-weights", "augment:preset=histology"]


def weights_at_hand() -> bool:
    """Return whether torchvision's weights of resnet50 are in its cache, so that nothing has to be fetched."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return any(folder.glob("resnet50-*.pth"))


def model_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the network: a pretrained resnet50 where there are weights for it, else small-cnn."""
    if arguments.weights:
        return {"model": "resnet50", "weights": arguments.weights, "lr": 1e-4, "image_size": 224}
    if weights_at_hand():
        return {"model": "resnet50", "pretrained": True, "lr": 1e-4}
    print("No weights of resnet50 are at hand: training small-cnn from scratch instead.")
    return {"model": "small-cnn"}


def colour_alone(run: imbtk.RunResult, images: np.ndarray) -> dict[str, float]:
    """Return test figures of a logistic regression on colour histograms, on the split of the run."""
    split = pd.read_csv(run.folder / "split.csv", dtype=str)
    train, test = ((split["split"] == side).to_numpy() for side in ("train", "test"))
    features, labels = colour_histograms(images), split["label"].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000))
    predicted = model.fit(features[train], labels[train]).predict(features[test])
    classes = sorted(set(labels))
    found = recall_score(labels[test], predicted, labels=classes, average=None)
    figures = {f"sensitivity, {name}": float(value) for name, value in zip(classes, found, strict=True)}
    return {"balanced accuracy": float(balanced_accuracy_score(labels[test], predicted)), **figures}


def network_figures(run: imbtk.RunResult) -> dict[str, str]:
    """Return the same test figures of the network, with their intervals."""
    level = run.metrics["test"]["per_row"]
    chosen = {"balanced accuracy": level["overall"]["balanced_accuracy"]}
    chosen |= {f"sensitivity, {entry['name']}": entry["sensitivity"] for entry in level["per_class"]}
    return {name: _text(figure) for name, figure in chosen.items()}


def _text(figure: dict[str, Any]) -> str:
    if figure.get("value") is None:
        return "not known"
    low, high = figure.get("interval") or (float("nan"), float("nan"))
    return f"{figure['value']:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Train, then print both side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out")
    parser.add_argument("--weights", help="a state dict of resnet50")
    parser.add_argument("--where", action="append", default=[], help="column=value, such as magnification=200")
    parser.add_argument("--group-pattern")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    reading: dict[str, Any] = {"where": tuple(arguments.where), "group_pattern": arguments.group_pattern}
    options = {**reading, **model_options(arguments), "epochs": arguments.epochs, "seed": arguments.seed}
    options = {name: value for name, value in options.items() if value not in (None, ())}
    run = imbtk.run(arguments.data, STRATEGIES, out=arguments.out, **options)
    reading = {name: value for name, value in reading.items() if value not in (None, ())}
    images = load(arguments.data, make_config({**reading, "image_size": 64})).x.numpy()
    colour = colour_alone(run, images)
    print(f"\n{'test images':28}{'network (95 % interval)':28}colour alone")
    for name, text in network_figures(run).items():
        print(f"{name:28}{text:28}{colour[name]:.2f}")


if __name__ == "__main__":
    main()
