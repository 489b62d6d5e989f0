"""Tables of the long-tail literature as recipes: CIFAR-10-LT, CIFAR-100-LT, and Fashion-MNIST-LT in their image."""

from __future__ import annotations

from typing import Any

from imbtk import PublishedRow, PublishedTable, hookimpl

_BOT = "BagofTricks-LT, documents/trick_gallery.md (commit 3ae52f4): 100 less the error"
_MISLAS = "Zhong et al. 2021, README of their code (commit 02d6f98)"
_MENON = "Menon et al. 2021, table 3 (collected second-hand; plain network there: 71.4 / 39.9)"
_KANG = "BagofTricks-LT, another state of its gallery (collected second-hand)"
_RANGWANI = "Rangwani et al. 2022, CE-DRW + SAM (collected second-hand)"
_RIDE = "Wang et al. 2021 (collected second-hand)"

_DRW = "class-weights:scheme=effective,beta=0.9999@80%-"

FIGURES: dict[str, tuple[str, dict[str, float]]] = {
    "ce": (_BOT, {"10-100": 69.88, "10-50": 75.19, "100-100": 38.24, "100-50": 42.35}),
    "focal": (_BOT, {"10-100": 69.12, "10-50": 75.88, "100-100": 37.41, "100-50": 40.54}),
    "effective-drw": (_BOT, {"10-100": 73.13, "10-50": 79.06, "100-100": 38.43, "100-50": 42.51}),
    "ldam-drw": (_BOT, {"10-100": 75.39, "10-50": 79.69, "100-100": 40.92, "100-50": 45.54}),
    "balanced-softmax": (_BOT, {"10-100": 76.37, "10-50": 79.93, "100-100": 43.18, "100-50": 45.45}),
    "logit-adjust": (_MENON, {"10-100": 77.9, "100-100": 44.1}),
    "logit-adjust-posthoc": (_MENON, {"10-100": 77.3, "100-100": 44.1}),
    "mixup": (_BOT, {"10-100": 71.45, "10-50": 78.17, "100-100": 39.90, "100-50": 44.75}),
    "remix": (_BOT, {"10-100": 70.50, "10-50": 76.56, "100-100": 40.87, "100-50": 45.38}),
    "crt": (_KANG, {"10-100": 75.0, "100-100": 40.3}),
    "tau-norm": (_BOT, {"10-100": 70.66, "10-50": 78.10, "100-100": 41.62, "100-50": 43.90}),
    "lws": (_KANG, {"10-100": 72.6, "100-100": 40.2}),
    "mislas": (
        _MISLAS,
        {"10-10": 90.0, "10-50": 85.7, "10-100": 82.5, "100-10": 63.2, "100-50": 52.3, "100-100": 47.0},
    ),
    "sam-drw": (_RANGWANI, {"10-100": 80.6, "100-100": 44.6}),
    "ride": (_RIDE, {"100-100": 48.6}),
}
"""Source and accuracies in percent of each row, by number of classes and imbalance."""

_NOTES = {
    "crt": "the second stage is the last 10 epochs of the 200",
    "lws": "the second stage is the last 10 epochs of the 200",
    "mislas": "the second stage is the last 10 epochs of the 200, not 10 more",
    "ride": "without the published second stage, which assigns rows to experts",
}


def _plans(classes: int) -> dict[str, str]:
    """Return the plan of each row."""
    early, late = (0.1, 0.5) if classes == 10 else (0.2, 0.8)
    smoothing = "" if classes == 10 else ":head=0.4,tail=0.1"
    return {
        "ce": "",
        "focal": "focal-loss:gamma=1.0",
        "effective-drw": _DRW,
        "ldam-drw": f"ldam {_DRW}",
        "balanced-softmax": "balanced-softmax",
        "logit-adjust": "logit-adjust",
        "logit-adjust-posthoc": "logit-adjust:mode=posthoc",
        "mixup": "mixup",
        "remix": "remix",
        "crt": "crt:rate=1@95%-",
        "tau-norm": "tau-norm",
        "lws": "lws:rate=1@95%-",
        "mislas": f"mixup@0-95% label-aware-smoothing{smoothing}@95%- lws:rate=1,statistics=true@95%-",
        "sam-drw": f"sam:rho={early}@0-80% sam:rho={late}@80%- {_DRW}",
        "ride": f"ride ldam {_DRW}",
    }


def _options(imbalance: int) -> dict[str, Any]:
    """Return the schedule of Cao et al. 2019: the rate falls to a hundredth at epoch 160, and again at 180."""
    return {
        "model": "resnet32",
        "induce_imbalance": str(imbalance),
        "optimizer": "sgd",
        "lr": 0.1,
        "weight_decay": 2e-4,
        "batch_size": 128,
        "epochs": 200,
        "schedule": "step",
        "warmup": 5 / 200,
        "milestones": (155 / 195, 175 / 195),
        "fall": 0.01,
    }


def _crop_and_mirror(side: int) -> str:
    return (
        f"augment:preset=none,shift={4 / side:.6g},horizontal_flip=true,fill=constant,fill_value=0,"
        "interpolation=nearest"
    )


_DIFFERENCES = (
    "Other than in the published code SGD has Nesterov momentum, norms and biases have no weight decay, the bias of "
    "the head starts at the log of the class frequencies, and of the shifts by up to 4 pixels those by just 4 are half "
    "as frequent."
)


def _cifar(classes: int, imbalance: int) -> PublishedTable:
    key, name = f"{classes}-{imbalance}", f"CIFAR-{classes}"
    rows = {}
    for row, plan in _plans(classes).items():
        source, figures = FIGURES[row]
        figure = figures.get(key)
        rows[row] = PublishedRow(plan, figure, "" if figure is None else source, _NOTES.get(row, ""))
    return PublishedTable(
        f"ResNet-32 on {name}-LT, imbalance {imbalance}, 200 epochs.",
        f"the folder of the binary version of {name} (.bin), or train/ and test/ with a folder for each class",
        classes,
        _options(imbalance),
        rows,
        plan=_crop_and_mirror(32),
        note=_DIFFERENCES,
    )


def _fashion() -> PublishedTable:
    rows = {row: PublishedRow(plan, note=_NOTES.get(row, "")) for row, plan in _plans(10).items()}
    return PublishedTable(
        "ResNet-32 on Fashion-MNIST-LT, imbalance 100, 200 epochs: the setting of CIFAR-10-LT.",
        "the folder of Fashion-MNIST's four idx files, or an .npz with train_images, test_images and _labels",
        10,
        _options(100),
        rows,
        plan=_crop_and_mirror(28),
        note=f"No published figures in this setting are known to us. {_DIFFERENCES}",
    )


TABLES = {
    **{f"cifar{k}-lt-{imbalance}": _cifar(k, imbalance) for k in (10, 100) for imbalance in (10, 50, 100)},
    "fashion-mnist-lt": _fashion(),
}


@hookimpl
def imbtk_plans() -> dict[str, PublishedTable]:
    """Return the tables by their names."""
    return TABLES
