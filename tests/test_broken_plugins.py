"""Plugins that fail, as installed distributions: each is named with its remedy, the others go on, nothing is left.

The distributions are folders with real metadata on the import path, found as pip leaves them.
"""

from __future__ import annotations

import importlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import imbtk
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ConflictError, ImbtkError, PluginError

Install = Callable[..., Path]

HEAD = """
import numpy as np
import torch
from imbtk import *
from imbtk import hookimpl, option, Strategy, RunContext
"""

GOOD = f"""{HEAD}
class Alike(Strategy):
    '''Weigh all classes alike.'''

    @hookimpl
    def imbtk_class_weights(self, context):
        return torch.ones(context.num_classes)
"""


def strategy(hook: str, arguments: str, body: str, name: str = "Acme") -> str:
    return f"""{HEAD}
class {name}(Strategy):
    '''Break.'''

    @hookimpl
    def {hook}(self, {arguments}):
        {body}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that puts a distribution with one module and one entry point on the import path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def put(text: str, entry: str = "acme", distribution: str = "acme-imb", version: str = "1.2") -> Path:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(text)
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[imbtk]\n{entry} = {module}\n")
        (info / "RECORD").write_text("")
        importlib.invalidate_caches()
        return site

    yield put
    for name in set(sys.modules) - before:
        if name.endswith("_imb"):
            del sys.modules[name]


def train(strategies: list[str], out: Path, **options: object) -> object:
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    y = np.arange(120) % 4 // 3
    return imbtk.run((x, y), strategies, epochs=1, out=out, quiet=True, allow_overcorrection=True, **options)


AT_IMPORT = {
    "import error": ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError: .*'. Reinstall it"),
    "syntax error": ("def", "cannot be imported: SyntaxError"),
    "leaves": ("import sys; sys.exit('bye')", "cannot be imported: SystemExit: bye.*leave it out with --without"),
    "prints": ("print('hello')", "prints when it is imported: 'hello'.*take the print away"),
    "torch's state": ("import torch; torch.manual_seed(3)", "global random state .*can use the 'draw'"),
    "numpy's state": ("import numpy; numpy.random.seed(3)", "global random state"),
    "python's state": ("import random; random.seed(3)", "global random state"),
    "newer": ("imbtk_api = 99", "was written for plugin API 99; this imbtk .* has 1. Upgrade imbtk"),
    "misspelt hook": (
        strategy("imbtk_class_weight", "context", "return None"),
        r"is refused: strategy 'acme' \(acme_imb.Acme\): imbtk_class_weight answers no hook, imbtk has none of that "
        r"name. Did you mean 'imbtk_class_weights'\? Report it to its author, or leave it out with --without",
    ),
    "argument that there is not": (
        strategy("imbtk_class_weights", "contxt", "return None"),
        r"strategy 'acme' \(acme_imb.Acme\): imbtk_class_weights asks for 'contxt', which there is not. Did you mean "
        r"'context'\? It can have: context. Report it to its author",
    ),
    "unmarked hook": (
        GOOD.replace("    @hookimpl\n", ""),
        "imbtk_class_weights is named like a hook but is not marked as one. Write @hookimpl above it. Report",
    ),
    "no strategy": (
        f"{HEAD}\nclass Idle(Strategy):\n    'Idle.'",
        "strategy 'idle' .*answers no hook. Give it a method",
    ),
    "offers a number": (
        f"{HEAD}\n@hookimpl\ndef imbtk_strategies():\n    return [3]",
        "offers 3 in imbtk_strategies, which is no class made from imbtk.Strategy",
    ),
}


@pytest.mark.parametrize("kind", AT_IMPORT)
def test_a_plugin_that_fails_at_import(
    kind: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run beside a plugin that failed has its page below; drawing it for each kind is most of the time.
    monkeypatch.setattr("imbtk.pipeline.results.make_report", lambda folder: None)
    text, message = AT_IMPORT[kind]
    install(text)
    install(GOOD, entry="alike", distribution="good-imb")
    # Other than what the plugins seed: a state that is set to what it was already has not been disturbed.
    random.seed(11)
    np.random.seed(11)  # noqa: NPY002
    torch.manual_seed(11)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()  # noqa: NPY002
    catalogue = Catalogue()
    failed = next(plugin for plugin in catalogue.plugins() if plugin.name == "acme")
    assert failed.error is not None
    assert (failed.name, failed.distribution, failed.version) == ("acme", "acme-imb", "1.2")
    with pytest.raises(PluginError, match=message) as caught:
        train(["acme"], tmp_path / "run")
    assert "plugin 'acme' (acme-imb 1.2)" in str(caught.value)
    # Others go on, nothing half-done is left, and the random states are as they were.
    assert "alike" in catalogue.strategies()
    train(["alike"], tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("run")] == []
    assert states[0] == random.getstate()
    assert states[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(states[2], torch.random.get_rng_state())


IN_A_HOOK = {
    "raises": (
        ("imbtk_class_weights", "context", "raise KeyError('oops')"),
        r"failed in imbtk_class_weights: KeyError: 'oops'. Report it to its author, or run without 'acme'",
    ),
    "wrong type": (
        ("imbtk_class_weights", "context", "return [1.0, 1.0]"),
        "returned list instead of a tensor of numbers .* from imbtk_class_weights",
    ),
    "wrong shape": (
        ("imbtk_class_weights", "context", "return torch.ones(7)"),
        r"returned float32 \(7,\) instead of a tensor",
    ),
    "not a number": (
        ("imbtk_class_weights", "context", "return torch.full((2,), float('nan'))"),
        "a weight for class '0' that is not finite and positive",
    ),
    "wrong dtype": (
        ("imbtk_epoch_order", "context", "return lambda epoch, draw: torch.ones(5)"),
        "as an order instead of int64 .* from imbtk_epoch_order",
    ),
    "wrong dtype of rows": (
        ("imbtk_resample", "rows", "import dataclasses; return dataclasses.replace(rows, indices=rows.indices.int())"),
        "indices and labels that are not int64 of one length from imbtk_resample",
    ),
    "rows of the test side": (
        ("imbtk_resample", "rows", "import dataclasses; return dataclasses.replace(rows, indices=rows.indices + 1)"),
        "which is no training row, from imbtk_resample",
    ),
    "labels of others": (
        ("imbtk_resample", "rows", "import dataclasses; return dataclasses.replace(rows, labels=1 - rows.labels)"),
        "rows with labels that are not theirs from imbtk_resample",
    ),
    "no split": (
        ("imbtk_split", "dataset", "return 3"),
        "returned int instead of a sequence of Split from imbtk_split",
    ),
    "reduced loss": (
        ("imbtk_criterion", "context", "return torch.nn.functional.cross_entropy"),
        r"a callable that gives float32 \(\) instead of a loss per sample, unreduced, \(2,\), from imbtk_criterion",
    ),
    "loss that is no number": (
        ("imbtk_criterion", "context", "return lambda logits, target: logits.sum(1) * float('nan')"),
        "a callable that gives losses that are not finite from imbtk_criterion",
    ),
    "loss that raises": (
        ("imbtk_adjust_criterion", "criterion", "return lambda logits, target: criterion(logits)"),
        "failed in imbtk_adjust_criterion: TypeError",
    ),
    "asks for what there is not": (
        ("imbtk_criterion", "context", "return lambda logits, target, *, patient: logits.sum(1)"),
        "the callable from imbtk_criterion asks for 'patient', which there is not. It can have: features, experts",
    ),
    "not callable": (
        ("imbtk_criterion", "context", "return 3"),
        "returned int, which cannot be called, from imbtk_crit",
    ),
    "changes the shape": (
        ("imbtk_mix", "context", "return lambda images, target, draw: (images[:, :2], target)"),
        r"gives float32 \(2, 2\) instead of images as they were given, float32 \(2, 4\), from imbtk_mix",
    ),
    "order that draws from the global state": (
        ("imbtk_epoch_order", "context", "return lambda epoch, draw: torch.randperm(len(context.labels))"),
        "draws from or seeds the global random state of torch in the callable from imbtk_epoch_order. Numbers come",
    ),
    "loss that draws from the global state": (
        ("imbtk_criterion", "context", "return lambda logits, target: logits.sum(1) * float(np.random.rand())"),
        "draws from or seeds the global random state of NumPy in the callable from imbtk_criterion",
    ),
    "loss of features that draws from the global state": (
        ("imbtk_criterion", "context", "return lambda logits, target, *, features: (features * torch.rand(())).sum(1)"),
        "draws from or seeds the global random state of torch in the callable from imbtk_criterion",
    ),
    "calibration of another type": (
        ("imbtk_calibrate", "map", "return 2.0"),
        "returned float, not a CalibrationMap, from imbtk_calibrate; docs/hooks/calibrate.md says what it returns",
    ),
    "calibration of another shape": (
        ("imbtk_calibrate", "map", "return CalibrationMap(1.0, np.zeros(3))"),
        r"a CalibrationMap with a shift of shape \(3,\) instead of \(2,\) from imbtk_calibrate",
    ),
    "calibration that raises": (("imbtk_calibrate", "map", "raise KeyError('x')"), "failed in imbtk_calibrate: KeyErr"),
    "decision of another type": (
        ("imbtk_decide", "context", "return 0.5"),
        "returned float, not a DecisionRule, from imbtk_decide; docs/hooks/decide.md says what it returns",
    ),
    "decision that is no number": (
        ("imbtk_decide", "context", "return DecisionRule(shift=np.array([0.0, np.nan]))"),
        "a DecisionRule with a shift that is not finite from imbtk_decide",
    ),
    "decision that raises": (
        ("imbtk_decide", "logits", "raise KeyError('x')"),
        "failed in imbtk_decide: KeyError: 'x'",
    ),
    "decision that draws from the global state": (
        ("imbtk_decide", "logits", "np.random.rand(); return DecisionRule()"),
        "draws from or seeds the global random state of NumPy in imbtk_decide",
    ),
    "head of other classes": (
        ("imbtk_head", "in_features", "return torch.nn.Linear(in_features, 7)"),
        r"head 'Linear' of strategy .* from imbtk_head gives shape \(2, 7\) .* instead of logits \(2, 2\)\. "
        r"docs/hooks/head.md .* run without 'acme'",
    ),
    "head that cannot be saved": (
        (
            "imbtk_head",
            "in_features",
            """
        class Branches(torch.nn.Linear):
            def forward(self, x):
                return super().forward(x) if x.sum() > 0 else super().forward(-x)
        return Branches(in_features, 2)""",
        ),
        r"with head Branches of strategy 'acme' \(acme-imb 1.2\) from imbtk_head\) cannot be saved by torch.export",
    ),
    "draws from the global state": (
        ("imbtk_class_weights", "context", "return torch.rand(2)"),
        "draws from or seeds the global random state of torch in imbtk_class_weights. Numbers come from context.draw",
    ),
}


@pytest.mark.parametrize("kind", IN_A_HOOK)
def test_a_strategy_that_fails_in_a_hook(kind: str, install: Install, tmp_path: Path) -> None:
    (hook, arguments, body), message = IN_A_HOOK[kind]
    install(strategy(hook, arguments, body))
    state = torch.random.get_rng_state()
    with pytest.raises(PluginError, match=message) as caught:
        train(["acme"], tmp_path / "run")
    assert "strategy 'acme' (acme-imb 1.2)" in str(caught.value)
    assert not list(tmp_path.glob("run*"))
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_augmentation_that_changes_the_shape(install: Install, tmp_path: Path) -> None:
    install(
        strategy("imbtk_augment", "augment", "return lambda images, target, draw: augment(images, target, draw)[:1]")
    )
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    with pytest.raises(PluginError, match=r"float32 \(1, 1, 8, 8\) instead of images as they were given") as caught:
        imbtk.run((images, np.arange(40) % 2), ["acme"], epochs=1, out=tmp_path / "run", quiet=True)
    assert "(acme-imb 1.2)" in str(caught.value)


def test_two_claims_on_one_choice(install: Install, tmp_path: Path) -> None:
    install(strategy("imbtk_class_weights", "context", "return torch.ones(2)"))
    install(GOOD, entry="alike", distribution="good-imb", version="3.0")
    with pytest.raises(
        ConflictError, match=r"claimed by 'acme' \(acme-imb 1.2\) and 'alike' \(good-imb 3.0\)"
    ) as caught:
        train(["acme", "alike"], tmp_path / "run")
    assert "give them separate epochs: -s acme@0-80% -s alike@80%-" in str(caught.value)


def test_one_name_of_two_distributions(install: Install, tmp_path: Path) -> None:
    install(GOOD, entry="alike", distribution="one-imb")
    install(GOOD, entry="alike", distribution="two-imb")
    with pytest.raises(PluginError, match=r"'alike' is offered by 'one-imb 1.2' and by 'two-imb 1.2'. Uninstall one"):
        train(["alike"], tmp_path / "run")
    assert [p.distribution for p in Catalogue().duplicates()["alike"]] == ["one-imb", "two-imb"]


def test_a_name_that_an_entry_has_means_that_entry(install: Install) -> None:
    install(GOOD, entry="alike", distribution="one-imb")
    install(GOOD, entry="acme", distribution="two-imb")
    catalogue = Catalogue()
    assert catalogue.find("alike")[1].distribution == "one-imb"
    assert catalogue.strategies()["alike"][1].distribution == "one-imb"
    assert [p.distribution for p in catalogue.duplicates()["alike"]] == ["two-imb", "one-imb"]


def test_a_model_with_a_name_that_imbtk_has(install: Install, tmp_path: Path) -> None:
    model = "ModelSpec('mlp', lambda shape: torch.nn.Flatten(), 'table')"
    install(f"{GOOD}\n@hookimpl\ndef imbtk_models():\n    return {{'mlp': {model}}}")
    with pytest.raises(
        PluginError, match=r"offers a model 'mlp', which imbtk itself has. Give the plugin's another name"
    ):
        train(["alike"], tmp_path / "run", model="mlp")


@pytest.mark.parametrize(
    ("hook", "answer", "message"),
    [
        ("imbtk_models", "[]", "returned list from imbtk_models, which returns a mapping by name"),
        ("imbtk_metrics", "3", "returned int from imbtk_metrics, which returns a mapping by name"),
        ("imbtk_sources", "{}", "returned dict from imbtk_sources, which returns a list"),
        ("imbtk_observers", "'text'", "returned str from imbtk_observers, which returns a list"),
        ("imbtk_metrics", "1 / 0", "failed in imbtk_metrics: ZeroDivisionError"),
    ],
)
def test_a_module_that_answers_wrongly(hook: str, answer: str, message: str, install: Install, tmp_path: Path) -> None:
    text = f"{GOOD}\n@hookimpl\ndef {hook}():\n    return {answer}"
    install(text)
    catalogue = Catalogue()
    list(catalogue.offered(hook))
    failed = next(plugin for plugin in catalogue.plugins() if plugin.name == "acme")
    assert re.search(message, str(failed.error))
    assert "plugin 'acme' (acme-imb 1.2)" in str(failed.error)
    # Given as a file it was asked for.
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(PluginError, match=message):
        list(Catalogue(files=[tmp_path / "mine.py"]).offered(hook))


def test_metrics_of_plugins(install: Install, tmp_path: Path) -> None:
    install(f"{GOOD}\n@hookimpl\ndef imbtk_metrics():\n    return {{'acme': lambda labels, probabilities: 1 / 0}}")
    with pytest.raises(PluginError, match=r"plugin 'acme' \(acme-imb 1.2\) failed in imbtk_metrics: ZeroDivisionError"):
        Catalogue().extra_metrics()["acme"](np.zeros(2), np.zeros((2, 2)))
    install(
        f"{HEAD}\n@hookimpl\ndef imbtk_metrics():\n    return {{'acme': len}}", entry="other", distribution="other-imb"
    )
    with pytest.raises(PluginError, match=r"metric 'acme' is offered by 'acme-imb 1.2' and by 'other-imb 1.2'"):
        Catalogue().extra_metrics()


def test_a_failed_plugin_that_nobody_asked_for_does_not_matter(install: Install, tmp_path: Path) -> None:
    install("import nothing_of_that_name")
    install(GOOD, entry="alike", distribution="good-imb")
    train(["alike"], tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    with pytest.raises(
        ImbtkError, match=r"unknown strategy 'alke'.*Plugins that failed to load: acme \(acme-imb 1.2\)"
    ):
        train(["alke"], tmp_path / "other")
