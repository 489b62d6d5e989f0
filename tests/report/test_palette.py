"""One palette, one style, and nothing that leaks into a user's own figures."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from imbtk.report.palette import CLASS_COLOURS, DARK, LIGHT, RARE, class_colours, page_svg, plot_style, render


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_on_both_grounds() -> None:
    for colours, ground in ((LIGHT, "#ffffff"), (DARK, "#14181d")):
        for name in ("ink", "muted"):
            assert contrast(colours[name], ground) >= 4.5
        assert contrast(colours["rare"], ground) >= 3


def test_colours_differ() -> None:
    for a, b in itertools.combinations((RARE, *CLASS_COLOURS), 2):
        assert a != b
    assert set(LIGHT) == set(DARK)


def test_rare_class_is_vermillion() -> None:
    colours, rare = class_colours([50, 3, 20], 3)
    assert rare == 1
    assert colours[1] == RARE
    assert RARE not in (colours[0], colours[2])
    assert colours[0] != colours[2]


def test_no_rare_class_where_all_are_alike_or_unknown() -> None:
    assert class_colours([5, 5], 2)[1] is None
    assert class_colours(None, 2)[1] is None
    assert RARE not in class_colours([5, 5], 2)[0]


def test_style_stays_inside() -> None:
    before = dict(mpl.rcParams)
    with plot_style():
        assert mpl.rcParams["text.parse_math"] is False
    assert dict(mpl.rcParams) == before


def test_svg_in_the_page_follows_the_page() -> None:
    with plot_style():
        figure = Figure(figsize=(3, 2))
        figure.add_subplot().plot([0, 1], color=RARE, label="a & <b>")
        figure.legend()
    svg, png = render(figure, "example")
    assert png.startswith(b"\x89PNG")
    text = page_svg(svg, 'says "hello" & <more>')
    assert text.startswith("<svg ")
    assert "var(--rare)" in text
    assert RARE not in text
    assert "a &amp; &lt;b&gt;" in text
    assert 'aria-label="says &#34;hello&#34; &amp; &lt;more&gt;"' in text
    for word in ("<?xml", "<!DOCTYPE", "<metadata", "<style", '<g id="'):
        assert word not in text


def test_a_picture_is_laid_out_once_and_drawn_once_for_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    with plot_style():
        figure = Figure(figsize=(3, 2))
        figure.add_subplot().plot([0, 1], label="one")
        figure.legend()
    layout = figure.get_layout_engine()
    assert layout is not None
    execute, draw = layout.execute, Figure.draw
    monkeypatch.setattr(layout, "execute", lambda drawn: done.append("layout") or execute(drawn))
    monkeypatch.setattr(Figure, "draw", lambda drawn, renderer: done.append("draw") or draw(drawn, renderer))
    render(figure, "example")
    assert done == ["layout", "draw", "draw"]


def test_same_figure_same_bytes() -> None:
    def draw() -> bytes:
        with plot_style():
            figure = Figure(figsize=(3, 2))
            figure.add_subplot().plot([0, 1, 0])
        return render(figure, "same")[0]

    assert draw() == draw()


def test_labels_are_measured_for_the_layout_and_not_to_place_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    with plot_style():
        figure = Figure(figsize=(3, 2))
        figure.add_subplot().set_title("Titled")
    measure, draw = mpl.axis.Axis.get_tightbbox, Figure.draw
    monkeypatch.setattr(
        mpl.axis.Axis, "get_tightbbox", lambda *given, **named: done.append("measure") or measure(*given, **named)
    )
    monkeypatch.setattr(Figure, "draw", lambda drawn, renderer: done.append("draw") or draw(drawn, renderer))
    render(figure, "titled")
    assert set(done[: done.index("draw")]) == {"measure"}
    assert done[done.index("draw") :] == ["draw", "draw"]
