"""How functions are called: what stands in seventh place, nobody can tell without counting."""

from __future__ import annotations

import ast
from pathlib import Path

import imbtk

MOST_BY_PLACE = 6


def test_no_call_gives_more_than_six_arguments_by_place() -> None:
    root = Path(imbtk.__file__).parent.parent
    files = [*(root / "imbtk").rglob("*.py"), *(root / "plugins").rglob("*.py")]
    assert len(files) > 200
    long = [
        f"{file.relative_to(root)}:{node.lineno}: {len(node.args)} arguments"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and len(node.args) > MOST_BY_PLACE
    ]
    assert long == []
