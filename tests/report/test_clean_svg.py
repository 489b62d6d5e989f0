"""What stays of a figure in SVG: what is drawn, and nothing that acts or fetches."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.figure import Figure

from imbtk.report.clean_svg import clean_svg
from imbtk.report.palette import page_svg, render

SVG = "{http://www.w3.org/2000/svg}"


def wrapped(content: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20pt" height="10pt">'
        f"{content}</svg>"
    ).encode()


def drawn() -> bytes:
    figure = Figure(figsize=(6, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar([1, 2], [3, 4], hatch="//")
    left.set_title("a < b & c")
    left.scatter([1, 2], [1, 2]).set_urls(["https://example.org", "https://example.org"])
    right.imshow([[0, 1], [2, 3]])
    right.tripcolor([0, 1, 0], [0, 0, 1], [0, 1, 2], shading="gouraud")
    return render(figure, "drawn")[0]


def test_what_matplotlib_draws_stays() -> None:
    before, after = ElementTree.fromstring(drawn()), ElementTree.fromstring(clean_svg(drawn()))
    left_out = {f"{SVG}style", f"{SVG}a"}
    kept = [element for element in before.iter() if element.tag not in left_out]
    assert [element.tag for element in after.iter()] == [element.tag for element in kept]
    for old, new in zip(kept[1:], list(after.iter())[1:], strict=True):
        assert {**new.attrib} == {
            name: value for name, value in old.attrib.items() if (name, old.tag) != ("id", f"{SVG}g")
        }
        assert (new.text or "").strip() == (old.text or "").strip()


def test_cleaning_twice_is_cleaning_once_and_the_page_takes_it() -> None:
    once = clean_svg(drawn())
    assert clean_svg(once) == once
    assert page_svg(once, "x").startswith("<svg xmlns=")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
        '<g onload="alert(1)"/>',
        '<path d="M 0 0" onclick="alert(1)"/>',
        '<a xlink:href="javascript:alert(1)"><path d="M 0 0"/></a>',
        '<a href="https://evil.example/x"><path d="M 0 0"/></a>',
        '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example/x"/></foreignObject>',
        '<image href="https://evil.example/x.png"/>',
        '<image xlink:href="data:image/svg+xml;base64,PHN2Zz4="/>',
        '<use xlink:href="https://evil.example/x.svg#a"/>',
        '<use xlink:href="data:image/png;base64,AAAA"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<set attributeName="onmouseover" to="alert(1)"/>',
        "<style>@import 'https://evil.example/x.css'; body { display: none }</style>",
        '<rect style="fill: url(https://evil.example/x)"/>',
        '<rect style="background: url(https://evil.example/x); position: fixed"/>',
        '<rect fill="url(https://evil.example/x#y)"/>',
        '<rect fill="u\\72l(https://evil.example/x)"/>',
        '<rect style="fill: u\\72l(https://evil.example/x)"/>',
        '<feImage href="https://evil.example/x"/>',
        '<metadata><x xmlns="urn:x" onload="alert(1)">evil</x></metadata>',
        '<svg onload="alert(1)"/>',
        "<title>evil</title><desc>evil</desc>",
        "loose evil text",
        "<!-- evil --><?evil x?><![CDATA[<script>evil</script>]]>",
    ],
)
def test_attacks_are_left_out(attack: str) -> None:
    text = clean_svg(wrapped(f'{attack}<rect width="1"/>')).decode()
    for word in (
        "evil",
        "alert",
        "script",
        "on",
        "url",
        "data:",
        "position",
        "72l",
        'xmlns="http://www.w3.org/1999/xhtml',
    ):
        assert word not in text.partition(">")[2].replace("style", ""), word
    assert '<rect width="1"></rect>' in text


@pytest.mark.parametrize(
    ("svg", "message"),
    [
        (b"no xml", "no well-formed XML"),
        (wrapped("<g>"), "no well-formed XML"),
        (b'<html width="1pt" height="1pt"/>', "it is no SVG"),
        (b'<svg width="1pt" height="1pt"/>', "it is no SVG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no width and height in points"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="1pt" height="1pt&quot; x"/>', "no width and height"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + wrapped("<text>&a;</text>"), "declares a document type of its own"),
        (b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + wrapped("&a;"), "declares a document type"),
    ],
)  # fmt: skip
def test_what_is_no_figure_is_refused(svg: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clean_svg(svg)


def test_an_entity_from_elsewhere_is_not_fetched() -> None:
    outside = b'<!DOCTYPE svg PUBLIC "x" "file:///etc/hostname">' + wrapped("<text>a&b;c</text>")
    assert "<text>ac</text>" in clean_svg(outside).decode()
