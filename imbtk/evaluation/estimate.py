"""What a comparison found of models of the same plan, said of a model that was trained on all rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbtk.wording import metric_text

__all__ = ["estimate_of", "estimate_words"]


def estimate_of(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the estimate in a ``metrics.json``; None where the run has rows of its own to be tested on."""
    found: Mapping[str, Any] | None = metrics.get("estimate")
    return found


def estimate_words(found: Mapping[str, Any]) -> str:
    """Return in a paragraph what the estimate is, and of what."""
    primary = next(figure for figure in found["figures"] if figure["metric"] == found["primary"])
    times = f", {found['repeats']} times" if found["repeats"] > 1 else ""
    verdict = f" The comparison's verdict, against doing nothing: {found['verdict']}." if found["verdict"] else ""
    return (
        f"This model was trained on all rows, so no row is left to test it on. Its estimate is the comparison's, of "
        f"models of the same plan that were each trained on part of the rows and tested on the others "
        f"({found['folds']} folds{times}): {primary['name']} {metric_text(primary)}."
        f"{verdict}"
    )
