"""An audit on a terminal of 80 columns, as plain text, and in a notebook."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING

from imbtk.audit.findings import Audit, Cell, Finding, FindingTable, Level
from imbtk.wording import join_words, one_line, plural, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["audit_html", "audit_text", "print_audit"]

MOST_ROWS = 12
_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "note": ("·", "cyan"),
    "warning": ("!", "bold yellow"),
    "error": ("✗", "bold red"),
}
_COLOURS: dict[Level, str] = {"ok": "#2e7d32", "note": "#0277bd", "warning": "#b26a00", "error": "#c62828"}
_WIDEST_CELL = 60
_FIGURE = re.compile(r"[\d.,–<% ]+|none")


def print_audit(console: Console, audit: Audit) -> None:
    """Print every finding: a mark for its level, its title, its text, its table; the verdict at the end."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"Check of {one_line(audit.data)}", style="bold"))
    for finding in audit.findings:
        mark, style = _MARKS[finding.level]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=1)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style=style), Text(one_line(finding.title), style="bold"))
        grid.add_row("", Text(one_line(finding.text)))
        console.print()
        console.print(grid)
        if finding.table is not None:
            console.print(Padding(_rich_table(finding.table), (0, 0, 0, 2)))
    console.print()
    worst: Level = "error" if audit.failed else "ok"
    console.print(Text(verdict(audit), style=_MARKS[worst][1]))


def verdict(audit: Audit) -> str:
    """Return the last line: how much was found, and what follows from it."""
    numbers = {level: sum(f.level == level for f in audit.findings) for level in ("error", "warning")}
    found = join_words([plural(count, level) for level, count in numbers.items() if count]) or "nothing to worry about"
    what = "Results on these data as they are would be a lie, or there would be none." if audit.failed else ""
    return f"{found[0].upper()}{found[1:]}. {what}".strip()


def _rich_table(table: FindingTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for place, name in enumerate(table.columns):
        numbers = place > 0 and all(_FIGURE.fullmatch(cell_text(row[place])) for row in table.rows)
        made.add_column(Text(one_line(name)), justify="right" if numbers else "left", overflow="fold")
    for row in table.rows[:MOST_ROWS]:
        made.add_row(*(Text(cell_text(value)) for value in row))
    if len(table.rows) > MOST_ROWS:
        made.add_row(Text(f"… {len(table.rows) - MOST_ROWS:,} more", style="dim"))
    return made


def cell_text(value: Cell) -> str:
    """Return a value of a table as people read it."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, (int, float)) else shorten(value, _WIDEST_CELL)


def audit_text(audit: Audit) -> str:
    """Return the audit as plain text of 80 columns."""
    from rich.console import Console

    file = io.StringIO()
    print_audit(Console(file=file, width=80, highlight=False, color_system=None), audit)
    return file.getvalue().rstrip("\n")


def audit_html(audit: Audit) -> str:
    """Return the audit for a notebook: all that comes from the data is escaped."""
    parts = [f"<p><strong>Check of {_escape(audit.data)}</strong></p>"]
    parts += [_finding_html(finding) for finding in audit.findings]
    parts.append(f"<p><strong>{_escape(verdict(audit))}</strong></p>")
    return "<div>" + "".join(parts) + "</div>"


def _finding_html(finding: Finding) -> str:
    mark = _MARKS[finding.level][0]
    table = "" if finding.table is None else _table_html(finding.table)
    return (
        f'<div style="border-left:4px solid {_COLOURS[finding.level]};padding-left:.6em;margin:.6em 0">'
        f"<strong>{mark} {_escape(finding.title)}</strong><br>{_escape(finding.text)}{table}</div>"
    )


def _table_html(table: FindingTable) -> str:
    head = "".join(f"<th>{_escape(name)}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_escape(cell_text(value))}</td>" for value in row) + "</tr>" for row in table.rows
    )
    return f"<details><summary>details</summary><table><tr>{head}</tr>{body}</table></details>"


def _escape(text: object) -> str:
    return html.escape(one_line(text))
