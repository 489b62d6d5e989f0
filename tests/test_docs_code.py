"""Every Python block of the documentation runs, and every hook has a page, an example and a test.

The blocks of a page run in order, as one module, in an empty folder. A block after a line that ends in "`name.py`:" is
also saved under that name. A block that begins with ```python no-run does not run.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from imbtk import Strategy
from imbtk.authoring.hookspecs import HOOKS, strategy_hooks
from imbtk.scaffold import example
from imbtk.testing import check_strategy

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "```python\n" in page.read_text(encoding="utf-8")
]


def title(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Run all blocks of a page in a folder; return the module that they make."""
    monkeypatch.chdir(folder)
    module = types.ModuleType(f"docs_page_{page.stem.replace('-', '_')}")
    # A module that can be found, so that what it defines pickles.
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("```python\n"), f"{title(page)}: leave a line free before each block"
    for block in blocks:
        line = text.count("\n", 0, block.start("code")) + 1
        saved = re.search(r"`(\w+\.py)`:$", block["before"])
        if saved:
            (folder / saved[1]).write_text(block["code"], encoding="utf-8")
        code = compile("\n" * (line - 1) + block["code"], str(page), "exec")
        exec(code, vars(module))
    return module


def test_the_documentation_has_code() -> None:
    assert {"README.md", "docs/writing-a-strategy.md"} <= set(map(title, PAGES))


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = run_page(page, tmp_path, monkeypatch)
    strategies = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Strategy)]
    strategies = [cls for cls in strategies if cls.__module__ == module.__name__]
    for cls in strategies:
        check_strategy(cls)
    if page.parent.name == "hooks":
        hook = f"imbtk_{page.stem}"
        answering = [cls for cls in strategies if hasattr(cls, hook)] or hasattr(vars(module).get(hook), "imbtk_impl")
        assert answering, f"the example of {title(page)} does not answer {hook}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_page_with_an_example(hook: str) -> None:
    page = ROOT / "docs" / "hooks" / f"{hook.removeprefix('imbtk_')}.md"
    assert page.is_file(), f"{hook} has no page: write {title(page)}"
    assert page in PAGES, f"{title(page)} has no example in a block ```python"
    assert page.name in (ROOT / "docs" / "hooks" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", [hook.name for hook in strategy_hooks(lasting=True)])
def test_the_page_of_a_hook_shows_what_new_plugin_writes(hook: str) -> None:
    page = ROOT / "docs" / "hooks" / f"{hook.removeprefix('imbtk_')}.md"
    assert f"```python\n{example(hook).rstrip()}\n```" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook: str) -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert any(hook in path.read_text(encoding="utf-8") for path in tests), f"no test speaks of {hook}"


def test_no_page_is_about_a_hook_that_there_is_not() -> None:
    pages = {f"imbtk_{page.stem}" for page in (ROOT / "docs" / "hooks").glob("*.md") if page.stem != "README"}
    assert pages == set(HOOKS)
