"""The count of lines of code, on sources whose lines are counted here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("code_lines")


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ("# alone\n\n\n", 0),
        ('"""Of a module.\n\nIn three lines.\n"""\n', 0),
        ("x = 1  # beside code\n", 1),
        ("x = (\n    1,\n    2,\n)\n", 4),
        ("x = (\n    1,\n    # between\n\n    2,\n)\n", 4),
        ('text = """one\ntwo\n"""\n', 3),
        ('def f():\n    """Say."""\n    return 1\n', 2),
        ('class C:\n    """Say."""\n\n    x: int = 1\n    """Of an attribute,\n    too."""\n', 2),
        ('def f():\n    """Say nothing else."""\n', 1),
        ("a = 1; b = 2\n", 1),
        ('print("""x""")\n', 1),
    ],
)
def test_lines_that_hold_code(source: str, lines: int, counting: ModuleType) -> None:
    assert counting.code_lines(source) == lines


def test_rooms_and_their_sum(
    counting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in {"pack/a.py": 1, "pack/room/b.py": 2, "pack/room/deep/c.py": 3, "other/d.py": 4}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" * lines)
    monkeypatch.setattr(counting, "__file__", str(tmp_path / "benchmarks" / "code_lines.py"))
    monkeypatch.setattr(sys, "argv", ["code_lines.py", "pack"])
    counting.main()
    # A file beside the rooms is the package's own.
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["1", "pack"],
        ["5", "pack/room"],
        ["6", "in", "all"],
    ]
