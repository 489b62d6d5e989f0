"""One palette and one plot style, for every figure of a run and of a comparison.

The class colours are those of Okabe and Ito (2008), which colour-blind people can tell apart; the rare class is
vermillion everywhere. In the page each colour is a CSS variable, so that one figure serves light, dark and print.

References
----------
M. Okabe and K. Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "CLASS_COLOURS",
    "DARK",
    "FAINT",
    "GRID",
    "INK",
    "LIGHT",
    "LINE_STYLES",
    "MAX_NAMED",
    "MUTED",
    "RARE",
    "class_colours",
    "page_svg",
    "plot_style",
    "render",
]

INK = "#1b1f24"
MUTED = "#5b6673"
GRID = "#dce1e7"
FAINT = "#a3adb8"
RARE = "#d55e00"
BLUE = "#0072b2"
GREEN = "#009e73"
PURPLE = "#cc79a7"
SKY = "#56b4e9"
ORANGE = "#e69f00"

CLASS_COLOURS = (BLUE, GREEN, PURPLE, SKY, ORANGE)
"""Colours of the classes that are not the rare one."""

LINE_STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))
"""Beside the colour, for print in grey and for eyes that see none."""

MAX_NAMED = 20
"""More classes than this are drawn without their names and numbers."""

LIGHT = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "faint": FAINT,
    "rare": RARE,
    "blue": BLUE,
    "green": GREEN,
    "purple": PURPLE,
    "sky": SKY,
    "orange": ORANGE,
}
"""CSS variable -> colour on white; figures are drawn in these."""

DARK = {
    "ink": "#e7ebf0",
    "muted": "#a2adba",
    "grid": "#333c47",
    "faint": "#66717e",
    "rare": "#ff8b45",
    "blue": "#58aee8",
    "green": "#35c79f",
    "purple": "#e3a3c8",
    "sky": "#9bd5f8",
    "orange": "#f3bd4a",
}
"""The same variables on a dark page."""

_RC: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # where matplotlib puts it, too, once it has measured all labels: three times a figure
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.transparent": False,
    "svg.fonttype": "none",
    "path.simplify": True,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw in the house style inside the ``with`` block; nothing outside it changes.

    Characters that the font lacks (emoji, scripts) show as boxes in the PNG and as themselves in the page: that is no
    reason to warn.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph.*missing from.*font")
        warnings.filterwarnings("ignore", message=r".*[Mm]atplotlib currently does not support .* natively")
        yield


def class_colours(counts: Sequence[float] | None, num_classes: int) -> tuple[list[str], int | None]:
    """Return a colour per class and the index of the rare class.

    Parameters
    ----------
    counts : sequence of float, length K, optional
        Training rows per class: the class with the fewest is the rare one; None, or all alike: there is none.
    num_classes : int
        K. Beyond the colours that can be told apart, classes are grey.

    Returns
    -------
    colours : list of str, length K
    rare : int or None
    """
    rare = None
    if counts is not None and len(counts) > 1 and min(counts) < max(counts):
        rare = min(range(len(counts)), key=lambda k: counts[k])
    others = [k for k in range(num_classes) if k != rare]
    few = len(others) <= len(CLASS_COLOURS)
    colours = [FAINT] * num_classes
    for place, k in enumerate(others):
        colours[k] = CLASS_COLOURS[place] if few else FAINT
    if rare is not None:
        colours[rare] = RARE
    return colours, rare


def render(figure: Figure, name: str) -> tuple[bytes, bytes]:
    """Return a figure as the content of an SVG and of a PNG file.

    Parameters
    ----------
    figure : Figure
    name : str
        Keeps the identifiers of two figures in one page apart, and the bytes of a figure the same each time.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with plot_style():
        layout = figure.get_layout_engine()
        if layout is not None:
            # Laid out once, and without drawing: each savefig would lay out and draw once more than it has to.
            layout.execute(figure)
            mpl.rcParams["figure.constrained_layout.use"] = False
            figure.set_layout_engine(None)
        mpl.rcParams["svg.hashsalt"] = name
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        figure.savefig(png, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


_VARIABLES = {colour: f"var(--{variable})" for variable, colour in LIGHT.items()}


def _as_variable(match: re.Match[str]) -> str:
    return f"{match[1]}: {_VARIABLES.get(match[2], match[2])}"


def page_svg(svg: bytes, label: str) -> str:
    """Return an SVG to stand inside the page: CSS variables for colours, no prologue, no fixed size.

    Parameters
    ----------
    svg : bytes
        As :func:`render` gave it.
    label : str
        What the figure shows, for screen readers; any text.
    """
    from markupsafe import escape

    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL)
    # Groups' identifiers would stand twice in a page of many figures, and nothing refers to them.
    text = re.sub(r"<g id=\"[^\"]*\"", "<g", text)
    text = re.sub(r"\b(fill|stroke): (#[0-9a-f]{6})", _as_variable, text)
    width, height = (float(v) for v in re.findall(r" (?:width|height)=\"([\d.]+)pt\"", text[:600])[:2])
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" style="--w:{width:.0f}" role="img" aria-label="{escape(label)}">'
    )
    return opening + re.sub(r"\n\s*", "\n", text[text.index(">") + 1 :])
