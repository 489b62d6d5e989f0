"""Tests of identical, nearly identical and empty images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from imbtk.audit.duplicates import copy_findings
from imbtk.audit.findings import Finding
from imbtk.audit.subject import AuditedData, given_split
from imbtk.data.faults import Faults

Draw = Callable[..., Image.Image]
MakeSubject = Callable[..., AuditedData]


def stored(*images: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).contiguous()


def named(subject: AuditedData) -> dict[str, Finding]:
    return {finding.name: finding for finding in copy_findings(subject)}


def lighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value + 2)


def test_nothing_twice(make_subject: MakeSubject, picture: Draw) -> None:
    found = named(make_subject([0, 1, 1], x=stored(*map(picture, range(3)))))
    assert {name: finding.level for name, finding in found.items()} == {
        "identical": "ok", "near-identical": "ok", "constant": "ok",
    }  # fmt: skip


def test_identical_images(make_subject: MakeSubject, picture: Draw) -> None:
    a, b = picture(1), picture(2)
    within = named(make_subject([0, 0, 0, 1], x=stored(a, a, a, b)))["identical"]
    assert (within.level, within.title) == ("note", "1 set of identical images")
    assert within.text.startswith("3 images in 1 set are identical to others. Identical images stay")
    assert within.table is not None
    assert within.table.rows == (("0 = 1 = 2", "a", 3),)
    across = named(make_subject([0, 1, 1], x=stored(a, a, b)))["identical"]
    assert across.level == "warning"
    assert "Of 1 pair, 1 across classes." in across.text
    assert "no longer at the size at which they are stored" in across.text


def test_conflicts_are_an_error(make_subject: MakeSubject, picture: Draw) -> None:
    plain = make_subject([0, 1], x=stored(picture(1), picture(2)))
    subject = AuditedData(plain.dataset, faults=Faults(conflicts=[(("x.png", "a"), ("y.png", "b"))]))
    finding = copy_findings(subject)[0]
    assert (finding.name, finding.level) == ("conflicting-labels", "error")
    assert finding.text.startswith("Identical images have different labels, 1 time.")
    assert finding.table is not None
    assert finding.table.rows == (("x.png = y.png", "a, b"),)


def test_near_copies_across_patients_classes_and_sides(make_subject: MakeSubject, picture: Draw) -> None:
    a, b, c = picture(1), picture(2), picture(3)
    x = stored(a, lighter(a), b, lighter(b), c, lighter(c))
    dataset = make_subject(
        [0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 3, 4], x=x, given_split=torch.tensor([0, 0, 0, 2, 0, 0])
    ).dataset
    finding = named(AuditedData(dataset, given_split(dataset)))["near-identical"]
    assert (finding.level, finding.title) == ("warning", "6 images nearly identical to another")
    assert "6 images in 3 sets are nearly the same" in finding.text
    assert "Of 3 pairs, 1 across sides of the split, 1 across classes and 2 across patients." in finding.text
    assert finding.table is not None
    assert finding.table.columns == ("image", "nearly the same", "classes", "sides", "patients")
    assert finding.table.rows[0] == ("2", "3", "a, b", "train, test", "p1, p2")
    assert finding.table.rows[2] == ("0", "1", "a", "train", "p0")


def test_near_copies_of_one_patient_are_a_note(make_subject: MakeSubject, picture: Draw) -> None:
    x = stored(picture(1), lighter(picture(1)), picture(2))
    assert named(make_subject([0, 0, 1], [0, 0, 1], x=x))["near-identical"].level == "note"
    unknown = named(make_subject([0, 0, 1], x=x))["near-identical"]
    assert unknown.level == "warning"
    assert "Patients are not known, so that a split by chance puts some pairs on both sides" in unknown.text


def test_empty_and_faint_images_are_not_alike(make_subject: MakeSubject, picture: Draw) -> None:
    black, red = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "red")
    faint = black.copy()
    faint.putpixel((3, 3), (9, 9, 9))
    found = named(make_subject([0, 0, 0, 1, 1], x=stored(black, black, red, faint, picture(1))))
    assert found["constant"].title == "3 images of one colour"
    assert found["constant"].level == "warning"
    assert (found["identical"].level, found["near-identical"].level) == ("ok", "ok")


def test_tiny_images_are_compared_by_content_alone(make_subject: MakeSubject) -> None:
    x = torch.randint(0, 256, (4, 1, 5, 5), dtype=torch.uint8)
    assert "near-identical" not in named(make_subject([0, 0, 1, 1], x=x))


def test_rows_of_a_table(make_subject: MakeSubject) -> None:
    x = torch.tensor([[1.0], [1.0], [2.0], [3.0]])
    (finding,) = copy_findings(make_subject([0, 1, 1, 0], x=x))
    assert (finding.name, finding.level, finding.title) == ("identical", "warning", "1 set of identical rows")
    assert finding.text.endswith("Where rows of two classes are the same, the features do not decide the class.")
