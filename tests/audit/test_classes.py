"""Tests of class counts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from imbtk.audit.classes import class_findings, effective_number_of_samples
from imbtk.audit.subject import AuditedData
from imbtk.data.dataset import InducedImbalance

MakeSubject = Callable[..., AuditedData]


def test_effective_numbers_are_a_geometric_series() -> None:
    beta = Fraction(9, 10)
    expected = [float(sum(beta**power for power in range(n))) for n in (1, 2, 50)]
    assert effective_number_of_samples(np.array([1, 2, 50]), 0.9) == pytest.approx(expected)


def test_counts_from_the_most_frequent_on(make_subject: MakeSubject) -> None:
    (finding,) = class_findings(make_subject([0] * 2 + [1] * 9 + [2] * 9))
    assert finding.level == "note"
    assert finding.title == "Imbalance factor 4.5"
    assert finding.table is not None
    assert [row[:4] for row in finding.table.rows] == [
        ("b", 9, "45 %", 1.0), ("c", 9, "45 %", 1.0), ("a", 2, "10 %", 4.5),
    ]  # fmt: skip
    assert "'b', has 4.5 times as many as the rarest, 'a' (2 rows)" in finding.text


def test_balanced_and_induced(make_subject: MakeSubject) -> None:
    (finding,) = class_findings(make_subject([0, 1, 0, 1], induced=InducedImbalance(20.0)))
    assert (finding.level, finding.title) == ("ok", "All classes are of one size")
    assert finding.text.endswith("training rows are cut to a factor of 20 after the split.")
