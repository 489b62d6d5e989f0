"""What plugins log is caught; whatever else listens sees what it saw before."""

from __future__ import annotations

import io
import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from imbtk.runs.log import PluginLog, places_of, said_in, text_of


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


def test_a_run_hears_info_and_the_user_what_was_heard_before(user_hears: io.StringIO) -> None:
    root, caught = logging.getLogger(), list[logging.LogRecord]()
    own, stream = logging.getLogger("acme.own"), io.StringIO()
    own.addHandler(logging.StreamHandler(stream))
    handlers = [(handler, handler.filters[:]) for handler in (*root.handlers, *own.handlers)]
    with PluginLog(caught.append):
        logging.getLogger("acme").debug("too small")
        logging.getLogger("acme").info("first")
        own.info("second")
        own.warning("third")
    assert [record.getMessage() for record in caught] == ["first", "second", "third"]
    assert user_hears.getvalue() == stream.getvalue() == "third\n"
    assert root.level == logging.WARNING
    assert [(handler, handler.filters) for handler in (*root.handlers, *own.handlers)] == handlers
    logging.getLogger("acme").info("afterwards")
    assert len(caught) == 3
    own.handlers.clear()


def test_levels_that_a_user_set_hold(user_hears: io.StringIO) -> None:
    caught = list[logging.LogRecord]()
    loud, silent = logging.getLogger("acme.loud"), logging.getLogger("acme.silent")
    loud.setLevel(logging.DEBUG)
    silent.setLevel(logging.ERROR)
    with PluginLog(caught.append):
        loud.debug("a detail")
        loud.info("to both")
        silent.warning("to nobody")
    assert [record.getMessage() for record in caught] == ["to both"]
    assert user_hears.getvalue() == "a detail\nto both\n"
    loud.setLevel(logging.NOTSET)
    silent.setLevel(logging.NOTSET)


def test_without_any_handler_warnings_still_reach_the_last_resort(
    user_hears: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().handlers.clear()
    with PluginLog(lambda record: None):
        logging.getLogger("acme").info("quiet")
        logging.getLogger("acme").warning("loud")
    assert capsys.readouterr().err == "loud\n"


def test_runs_may_overlap(user_hears: io.StringIO) -> None:
    one, two = list[logging.LogRecord](), list[logging.LogRecord]()
    first, second = PluginLog(one.append), PluginLog(two.append)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    logging.getLogger("acme").info("to the second")
    second.__exit__(None, None, None)
    assert (len(one), len(two)) == (0, 1)
    assert logging.getLogger().level == logging.WARNING
    assert user_hears.getvalue() == ""


def record(path: str, message: str = "x", *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("acme", logging.INFO, path, 1, message, arguments, None)


def test_whose_a_record_is_goes_by_the_file_that_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, single = types.ModuleType("acme_pack"), types.ModuleType("acme_file")
    package.__path__ = [str(tmp_path / "acme_pack")]
    single.__file__ = str(tmp_path / "acme_file.py")
    for module in (package, single):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    Watcher = type("Watcher", (), {"__module__": "acme_pack.deep", "look": lambda self: None})
    places = places_of([Watcher()], [single])
    assert said_in(record(str(tmp_path / "acme_pack" / "other.py")), places)
    assert said_in(record(str(tmp_path / "acme_file.py")), places)
    # A class made on the spot is known by its functions' code.
    assert said_in(record(__file__), places)
    assert not said_in(record(str(tmp_path / "acme_pack_more" / "x.py")), places)
    assert not said_in(record(logging.__file__), places)


def test_a_record_is_a_line_with_level_and_module() -> None:
    assert text_of(record("/there/log_start.py", "took %d s", 3)) == "info from log_start: took 3 s"
    assert text_of(record("/there/log_start.py", "took %d s", "long")) == "info from log_start: took %d s"
