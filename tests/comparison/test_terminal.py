"""The table on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from imbtk.comparison.comparison import Comparison
from imbtk.comparison.terminal import print_table


@pytest.mark.parametrize("width", [80, 96, 119, 120])
def test_the_terminal_table_fits(finished: Comparison, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(console, finished.document, finished.folder)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.split("\n") if str(finished.folder) not in line) <= width
    for word in ("baseline", "difference", "verdict", "Holm-adjusted", "Patients ignored:", "precision"):
        assert word in text
    assert ("alarms per" in text) == (width == 120)
    # No column is squeezed to nothing: each verdict can be read, and each plan's seconds where they stand.
    table = text.split("Below each metric")[0]
    for row in finished.document["rows"]:
        assert row.get("verdict", "baseline").split()[0] in table
        if width == 120 and row["kind"] != "decision":
            assert f"{row['cost']['seconds']:.3g}" in table
    assert "…" not in text.split("Below each metric")[0]
