"""Loading what a command needs."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["loading"]


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import inside the ``with`` block without looking for garbage, then or later, among what was imported.

    Modules stay. Python's collector goes through all of them again whenever there are a quarter more, which is a tenth
    of the processor time of a short run. A process that has numpy already is not only ours: nothing changes there.
    """
    if "numpy" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
