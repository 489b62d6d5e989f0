"""The leak, shown."""

from __future__ import annotations

import pytest

from imbtk.comparison.comparison import Comparison


def test_the_leak_is_paired_over_patients(finished: Comparison) -> None:
    rows = {row["name"]: row for row in finished.document["rows"]}
    leak = finished.document["ungrouped"]["rows"]
    assert {row["name"] for row in leak} == set(rows)
    for row in leak:
        honest = rows[row["name"]]["figures"]["balanced_accuracy"]["value"]
        assert row["flatters_by"]["value"] == pytest.approx(row["figure"]["value"] - honest)
