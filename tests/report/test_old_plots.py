"""Methods of before that drew one figure: they still do, and say what stands in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import imbtk
from imbtk.errors import RunFolderError


def test_methods_that_drew_one_figure_warn_for_a_release(make_run: Callable[..., Path]) -> None:
    run = imbtk.RunResult(make_run(classes=["benign", "malignant"], rows=200, patients=60))
    for name, arguments, figure in (
        ("confusion", (), "confusion_test_per_row"),
        ("confusion", ("group", "validation"), "confusion_validation_per_group"),
        ("sensitivity", (), "sensitivity_test_per_row"),
        ("roc", (), "roc_test_per_row"),
        ("precision_recall", ("group",), "precision_recall_test_per_group"),
        ("reliability", (), "reliability_test_per_row"),
        ("classes", (), "class_distribution"),
        ("learning", (), "learning_loss"),
        ("gallery", (), "gallery"),
    ):
        with pytest.warns(FutureWarning, match=rf"plot_{name}\(\) goes .* Write \.figures\['{figure}'\]") as warned:
            assert getattr(run, f"plot_{name}")(*arguments) is run.figures[figure]
        assert warned[0].filename == __file__, "the line to be changed is the caller's"


def test_what_never_was_a_method_is_none(make_run: Callable[..., Path]) -> None:
    run = imbtk.RunResult(make_run(rows=100, images=False))
    with pytest.raises(AttributeError, match="'RunResult' object has no attribute 'plot_everything'"):
        _ = run.plot_everything
    assert not hasattr(run, "__array__"), "libraries ask an object for what it might have"
    with (
        pytest.warns(FutureWarning, match="plot_gallery"),
        pytest.raises(RunFolderError, match="there is no figure 'gallery'"),
    ):
        run.plot_gallery()
