"""What watches a run: refused while it trains, told and passed over once it is trained; logged; kept for the page."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure

import imbtk
from imbtk import Strategy, hookimpl, option
from imbtk.errors import DataError, PluginError, RandomStateError
from imbtk.report.page import make_report

FILE = """
import logging
from imbtk import hookimpl

class {name}:
    @hookimpl
    def {hook}(self, {arguments}):
        {body}

@hookimpl
def imbtk_observers():
    return [{name}()]
"""


def table() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    return x, np.arange(120) % 4 // 3


def run(out: Path, strategies: list[Any], **options: Any) -> imbtk.RunResult:
    return imbtk.run(table(), strategies, epochs=2, model="linear", out=str(out), quiet=True, **options)


def watcher(path: Path, hook: str, body: str, arguments: str = "") -> str:
    path.write_text(FILE.format(name="Watcher", hook=hook, body=body, arguments=arguments))
    return str(path)


class Section(Strategy):
    """Add a text, a table and a metric."""

    @hookimpl
    def imbtk_report(self, run: Mapping[str, Any]) -> list[tuple[str, Any]]:
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([0, 1], [1, 0])
        return [("Mine & <b>", ["words", [["head"], [1.5]], figure])]


class BadSection(Strategy):
    """Add a section that is none, or cannot be shown."""

    content: Any = option(None, "What is returned.")

    @hookimpl
    def imbtk_report(self, run: Mapping[str, Any]) -> Any:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


class Unshown:
    """Something that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_page_is_made_again_to_the_byte_without_the_plugin(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", [Section()]).folder
    first = files(folder)
    assert b"Mine &amp; &lt;b&gt;" in first["report.html"]
    assert {"plots/extra_1_3.svg", "plots/extra_1_3.png"} < first.keys()
    (folder / "report.html").unlink()
    make_report(folder)
    assert files(folder) == first
    # What was drawn is in the data, so the figure comes back with the folder of plots lost as well.
    shutil.rmtree(folder / "plots")
    make_report(folder)
    assert files(folder)["report.html"] == first["report.html"]
    assert files(folder)["plots/extra_1_3.svg"] == first["plots/extra_1_3.svg"]


def test_a_run_without_additions_has_no_file_of_them(tmp_path: Path) -> None:
    assert not (run(tmp_path / "run", []).folder / "sections.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (KeyError("oops"), r"strategy 'bad-section' \(.*\) failed in imbtk_report: KeyError: 'oops'. Report it to its"),
        (DataError("not today"), r"strategy 'bad-section' \(.*\) failed in imbtk_report: not today. The run itself is"),
        (3, r"strategy 'bad-section' \(.*\) returned int from imbtk_report, which returns a list of \(title, content"),
        (
            [("Odd", Unshown())],
            r"strategy 'bad-section' \(.*\) returned a section 'Odd' from imbtk_report that cannot be shown: "
            r"RuntimeError: no words. It is left out of the page.",
        ),
    ],
)
def test_a_section_that_fails_loses_nothing(
    content: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The option is any object; only this test says so.
        patch.setattr(BadSection, "options", lambda self, changed_only=False: {})
        folder = run(tmp_path / "run", [BadSection(content=content), Section()]).folder
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    (failure,) = json.loads((folder / "sections.json").read_text())["failures"]
    assert re.search(message, failure)
    assert capsys.readouterr().err == f"Warning: {failure}\n"
    assert failure in (folder / "log.txt").read_text()
    page = (folder / "report.html").read_text()
    assert "A plugin failed" in page
    assert "Mine &amp; &lt;b&gt;" in page


def test_an_observer_that_fails_at_the_end_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = watcher(tmp_path / "losing.py", "imbtk_run_end", "raise SystemExit(3)")
    folder = run(tmp_path / "run", [], plugins=[file]).folder
    said = capsys.readouterr().err
    assert said.startswith(f"Warning: observer Watcher of plugin 'losing' ({file} sha256:")
    assert "failed in imbtk_run_end: SystemExit: 3. Report it to its author, or run without it. The run itself" in said
    assert (folder / "metrics.json").exists()
    assert not (tmp_path / "run.unfinished").exists()


class Told(Strategy):
    """Write down how a run ends; stop it in its first epoch, if wanted."""

    raises: ClassVar[BaseException | None] = None
    heard: ClassVar[Any] = None

    @hookimpl
    def imbtk_epoch_end(self, epoch: int) -> None:
        if self.raises is not None:
            raise self.raises

    @hookimpl
    def imbtk_run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any], error: str | None) -> None:
        type(self).heard = (run["seed"], "test" in metrics, error)


@pytest.mark.parametrize("raised", [DataError("no more."), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_run_that_fails_ends_with_its_reason(
    raised: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "well", [Told()])
    assert Told.heard == (0, True, None)
    monkeypatch.setattr(Told, "raises", raised)
    # One that fails to hear of it takes neither the news from the others nor the reason from the user.
    deaf = watcher(tmp_path / "deaf.py", "imbtk_run_end", "1 / 0", "error")
    with pytest.raises(type(raised)) as caught:
        run(tmp_path / "run", [Told()], plugins=[deaf])
    assert Told.heard == (0, False, str(raised) or "KeyboardInterrupt")
    assert caught.value is raised
    (note,) = [note for note in raised.__notes__ if "Watcher" in note]
    assert note.startswith("observer Watcher of plugin 'deaf'")
    assert "failed in imbtk_run_end: ZeroDivisionError" in note
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("hook", "arguments"), [("imbtk_run_start", "run"), ("imbtk_epoch_end", "epoch")])
def test_an_observer_that_fails_while_the_run_trains_ends_it(hook: str, arguments: str, tmp_path: Path) -> None:
    file = watcher(tmp_path / "losing.py", hook, "1 / 0", arguments)
    with pytest.raises(
        PluginError,
        match=rf"observer Watcher of plugin 'losing' \(.* sha256:.*\) failed in {hook}: ZeroDivisionError: division by "
        r"zero. Report it to its author, or run without it.",
    ):
        run(tmp_path / "run", [], plugins=[file])
    assert not (tmp_path / "run").exists()


def test_an_observer_draws_from_no_global_random_state(tmp_path: Path) -> None:
    file = watcher(tmp_path / "draws.py", "imbtk_epoch_end", "import random; random.random()", "epoch")
    with pytest.raises(
        RandomStateError, match=r"Watcher of plugin 'draws' .* global random state of Python in imbtk_ep"
    ):
        run(tmp_path / "run", [], plugins=[file])


def test_a_misspelt_observer_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = watcher(tmp_path / "odd.py", "imbtk_epoch_ends", "pass", "epoch")
    with pytest.raises(PluginError, match=r"observer Watcher of plugin 'odd' .*Did you mean 'imbtk_epoch_end'"):
        run(tmp_path / "run", [], plugins=[file])
    assert not list(tmp_path.glob("run*"))


class Talks(Strategy):
    """Log in every hook."""

    @hookimpl
    def imbtk_class_weights(self) -> None:
        logging.getLogger(__name__).info("weighing")

    @hookimpl
    def imbtk_epoch_end(self, epoch: int) -> None:
        logging.getLogger(f"{__name__}.deep").info("epoch %d", epoch)
        logging.getLogger(__name__).debug("a detail")
        logging.getLogger("quite.another").info("of nobody in use")


def test_what_plugins_log_stands_in_the_log_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = watcher(tmp_path / "says.py", "imbtk_run_end", "logging.getLogger(__name__).info('the end of %s', 'it')")
    log = (run(tmp_path / "run", [Talks()], plugins=[file]).folder / "log.txt").read_text()
    lines = [line.split("  ", 1)[1] for line in log.splitlines()]
    assert [line for line in lines if line.startswith("info from ")] == [
        "info from test_observers: weighing",
        "info from test_observers: epoch 0",
        "info from test_observers: epoch 1",
        "info from says: the end of it",
    ]
    assert capsys.readouterr() == ("", "")
    assert not logging.getLogger(__name__).isEnabledFor(logging.INFO)


METRICS = """
from imbtk import hookimpl

@hookimpl
def imbtk_metrics():
    return {answer}
"""


def test_a_metric_that_fails_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acme.py").write_text(
        METRICS.format(answer="{'odd': lambda labels, p: {}[3], 'rows': lambda l, p: len(l)}")
    )
    result = run(tmp_path / "run", [], plugins=[str(tmp_path / "acme.py")])
    extra = result.metrics["test"]["per_row"]["extra"]
    assert extra["rows"]["value"] == 24
    assert extra["odd"]["value"] is None
    said = capsys.readouterr().err
    # Validation and test rows, one sentence.
    assert said.count("\n") == said.count("failed in imbtk_metrics: KeyError: 3.") == 1
    assert said.startswith("Warning: plugin 'acme' (")


def test_metrics_that_cannot_be_offered_are_refused_before_training(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(METRICS.format(answer="{'same': lambda labels, p: 0.0}"))
    with pytest.raises(PluginError, match=r"metric 'same' is offered by .*one.py .* and by .*two.py"):
        run(tmp_path / "run", [], plugins=[str(tmp_path / "one.py"), str(tmp_path / "two.py")])
    assert not list(tmp_path.glob("run*"))
