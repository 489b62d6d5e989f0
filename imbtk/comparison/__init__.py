"""Many plans on the same splits and seeds: the grid, its cells, paired statistics, the table and the page.

Names are loaded when first used: importing this package loads neither torch nor scikit-learn nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imbtk.comparison.comparison import Comparison, compare

_HOME = "imbtk.comparison.comparison"

__all__ = ["Comparison", "compare"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'imbtk.comparison' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME), name)
