"""Methods that drew one figure each: they go with imbtk 0.2."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OldPlots"]


class OldPlots:
    """Answers ``plot_…()`` with one of ``figures``, and says so."""

    _old_plots: ClassVar[dict[str, str]]
    """Name of a method -> that of the figure, with places for the arguments `per` and `side`."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Figure]:
            if name not in self._old_plots:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

            def plot(per: str = "row", side: str = "test") -> Figure:
                figure = self._old_plots[name].format(per=per, side=side)
                warnings.warn(f"{name}() goes with imbtk 0.2. Write .figures['{figure}'].", FutureWarning, stacklevel=2)
                return self.figures[figure]

            return plot
