"""Tests of what the rarest class can be expected to show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from imbtk.audit.sample_size import Prospect, prospect_findings, prospects_of
from imbtk.audit.subject import AuditedData, given_split
from imbtk.authoring.context import Split

MakeSubject = Callable[..., AuditedData]


def numbers(subject: AuditedData, k: int) -> list[tuple[str, int, int]]:
    return [(p.side, p.groups, p.rows) for p in prospects_of(subject, k)]


def test_shares_of_a_split_by_chance(make_subject: MakeSubject) -> None:
    subject = make_subject([0] * 200 + [1] * 100, [n // 4 for n in range(300)])
    assert numbers(subject, 1) == [("train", 16, 64), ("validation", 4, 16), ("test", 5, 20), ("all (folds)", 25, 100)]


def test_a_given_split_and_what_it_lacks(make_subject: MakeSubject) -> None:
    labels, sides = [0] * 20 + [1] * 60, [0] * 20 + [0] * 50 + [2] * 10
    dataset = make_subject(labels, given_split=torch.tensor(sides)).dataset
    found = numbers(AuditedData(dataset, given_split(dataset)), 1)
    # Validation is cut from the 50 training rows: 16 of 80 per cent.
    assert found == [("train", 40, 40), ("validation", 10, 10), ("test", 10, 10), ("all (folds)", 60, 60)]


def test_the_interval_is_clopper_and_pearsons() -> None:
    low, high = stats.binomtest(8, 10).proportion_ci(0.95, "exact")
    assert Prospect("a", "test", 10, 30).interval(10) == pytest.approx((low, high))
    assert Prospect("a", "test", 0, 0).interval(0) is None


def test_few_patients_are_a_warning_with_the_width(make_subject: MakeSubject) -> None:
    (finding,) = prospect_findings(make_subject([0] * 400 + [1] * 100, [n // 2 for n in range(500)]))
    assert (finding.level, finding.title) == ("warning", "The test would rest on 10 patients of 'b'")
    low, high = stats.binomtest(8, 10).proportion_ci(0.95, "exact")
    assert f"the 95 % interval {low:.2f}–{high:.2f} on the test side if a patient's rows stand" in finding.text
    assert "Cross-validation tests all 50 of 'b' once" in finding.text
    assert finding.table is not None
    assert finding.table.columns == ("class", "side", "patients", "rows", "interval by patients", "interval by rows")
    assert finding.table.rows[0] == ("b", "train", 32, 64, None, None)


def test_the_class_of_the_fewest_patients_is_named_beside_the_rarest(make_subject: MakeSubject) -> None:
    (finding,) = prospect_findings(make_subject([0] * 40 + [1] * 30, [n % 5 for n in range(40)] + list(range(5, 35))))
    assert "'b', in training" in finding.text
    assert "for 'a', the class with the fewest" in finding.text
    assert finding.table is not None
    assert len(finding.table.rows) == 8


def test_many_rows_are_no_warning_and_none_are_said_to_be_none(make_subject: MakeSubject) -> None:
    (finding,) = prospect_findings(make_subject([0] * 200 + [1] * 150))
    assert (finding.level, finding.title) == ("ok", "The test would rest on 30 rows of 'b'")
    (none,) = prospect_findings(make_subject([0] * 8 + [1] * 2))
    assert none.text.endswith("With no row of 'b' in the test, nothing can be said of that class.")


def test_the_class_that_is_rarest_in_training_is_named_where_rows_were_taken_away(make_subject: MakeSubject) -> None:
    dataset = make_subject([0] * 40 + [1] * 60).dataset
    train, test = torch.arange(0, 45), torch.cat([torch.arange(30, 40), torch.arange(80, 100)])
    split = Split(train[train != 35], torch.arange(70, 80), test[test != 30])
    [finding] = prospect_findings(AuditedData(dataset, split))
    assert f"5, 10 and 20 rows of the rarest class, '{dataset.class_names[1]}'" in finding.text.replace(
        "images", "rows"
    )
