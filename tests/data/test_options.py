import subprocess
import sys

import pytest
from pydantic import ValidationError

from imbtk.data import DataOptions
from imbtk.data.options import parse_imbalance, parse_where
from imbtk.errors import OptionError


def test_options_import_without_torch() -> None:
    code = (
        "import sys, imbtk.data.options, imbtk.data; "
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(("text", "expected"), [("50", (50.0, "long-tail")), ("10:step", (10.0, "step"))])
def test_an_imbalance_is_read(text: str, expected: tuple[float, str]) -> None:
    assert parse_imbalance(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("many", "'many' is no imbalance factor. Write a factor"),
        ("0.5", "the imbalance factor 0.5 is not between 1 and infinity"),
        ("nan", "the imbalance factor nan is not between 1 and infinity"),
        ("inf", "the imbalance factor inf is not between 1 and infinity"),
        ("10:stairs", "'stairs' is no profile of imbalance: there is long-tail and step"),
    ],
)
def test_a_bad_imbalance_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_imbalance(text)


def test_a_filter_is_read() -> None:
    assert parse_where("mag = 200=x") == ("mag", "200=x")


@pytest.mark.parametrize("text", ["magnification", "=200"])
def test_a_bad_filter_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=f"'{text}' is no filter. Write column=value"):
        parse_where(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"where": ("x",)}, "is no filter"),
        ({"induce_imbalance": "x"}, "is no imbalance factor"),
        ({"label_level": 0}, "label_level 0 is no folder"),
        ({"group_pattern": "("}, "is no regular expression"),
        ({"group_pattern": "abc"}, "has no group: put round brackets"),
        ({"image_size": 0}, "greater than or equal to 1"),
        ({"resize": "squash"}, "'pad', 'stretch' or 'crop'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_bad_options_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataOptions.model_validate(fields)


def test_options_that_say_nothing_are_refused_by_name() -> None:
    options = DataOptions(image_size=8, path_column="p", cache_dir="c", seed=3, groups="none")
    with pytest.raises(OptionError, match="--path-column says nothing about a folder: leave it out"):
        options.refuse_unused({"image_size"}, "a folder")
    options.refuse_unused({"image_size", "path_column"}, "a folder")
