"""Tests of what is said of a given split."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk.audit.given_split import split_findings
from imbtk.audit.subject import AuditedData, given_split

MakeSubject = Callable[..., AuditedData]


def audited(
    make_subject: MakeSubject, labels: list[int], groups: list[int] | None, sides: list[int], **more: object
) -> AuditedData:
    subject = make_subject(labels, groups, given_split=torch.tensor(sides), **more)
    return AuditedData(subject.dataset, given_split(subject.dataset))


def test_no_split_no_finding(make_subject: MakeSubject) -> None:
    assert split_findings(make_subject([0, 1])) == []


def test_a_split_that_keeps_patients_whole(make_subject: MakeSubject) -> None:
    subject = audited(make_subject, [0, 1] * 3, [0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2])
    counts, leak = split_findings(subject)
    assert (counts.level, leak.level) == ("ok", "ok")
    assert counts.table is not None
    assert counts.table.rows == (("a", 1, 1, 1), ("b", 1, 1, 1))
    assert leak.title == "The split does not leak"


def test_a_leak_names_the_patients(make_subject: MakeSubject) -> None:
    subject = audited(make_subject, [0, 1] * 3, [0, 1, 2, 1, 4, 5], [0, 0, 0, 2, 2, 2])
    leak = split_findings(subject)[1]
    assert (leak.level, leak.title) == ("error", "The split leaks: 1 patient")
    assert leak.text.startswith("1 patient on more than one side of the split: 'p1' (1 in train, 1 in test).")
    assert leak.table is not None
    assert leak.table.rows == (("p1", 1, 0, 1),)


def test_identical_images_leak_too(make_subject: MakeSubject) -> None:
    known = {"groups_known": False}
    subject = audited(make_subject, [0, 1] * 2, [0, 1, 0, 1], [0, 0, 2, 2], description=known)
    leak = split_findings(subject)[1]
    assert leak.title == "The split leaks identical images"
    assert leak.text.startswith("2 sets of identical images on more than one side")
    clean = split_findings(audited(make_subject, [0, 1] * 2, None, [0, 0, 2, 2]))[1]
    assert (clean.level, clean.title) == ("note", "No leak that could be seen")


def test_classes_that_a_side_lacks(make_subject: MakeSubject) -> None:
    untestable = split_findings(audited(make_subject, [0, 1, 0, 1], None, [0, 0, 2, 0]))[0]
    assert untestable.level == "warning"
    assert "No test row of class 'b': metrics of it cannot be computed there." in untestable.text
    assert "What it lacks (validation) is cut from its training rows." in untestable.text
    unlearnable = split_findings(audited(make_subject, [0, 1, 0, 1], None, [0, 2, 2, 1]))[0]
    assert unlearnable.level == "error"
    assert "No train row of class 'b': it cannot be learnt." in unlearnable.text
