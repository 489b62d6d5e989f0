"""What people look at: the terminal, the figures, the page.

Names are loaded when first used: importing this package loads neither matplotlib nor jinja2 nor rich.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imbtk.console.terminal import print_plan, print_results
    from imbtk.report.page import make_report

_HOMES = {
    "make_report": "imbtk.report.page",
    "print_plan": "imbtk.console.terminal",
    "print_results": "imbtk.console.terminal",
}

__all__ = ["make_report", "print_plan", "print_results"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'imbtk.report' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
