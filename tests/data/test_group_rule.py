"""How a user says what class a group is."""

import pytest

from imbtk.data.group_rule import column_of, parse_group_label, rule_words
from imbtk.data.options import DataOptions
from imbtk.errors import OptionError


def test_rules_are_read_with_their_spaces():
    assert parse_group_label(" any: in situ ") == ("any", "in situ")
    assert parse_group_label("column:a:b") == ("column", "a:b")
    assert parse_group_label("majority") == ("majority", "")


def test_only_one_rule_names_a_column():
    assert [column_of(rule) for rule in ("column:dx", "any:dx", "majority", None, "")] == ["dx", None, None, None, None]


def test_the_rules_in_words():
    assert (
        rule_words("any:bad", "patient")
        == "a patient with any row of 'bad' is 'bad', another what most of its rows are"
    )
    assert rule_words("column:dx", "study") == "what a study is, the column 'dx' says"
    assert rule_words(None, "group") == "all rows of a group have one class, which is its own"


@pytest.mark.parametrize("text", ["any", "any:", "majority:benign", "column:", "most", ""])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(
        (OptionError, ValueError), match=r"does not say what class a group is\. Write any:CLASS, majority"
    ):
        DataOptions(group_label=text)
