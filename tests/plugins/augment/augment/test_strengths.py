"""What the presets promise."""

import pytest

from imbtk_plugins.augment.augment.strengths import PRESETS, Strengths


def test_presets_keep_what_the_images_mean():
    digits, histology, classic = (PRESETS[name] for name in ("digits", "histology", "classic"))
    assert not digits.horizontal_flip
    assert not digits.vertical_flip
    assert not digits.quarter_turns
    assert histology.vertical_flip
    assert histology.quarter_turns
    assert (histology.shear, histology.zoom, histology.fill) == (0, 0.1, "reflect")
    assert (classic.rotation, classic.shift, classic.shear, classic.zoom) == (20, 0.2, 0.2, 0.2)
    assert (classic.horizontal_flip, classic.fill, classic.vertical_flip) == (True, "nearest", False)


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ({}, (False, False, False)),
        ({"fill": "reflect", "erase": 0.5}, (False, False, False)),
        ({"shear": 1.0}, (True, False, False)),
        ({"rotation": 1.0, "horizontal_flip": True}, (True, True, False)),
        ({"quarter_turns": True, "stain": 0.1}, (False, True, True)),
    ],
)
def test_settings_say_which_kinds_of_change_there_are(strengths, expected):
    found = Strengths(**strengths)
    assert (found.moves, found.mirrors, found.tints) == expected
