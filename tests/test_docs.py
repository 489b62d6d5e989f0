"""The reference pages and the README's table say what the code says."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """Return docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_nothing_has_drifted() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_drift_is_named_and_mended(generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[project.entry-points.imbtk]\n", encoding="utf-8")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    page = tmp_path / "docs" / "reference" / "config.md"
    page.write_text(page.read_text(encoding="utf-8") + "edited", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert page.read_text(encoding="utf-8").endswith("edited")
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_check_prints_the_files(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project.entry-points.imbtk]\n", encoding="utf-8")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("drifted, run 'python docs/generate.py': docs/reference/strategies.md, ")
    assert "README.md" in printed
    assert not (tmp_path / "docs").exists()


def test_text_around_the_readme_table_stays(generate: ModuleType) -> None:
    readme = "before\n<!-- strategies -->\nold\n<!-- /strategies -->\nafter\n"
    expected = "before\n<!-- strategies -->\n| new |\n<!-- /strategies -->\nafter\n"
    assert generate.with_table(readme, "| new |\n") == expected


def test_a_readme_without_markers_is_refused(generate: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"README\.md lacks the lines <!-- strategies --> and <!-- /strategies -->"):
        generate.with_table("# imbtk\n", "| new |\n")


def test_marks_of_docstrings_become_markdown(generate: ModuleType) -> None:
    text = "See :class:`imbtk.Strategy` and ``a * b`` where a * b < *c*.\n\n    x = y\n\n- one\n- two"
    assert generate.markdown(text) == (
        "See `imbtk.Strategy` and `a * b` where a \\* b \\< *c*.\n\n```\nx = y\n```\n\n- one\n- two"
    )


def test_no_sentence_of_core_names_a_strategy() -> None:
    # Core tells users nothing that is true only while one of the first-party strategies is installed.
    names = {path.stem.replace("_", "-") for path in (ROOT / "plugins" / "imbtk_plugins").glob("*/[a-z]*.py")}
    said = re.compile(rf"['`](?:{'|'.join(sorted(names))})['`:]|-s (?:{'|'.join(sorted(names))})\b")
    found = []
    for path in sorted((ROOT / "imbtk").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
        found += [(path.name, text.value) for text in texts if isinstance(text.value, str) and said.search(text.value)]
    assert found == []


def test_the_table_of_rooms_is_the_one_that_holds() -> None:
    # docs/architecture.md, pyproject.toml (which import-linter holds) and the folder name the same rooms and layers.
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table: dict[int, set[str]] = {}
    for number, rooms in re.findall(r"^\| (\d+) \| (`.*?`) \|", page, flags=re.MULTILINE):
        for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms):
            assert not any(room in others for others in table.values()), f"{room} stands twice"
            table.setdefault(int(number), set()).add(room)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [found for found in settings["tool"]["importlinter"]["contracts"] if found["type"] == "layers"]
    layers = [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]
    # The table counts from below, as the contract does not.
    assert [table[number] for number in sorted(table, reverse=True)] == layers
    assert sorted(table) == list(range(1, len(layers) + 1))
    there = {
        path.stem for path in (ROOT / "imbtk").iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"
    }
    assert set().union(*layers) == there - {"__init__", *contract["exhaustive_ignores"]}
