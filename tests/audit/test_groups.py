"""Tests of what is said of patients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imbtk.audit.groups import group_findings, group_folders
from imbtk.audit.subject import AuditedData

MakeSubject = Callable[..., AuditedData]


def test_patients_of_each_class(make_subject: MakeSubject) -> None:
    labels, groups = [0] * 6 + [1] * 4, [0, 0, 0, 1, 2, 2, 3, 4, 5, 5]
    (finding,) = group_findings(make_subject(labels, groups, description={"groups_from": "column 'who'"}))
    assert (finding.level, finding.title) == ("ok", "Patients are known: 6")
    assert "come from 6 patients (known from column 'who'), 1 to 3 each" in finding.text
    assert finding.table is not None
    assert finding.table.rows == (("a", 3, 2, 1, 3), ("b", 3, 1, 1, 2))


def test_too_few_patients_for_three_sides(make_subject: MakeSubject) -> None:
    finding = group_findings(make_subject([0] * 3 + [1] * 4, [0, 1, 2, 3, 3, 4, 4]))[0]
    assert finding.level == "warning"
    assert "three sides: 'b' (2). Such a class cannot be trained on, validated and tested" in finding.text


def test_patients_with_several_classes(make_subject: MakeSubject) -> None:
    finding = group_findings(make_subject([0, 1, 0, 1, 0, 1], [0, 0, 1, 2, 3, 4]))[1]
    assert (finding.name, finding.level) == ("groups-of-several-classes", "note")
    assert finding.text.startswith("1 of 5 patients have rows of more than one class.")
    assert finding.table is not None
    assert finding.table.rows == (("p0", "a, b"),)


def test_only_patients_that_are_listed_are_looked_up(
    make_subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, groups = [0, 1] * 200, [number // 2 for number in range(400)]
    subject, asked = make_subject(labels, groups), []
    monkeypatch.setattr(AuditedData, "group_name", lambda self, group: asked.append(group) or f"p{group}")
    finding = group_findings(subject)[1]
    assert finding.text.startswith("200 of 200 patients have rows of more than one class.")
    assert finding.table is not None
    assert [row[0] for row in finding.table.rows] == [f"p{group}" for group in range(50)]
    assert len(asked) <= 50


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("table", "--group-column NAME."),
        ("folder", "--group-pattern REGEX."),
        ("arrays", "(x, y, groups)."),
        ("npz", "'groups'."),
    ],
)
def test_unknown_patients_are_told_how_to_name_them(make_subject: MakeSubject, source: str, hint: str) -> None:
    (finding,) = group_findings(make_subject([0, 1], description={"source": source}))
    assert (finding.level, finding.title) == ("warning", "Patients are not known")
    assert hint in finding.text


def test_folders_that_look_like_patients_are_named(make_subject: MakeSubject) -> None:
    names = tuple(f"{label}/p{n // 2}/{n}.png" for label in "ab" for n in range(6))
    (finding,) = group_findings(make_subject([0] * 6 + [1] * 6, row_names=names, description={"source": "folder"}))
    assert "The 3 folders of level 2 look like it: --group-pattern '^[^/]+/([^/]+)/'." in finding.text


def test_folders_of_classes_or_of_single_files_are_no_patients() -> None:
    assert group_folders(["a/1.png", "b/2.png", "a/3.png", "b/4.png"], 2) == []
    assert group_folders([f"a/{n}/x.png" for n in range(8)], 2) == []
    assert group_folders(["x.png", "y.png"], 2) == []
    assert group_folders([], 2) == []


def test_groups_are_called_what_they_are(make_subject: MakeSubject) -> None:
    """A table of card payments has no patients."""
    (known,) = group_findings(make_subject([0, 1] * 6, [0, 1] * 6, group_name="card"))
    (unknown,) = group_findings(make_subject([0, 1] * 6, group_name="card"))
    for finding in (known, unknown):
        assert "patient" not in f"{finding.title} {finding.text} {finding.table}".casefold()
    assert "come from 2 cards" in known.text
    assert unknown.title == "Cards are not known"
