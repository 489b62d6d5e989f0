"""What plugins log is caught; whatever else listens sees what it saw before."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imbtk.runs.log import PluginLog


@pytest.fixture
def user_hears() -> Iterator[io.StringIO]:
    """Return what a user's own handler on the root logger, at its level WARNING, writes."""
    root, stream = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(stream)
    level, others = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    yield stream
    root.handlers[:] = others
    root.setLevel(level)


@pytest.fixture
def log() -> Iterator[PluginLog]:
    with closing(PluginLog()) as log:
        log.listen((), ["acme.plugin", "imbtk.models.builtin"])
        yield log


def heard(log: PluginLog) -> list[str]:
    return [record.getMessage() for record in log.buffer]


def is_left_alone(logger: logging.Logger) -> bool:
    ours = [handler for handler in logger.handlers if type(handler).__module__.startswith("imbtk")]
    return (logger.level, logger.propagate, ours) == (logging.NOTSET, True, [])


def test_a_run_hears_info_and_the_user_what_was_heard_before(user_hears: io.StringIO, log: PluginLog) -> None:
    acme, deep = logging.getLogger("acme"), logging.getLogger("acme.deep")
    acme.debug("too small")
    acme.info("first")
    deep.info("second")
    deep.warning("third")
    logging.getLogger("imbtk.models").warning("core's own")
    logging.getLogger("another").warning("a stranger's")
    assert heard(log) == ["first", "second", "third"]
    assert user_hears.getvalue() == "third\ncore's own\na stranger's\n"
    log.close()
    assert is_left_alone(acme)
    acme.info("afterwards")
    deep.warning("afterwards")
    assert user_hears.getvalue().count("afterwards") == 1


def test_levels_that_a_user_set_hold(user_hears: io.StringIO, log: PluginLog) -> None:
    loud, silent = logging.getLogger("acme.loud"), logging.getLogger("acme.silent")
    loud.setLevel(logging.DEBUG)
    silent.setLevel(logging.ERROR)
    loud.debug("a detail")
    loud.info("to both")
    silent.warning("to nobody")
    assert heard(log) == ["to both"]
    assert user_hears.getvalue() == "a detail\nto both\n"
    loud.setLevel(logging.NOTSET)
    silent.setLevel(logging.NOTSET)


def test_a_level_that_a_user_set_on_a_plugins_own_logger_holds(user_hears: io.StringIO) -> None:
    own = logging.getLogger("quiet")
    own.setLevel(logging.ERROR)
    own.propagate = False
    with closing(PluginLog()) as log:
        log.listen((), ["quiet"])
        own.warning("to nobody")
        own.error("to the run")
        assert heard(log) == ["to the run"]
    assert (own.level, own.propagate, user_hears.getvalue()) == (logging.ERROR, False, "")
    own.setLevel(logging.NOTSET)
    own.propagate = True


def test_without_any_handler_warnings_still_reach_the_last_resort(
    user_hears: io.StringIO, log: PluginLog, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().handlers.clear()
    logging.getLogger("acme").info("quiet")
    logging.getLogger("acme").warning("loud")
    assert capsys.readouterr().err == "loud\n"


def test_runs_may_overlap(user_hears: io.StringIO, log: PluginLog) -> None:
    second = PluginLog()
    second.listen((), ["acme"])
    logging.getLogger("acme").info("to both")
    log.close()
    logging.getLogger("acme").info("to the second")
    logging.getLogger("acme").warning("to the user as well")
    second.close()
    assert heard(log) == ["to both"]
    assert heard(second) == ["to both", "to the second", "to the user as well"]
    assert is_left_alone(logging.getLogger("acme"))
    assert user_hears.getvalue() == "to the user as well\n"


def test_strategies_and_observers_are_heard_under_their_packages(user_hears: io.StringIO, log: PluginLog) -> None:
    Watcher = type("Watcher", (), {"__module__": "acme_pack.deep"})
    log.listen([type("Mine", (Watcher,), {"__module__": "mine"})()])
    for name in ("acme_pack.other", "mine", "acme_pack_more", "builtins"):
        logging.getLogger(name).info(name)
    assert heard(log) == ["acme_pack.other", "mine"]


def test_what_was_said_before_there_was_a_file_comes_first_and_once(log: PluginLog, tmp_path: Path) -> None:
    acme = logging.getLogger("acme")
    for text in ("weighing %s", "mixing %s", "weighing %s"):
        acme.info(text, "rows")
    with log.written_to(tmp_path / "log.txt"):
        acme.warning("epoch %d", 1)
        acme.warning("epoch %d", 1)
    acme.info("too late")
    lines = [line.split("  ", 1) for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert [line for _, line in lines] == [
        "info from test_log: weighing rows",
        "info from test_log: mixing rows",
        "warning from test_log: epoch 1",
        "warning from test_log: epoch 1",
    ]
    assert all(len(when) == len("2026-11-23 09:30:12") for when, _ in lines)
