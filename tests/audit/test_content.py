"""Tests of domain, notes and columns."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk.audit.content import column_findings, domain_findings, reading_findings
from imbtk.audit.subject import AuditedData

MakeSubject = Callable[..., AuditedData]


def test_the_domain_and_what_follows_from_it(make_subject: MakeSubject) -> None:
    (finding,) = domain_findings(make_subject([0, 1], x=torch.zeros(2, 1, 8, 8, dtype=torch.uint8)))
    assert finding.title == "Taken for photos"
    assert "mirrors them left to right. If that is wrong, say --domain." in finding.text
    assert domain_findings(make_subject([0, 1])) == []


def test_notes_on_reading(make_subject: MakeSubject) -> None:
    identical = "1 image is identical to another and kept on the same side of the split as that one."
    (finding,) = reading_findings(make_subject([0, 1], notes=("3 of 9 images have 16 bits.", identical)))
    assert (finding.level, finding.text) == ("note", "3 of 9 images have 16 bits.")
    assert reading_findings(make_subject([0, 1], notes=(identical,))) == []


def test_columns(make_subject: MakeSubject) -> None:
    nan = float("nan")
    x = torch.tensor([[1.0, 5.0, nan, 1.0], [2.0, 5.0, 1.0, nan], [3.0, nan, 2.0, 2.0], [4.0, 5.0, 3.0, 3.0]])
    (finding,) = column_findings(make_subject([0, 1, 0, 1], x=x))
    assert (finding.level, finding.title) == ("warning", "Missing values")
    assert finding.text.startswith("3 features with missing values, 1 feature that never vary.")
    assert finding.table is not None
    assert finding.table.rows == (("x1", "25 %", "yes"), ("x2", "25 %", "no"), ("x3", "25 %", "no"))
    (complete,) = column_findings(make_subject([0, 1, 0, 1], x=x[:, :1]))
    assert complete.level == "ok"
    (flat,) = column_findings(make_subject([0, 1], x=torch.ones(2, 1)))
    assert (flat.level, flat.title) == ("note", "Features that never vary")
    assert column_findings(make_subject([0, 1], x=torch.zeros(2, 1, 8, 8, dtype=torch.uint8))) == []
