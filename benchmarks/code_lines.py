"""Lines of code without docstrings, comments and blank lines, by room.

::

    python benchmarks/code_lines.py [FOLDER ...]
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

FOLDERS = ("imbtk", "plugins")
_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """Return how many lines of a file hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        # A string that stands alone says something to people: docstrings of modules, classes, functions, attributes.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def main() -> None:
    """Print the lines of each room and their sum."""
    root = Path(__file__).resolve().parent.parent
    rooms: Counter[str] = Counter()
    for folder in sys.argv[1:] or FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).parts
            rooms["/".join(parts[:2]) if len(parts) > 2 else parts[0]] += code_lines(path.read_text(encoding="utf-8"))
    for room, count in sorted(rooms.items()):
        print(f"{count:7,}  {room}")
    print(f"{sum(rooms.values()):7,}  in all")


if __name__ == "__main__":
    main()
