"""Figures as SVG from who knows whom, rebuilt from what a drawing needs: no script, no link, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

__all__ = ["clean_svg"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_ELEMENTS = _words(
    "circle clipPath defs ellipse feColorMatrix feComposite filter g image line linearGradient path pattern polygon "
    "polyline radialGradient rect stop text tspan use"
)
_UNWRAPPED = frozenset({"a"})
"""What is left out around its content: a link of a matplotlib artist."""
_WITH_TEXT = frozenset({"text", "tspan"})
_WITH_ID = _ELEMENTS - {"g"}
"""Groups get none: so that a ``use``, which may refer to what holds no further one, cannot multiply itself."""
_STYLES = _words(
    "clip-path clip-rule dominant-baseline fill fill-opacity fill-rule filter font font-family font-size font-stretch "
    "font-style font-variant font-weight image-rendering opacity shape-rendering stop-color stop-opacity stroke "
    "stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width "
    "text-anchor white-space"
)
_ATTRIBUTES = _STYLES | _words(
    "cx cy d dx dy fx fy gradientTransform gradientUnits height in in2 k1 k2 k3 k4 offset operator patternTransform "
    "patternUnits points preserveAspectRatio r result rx ry transform type values width x x1 x2 y y1 y2"
)
_PLAIN = re.compile(r"[\w\s#.,%'\"+-]*")
_CALL = re.compile(r"rgba?\([\d\s.,%]+\)|url\(#[\w.-]+\)")
_HERE = re.compile(r"#[\w.-]+")
_PIXELS = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]*")
_LENGTH = re.compile(r"\d+(?:\.\d+)?pt")


def clean_svg(svg: bytes) -> bytes:
    """Return an SVG with nothing in it but shapes, texts, pixels and their looks.

    Elements and attributes that are not on a list are left out: scripts, handlers, animations, foreign content, style
    sheets, and whatever refers to something outside of the figure. Cleaning twice is cleaning once.

    Parameters
    ----------
    svg : bytes
        As matplotlib writes it; or anything.

    Raises
    ------
    ValueError
        If it is no well-formed SVG, declares entities, or has no width and height in points.
    """
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = _refuse_declarations, _refuse_entity
    try:
        parser.Parse(svg, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no well-formed XML: {error}") from None
    return "".join(builder.parts).encode()


def _refuse_declarations(name: str, system: str | None, public: str | None, inside: int) -> None:
    # matplotlib names the document type of SVG, which nobody fetches; declarations of its own it has none.
    if inside:
        raise ValueError("it declares a document type of its own")


def _refuse_entity(*_: object) -> None:
    raise ValueError("it declares entities")


class _Builder:
    """Writes down what may stay while a parser reads."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._open: list[str] = []
        self._dropped = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        if not self._open and not self._dropped:
            self._begin(space, tag, attributes)
        elif self._dropped or space != _SVG or tag not in _ELEMENTS | _UNWRAPPED:
            self._dropped += 1
            return
        elif tag in _ELEMENTS:
            kept = "".join(f" {key}={quoteattr(value)}" for key, value in _kept(tag, attributes))
            self.parts.append(f"<{tag}{kept}>")
        self._open.append(tag)

    def _begin(self, space: str, tag: str, attributes: dict[str, str]) -> None:
        width, height = attributes.get("width", ""), attributes.get("height", "")
        if self.parts or space != _SVG or tag != "svg":
            raise ValueError("it is no SVG")
        if not _LENGTH.fullmatch(width) or not _LENGTH.fullmatch(height):
            raise ValueError("it has no width and height in points")
        box = f"0 0 {width.removesuffix('pt')} {height.removesuffix('pt')}"
        self.parts.append(
            f'<svg xmlns="{_SVG}" xmlns:xlink="{_XLINK}" width="{width}" height="{height}" viewBox="{box}" '
            'version="1.1" style="stroke-linejoin: round; stroke-linecap: butt">'
        )

    def end(self, name: str) -> None:
        if self._dropped:
            self._dropped -= 1
            return
        tag = self._open.pop()
        if tag not in _UNWRAPPED:
            inside_text = bool(self._open) and self._open[-1] in _WITH_TEXT
            self.parts.append(f"</{tag}>" if inside_text else f"</{tag}>\n")

    def text(self, text: str) -> None:
        if not self._dropped and self._open and self._open[-1] in _WITH_TEXT:
            self.parts.append(escape(text))


def _kept(tag: str, attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the attributes of an element that may stay."""
    for name, value in attributes.items():
        if name == "style":
            if style := _style(value):
                yield name, style
        elif name == "id":
            if tag in _WITH_ID and _HERE.fullmatch(f"#{value}"):
                yield name, value
        elif name in ("href", f"{_XLINK} href"):
            if (_PIXELS if tag == "image" else _HERE).fullmatch(value):
                yield "xlink:href", value
        elif name in _STYLES:
            if _harmless(value):
                yield name, value
        elif name in _ATTRIBUTES and "url" not in value.lower() and "\\" not in value:
            yield name, value


def _style(text: str) -> str:
    """Return the declarations of a style attribute that say how something looks."""
    pairs = (declaration.partition(":") for declaration in text.split(";"))
    return "; ".join(
        f"{name.strip()}: {value.strip()}"
        for name, _, value in pairs
        if name.strip() in _STYLES and _harmless(value.strip())
    )


def _harmless(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value) or _CALL.fullmatch(value))
