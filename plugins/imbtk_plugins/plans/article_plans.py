"""The plans that a comparison tries when none is given."""

from __future__ import annotations

from imbtk import hookimpl


@hookimpl
def imbtk_plans() -> dict[str, list[str]]:
    """Return a weighted loss, and the same with augmented images: beside the baseline the two most usual answers."""
    return {"default": ["class-weights", "class-weights augment"]}
