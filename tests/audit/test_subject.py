"""Tests of what is audited."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk.audit.subject import AuditedData, given_split
from imbtk.authoring.context import Split

MakeSubject = Callable[..., AuditedData]


def test_sides_and_names(make_subject: MakeSubject) -> None:
    split = Split(torch.tensor([0, 3]), torch.tensor([1]), torch.tensor([4]))
    subject = make_subject([0, 0, 1, 1, 1], [0, 0, 1, 1, 2], split=split, row_names=tuple("vwxyz"))
    assert subject.sides is not None
    assert subject.sides.tolist() == [0, 1, -1, 0, 2]
    assert (subject.row_name(4), subject.class_name(4), subject.group_name(2)) == ("z", "b", "p2")


def test_identical_images_alone_are_no_patients(make_subject: MakeSubject) -> None:
    assert make_subject([0, 1, 1], [0, 1, 1], description={"groups_known": False}).groups is None
    assert make_subject([0, 1, 1], [0, 1, 1]).groups is not None
    assert make_subject([0, 1, 1]).row_name(2) == "2"


def test_the_split_that_data_give(make_subject: MakeSubject) -> None:
    assert given_split(make_subject([0, 1]).dataset) is None
    split = given_split(make_subject([0, 1, 1], given_split=torch.tensor([2, 0, 0])).dataset)
    assert split is not None
    assert [side.tolist() for side in (split.train, split.validation, split.test)] == [[1, 2], [], [0]]
