"""A plugin in a file is read once, and goes where its file is not."""

from __future__ import annotations

import pickle
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from imbtk.authoring.plugin_files import PluginFile, class_recipe, read_plugin_file
from imbtk.errors import PluginError

TEXT = """
class Outer:
    class Inner:
        pass

    def fail(self):
        raise ValueError('no')
"""


@pytest.fixture
def file(tmp_path: Path) -> PluginFile:
    path = tmp_path / "my-plugin.py"
    path.write_text(TEXT)
    return read_plugin_file(path)


def test_a_module_is_run_once_and_its_name_is_its_text(file: PluginFile) -> None:
    module = file.module()
    assert file.module() is module
    assert module.__name__ == file.module_name == f"imbtk_file_my_plugin_{file.digest[:8]}"
    assert PluginFile(file.path, file.source + b"\n").module_name != file.module_name
    assert PluginFile("elsewhere/my-plugin.py", file.source).module() is module


def test_what_became_of_the_file_does_not_count(file: PluginFile) -> None:
    Path(file.path).unlink()
    assert file.module().Outer.__module__ == file.module_name
    with pytest.raises(ValueError, match="no") as caught:
        file.module().Outer().fail()
    told = "".join(traceback.format_exception(caught.value))
    assert "my-plugin.py" in told
    assert "raise ValueError('no')" in told  # the source is shown, though there is no file


def test_a_module_that_fails_is_not_kept(tmp_path: Path) -> None:
    made = PluginFile("broken.py", b"1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            made.module()
        assert made.module_name not in sys.modules


def test_a_file_says_its_encoding() -> None:
    made = PluginFile("latin.py", "# -*- coding: latin-1 -*-\nWORD = 'é'\n".encode("latin-1"))
    assert made.module().WORD == "é"


def test_there_must_be_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.py", tmp_path):
        with pytest.raises(PluginError, match=r"there is no plugin file '.*'\. Give the path of a Python file"):
            read_plugin_file(path)


def rebuilt(recipe: tuple[Any, ...] | None) -> type:
    """Make the class as another process would: the recipe goes through pickle, and the module is not there."""
    assert recipe is not None
    function, *arguments = pickle.loads(pickle.dumps(recipe))
    made: type = function(*arguments)
    return made


def test_a_class_of_a_file_is_carried_with_its_source(file: PluginFile) -> None:
    inner = file.module().Outer.Inner
    recipe = class_recipe(inner)
    Path(file.path).unlink()
    del sys.modules[file.module_name]
    made = rebuilt(recipe)
    assert made.__qualname__ == "Outer.Inner"
    assert made is not inner


def test_a_class_of_a_notebook_is_carried_by_value() -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec("FACTOR = 3\nclass Made:\n    def times(self): return FACTOR * 2\n", cell)
    made = rebuilt(class_recipe(cell["Made"]))
    assert made().times() == 6

    class Local:
        word = "here"

    assert rebuilt(class_recipe(Local)).word == "here"


def test_a_class_that_can_be_imported_needs_no_recipe() -> None:
    assert class_recipe(Path) is None


def test_what_lives_in_this_process_is_refused() -> None:
    lock = threading.Lock()

    class Holds:
        def lock(self) -> Any:
            return lock

    with pytest.raises(PluginError, match=r"Holds, defined in .*, cannot be handed to another process: TypeError"):
        class_recipe(Holds)
