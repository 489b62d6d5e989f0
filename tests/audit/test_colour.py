"""Tests of what colour alone can tell."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from imbtk.audit import colour
from imbtk.audit.colour import colour_findings, colour_histograms, learn_colour
from imbtk.audit.subject import AuditedData

Draw = Callable[..., Image.Image]
MakeSubject = Callable[..., AuditedData]


def stored(*images: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(i.resize((12, 12))) for i in images])).permute(0, 3, 1, 2).contiguous()


def tinted(picture: Draw, labels: list[int], tint: tuple[int, int, int]) -> torch.Tensor:
    return stored(*(picture(n, tint if label else (0, 0, 0)) for n, label in enumerate(labels)))


def test_histograms_are_shares_of_hue_saturation_and_value() -> None:
    rgb = (200, 40, 90)
    image = np.full((1, 3, 4, 4), 0, dtype=np.uint8) + np.array(rgb, dtype=np.uint8)[None, :, None, None]
    (row,) = colour_histograms(image)
    hsv = colorsys.rgb_to_hsv(*(value / 255 for value in rgb))
    expected = np.zeros(48)
    expected[[16 * channel + int(value * 255) // 16 for channel, value in enumerate(hsv)]] = 1
    assert row.tolist() == expected.tolist()


def test_grey_has_a_histogram_of_brightness() -> None:
    (row,) = colour_histograms(np.array([[[[0, 0], [0, 255]]]], dtype=np.uint8))
    assert row.tolist() == pytest.approx([0.75**0.5, *[0] * 14, 0.25**0.5])


def test_a_tint_is_found(make_subject: MakeSubject, picture: Draw) -> None:
    labels = [0] * 30 + [1] * 15
    (finding,) = colour_findings(
        make_subject(labels, [n // 3 for n in range(45)], x=tinted(picture, labels, (80, -60, 0)))
    )
    assert (finding.level, finding.title) == ("warning", "Colour alone: balanced accuracy 1.00")
    assert "(45 images, cross-validated, patients kept apart)" in finding.text
    assert "A network that does not beat that has learnt stain, light or camera, not structure." in finding.text


def test_no_tint_is_no_finding(make_subject: MakeSubject, picture: Draw) -> None:
    labels = [0, 1] * 20
    (finding,) = colour_findings(make_subject(labels, x=tinted(picture, labels, (0, 0, 0))))
    assert finding.level == "ok"
    assert finding.text.endswith("Colour says little of the class.")


def test_patients_are_kept_apart(make_subject: MakeSubject, picture: Draw) -> None:
    # Every patient has a tint of its own that says nothing of the class: only who knows the patient can tell.
    groups = [n // 5 for n in range(60)]
    rng = np.random.default_rng(0)
    tints = rng.integers(-60, 60, (12, 3)).tolist()
    x = stored(*(picture(n, tuple(tints[g])) for n, g in enumerate(groups)))
    labels = [g % 2 for g in groups]
    apart, mixed = learn_colour(make_subject(labels, groups, x=x)), learn_colour(make_subject(labels, x=x))
    assert apart is not None
    assert mixed is not None
    assert mixed.value > apart.value + 0.2
    assert apart.interval[1] - apart.interval[0] > mixed.interval[1] - mixed.interval[0]


def test_classes_of_one_patient_are_left_out(make_subject: MakeSubject, picture: Draw) -> None:
    labels = [0] * 10 + [1] * 10 + [2] * 5
    groups = [n // 2 for n in range(20)] + [10] * 5
    (finding,) = colour_findings(make_subject(labels, groups, x=tinted(picture, labels, (50, 0, 0))))
    assert finding.text.endswith("Left out, having a single patient: 'c'.")
    assert "chance is 0.50" in finding.text
    (none,) = colour_findings(
        make_subject([0] * 4 + [1] * 4, [0] * 4 + [1, 1, 2, 2], x=tinted(picture, [0] * 8, (0, 0, 0)))
    )
    assert none.title == "Colour alone could not be tested"


def test_few_images_and_grey_ones_go_through(make_subject: MakeSubject, picture: Draw) -> None:
    x = stored(*map(picture, range(4)))[:, :1]
    (finding,) = colour_findings(make_subject([0, 0, 1, 1], x=x.contiguous()))
    assert finding.title.startswith("Brightness alone: balanced accuracy")
    (two,) = colour_findings(make_subject([0, 0, 1, 1], [0, 1, 0, 1], x=x.contiguous()))
    assert two.name == "colour"


def test_of_many_images_each_class_gives_as_many(make_subject: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "ROWS", {True: 80, False: 80})
    labels = [0] * 100 + [1] * 50
    x = torch.randint(0, 256, (150, 3, 4, 4), dtype=torch.uint8)
    result = learn_colour(make_subject(labels, x=x))
    assert result is not None
    assert result.rows == 80


def test_tables_have_no_colour(make_subject: MakeSubject) -> None:
    assert colour_findings(make_subject([0, 1])) == []
