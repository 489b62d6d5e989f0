"""The page: self-contained, escaped, complete, small."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from imbtk.errors import RunFolderError
from imbtk.report.blocks import Banner, Cell, Section, Table, Text, Tile, Tiles
from imbtk.report.extra_sections import ExtraSection, write_additions
from imbtk.report.page import make_report, render_page, whole

VOID = {"meta", "img", "br", "hr", "link", "input"}
LIMIT = 3 * 1024 * 1024


class Page(HTMLParser):
    """What a browser would see: tags that close, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1] == "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["patients", "hostile", "many", "table"])
def test_well_formed_self_contained_and_small(pages: dict[str, Path], name: str) -> None:
    page = read(pages[name])
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    for attribute, value in page.attributes:
        assert not attribute.startswith("on")
        if attribute in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:image/")), value
    assert "@import" not in (pages[name] / "report.html").read_text()
    assert "url(http" not in (pages[name] / "report.html").read_text()
    identifiers = [value for attribute, value in page.attributes if attribute == "id"]
    assert len(identifiers) == len(set(identifiers))
    anchors = {value[1:] for attribute, value in page.attributes if attribute == "href" and value.startswith("#")}
    assert anchors <= set(identifiers)
    assert (pages[name] / "report.html").stat().st_size < LIMIT


def test_sections_in_their_order(pages: dict[str, Path]) -> None:
    html = (pages["patients"] / "report.html").read_text()
    titles = re.findall(r"<h2><bdi>(.*?)</bdi></h2>", html)
    assert titles == [
        "What was asked",
        "The data",
        "Classes, before and after",
        "The split, and whether it leaks",
        "Learning",
        "Results, class by class",
        "What is taken for what",
        "Probabilities",
        "Calibration",
        "Decision",
        "Examples",
        "The most confident mistakes",
        "Warnings",
        "To repeat this run",
    ]


def test_hostile_names_are_text(pages: dict[str, Path], hostile_names: list[str]) -> None:
    page = read(pages["hostile"])
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }} {% raw %}" in page.text
    assert "[bold]rich[/bold] markup" in page.text
    assert "$\\frac{1}{0}$ costs $5" in page.text
    long = " ".join(hostile_names[1].split())
    assert long not in page.text
    assert ("title", long) in page.attributes
    assert "Weight <b>classes</b> by frequency." in page.text


def test_every_figure_stands_beside_the_page_with_its_data(pages: dict[str, Path]) -> None:
    names = {path.name for path in (pages["patients"] / "plots").iterdir()}
    figures = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    assert {
        "class_distribution",
        "confusion_test_per_row",
        "confusion_test_per_group",
        "confusion_validation_per_row",
        "gallery",
        "learning_loss",
        "learning_scores",
        "precision_recall_test_per_group",
        "reliability_test_per_row",
        "roc_test_per_row",
        "sensitivity_test_per_group",
    } <= figures
    for name in figures:
        assert f"{name}.png" in names
        assert f"{name}.csv" in names or name == "gallery"
    assert not [name for name in names if name.startswith(".")]


def test_a_table_has_no_images_and_says_so(pages: dict[str, Path]) -> None:
    text = read(pages["table"]).text
    assert "The data are a table: there are no images to show." in text
    assert "this is the baseline" in text
    assert "These metrics assume that no two rows come from one patient." in text


def test_images_that_were_not_kept(pages: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pages["hostile"], folder)
    (folder / "gallery.npz").unlink()
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text(json.dumps({"kind": "images"}))
    make_report(folder)
    assert "The images were not kept in this run folder, so there are none to show." in read(folder).text


def test_again_gives_the_same_page(pages: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pages["table"], folder)
    assert make_report(folder) == folder / "report.html"
    assert (folder / "report.html").read_bytes() == (pages["table"] / "report.html").read_bytes()


def test_incomplete_folder_gets_no_page(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=50)
    (folder / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match=r"lacks metrics\.json"):
        make_report(folder)
    assert not (folder / "report.html").exists()
    assert not (folder / "plots").exists()


def test_sections_of_plugins(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=60, images=False)
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot([0, 1])
    table = [["a", "b"], [1, "<x>"]]
    write_additions(
        folder, [ExtraSection("Words & <b>", "one <i>two</i>"), ExtraSection("All", ["text", table, figure])]
    )
    make_report(folder)
    page = read(folder)
    assert page.open == []
    for words in ("Words & <b>", "one <i>two</i>", "<x>"):
        assert words in page.text
    assert (folder / "plots" / "extra_2_3.svg").exists()


def test_render_page_serves_other_pages_too() -> None:
    html = render_page(
        title="T<i>",
        kicker="imbtk compare",
        subtitle="s",
        lead=[Banner("careful", "error", "Stop")],
        tiles=Tiles((Tile("gain", "0.1", ("a",)),)),
        sections=[Section("One", "one", (Text("quiet", "quiet"), Table((Cell("h"),), ((Cell("c", sub="d"),),))))],
    )
    page = Page(html)
    assert page.open == []
    assert "T<i> · imbtk compare" in page.text
    assert "Stop. careful" in page.text
    assert ("class", "banner error") in page.attributes


def test_names_with_hyphens_are_not_broken_and_html_stays_text() -> None:
    assert str(whole("say --group-label any:<b>, out-of-fold")) == (
        'say <span class="whole">--group-label</span> any:&lt;b&gt;, <span class="whole">out-of-fold</span>'
    )
    assert str(whole("class-weights:scheme=sqrt")) == '<span class="whole">class-weights</span>:scheme=sqrt'
    assert str(whole("a-" * 20 + "b")) == "a-" * 20 + "b", "what is longer than a phone is wide may break"


def test_a_run_of_an_older_imbtk_makes_a_page(make_run: Callable[..., Path]) -> None:
    """Its metrics.json has schema 1: images and patients, and means over classes under plain names."""
    folder = make_run(classes=["benign", "malignant"], rows=300, patients=80)
    document = json.loads((folder / "metrics.json").read_text())
    del document["group_name"], document["group_label"]
    document["schema_version"] = 1
    for side in ("validation", "test"):
        levels = document[side]
        document[side] = {"per_image": levels["per_row"], "per_patient": levels["per_group"]}
        for level in document[side].values():
            overall = level["overall"]
            for key in ("auroc", "auprc"):
                overall[f"{key}_positive"], overall[key] = overall[key], overall.pop(f"macro_{key}")
            overall["brier_positive"] = overall["brier"]
            del overall["auprc_floor"]
    (folder / "metrics.json").write_text(json.dumps(document))
    text = make_report(folder).read_text(encoding="utf-8")
    assert "AUPRC (malignant)" in text
    assert "per group" in text
    assert "per patient" not in text
